// Canonical Huffman codes of one stage: built-in ones, own ones, their description in the payload, decoding tables.
// Values: histograms (uint32 per symbol) in, code lengths and codewords out. Home: host, always. Implements FORMAT.md section 7.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "../rules/huffman.h"

namespace mmip {

// A family of codes that share an alphabet.
struct CodeFamily {
    int classes, alphabet, escape_bits;
    const uint8_t* builtin;                      // classes x (alphabet + 1) lengths, the escape last

    const uint8_t* builtin_lengths(int c) const { return builtin + c * (alphabet + 1); }
};

// The families of a stage in the order of its payload: {DC} for stage 1, {HEADER, TOKEN} for later ones.
std::vector<CodeFamily> stage_families(int stage);

// The family of the corrections.
CodeFamily correction_family();

// Lengths of a length-limited optimal code (package-merge); symbols of count 0 get 0. Ties go to the lower symbol.
std::vector<uint8_t> code_lengths(const std::vector<uint64_t>& counts, int limit);

constexpr uint16_t kUnlistedWord = 0xffff;

// Codewords of a canonical code: (codeword << 4) | length per symbol, or kUnlistedWord; the escape is the last entry.
std::vector<uint16_t> canonical_codewords(const uint8_t* lengths, int entries);

// A growing bit string on the host, most significant bit first.
class BitString {
public:
    void put(uint32_t value, int bits);
    // Pads with zero bits to a byte.
    const std::vector<uint8_t>& finish();

private:
    std::vector<uint8_t> bytes_;
    uint64_t held_ = 0;
    int count_ = 0;
};

// Codes of all classes of a family, ready to write.
struct EncodingTables {
    int alphabet = 0, escape_bits = 0;
    std::vector<uint16_t> codewords;             // classes x (alphabet + 1)

    const uint16_t* row(int c) const { return codewords.data() + static_cast<size_t>(c) * (alphabet + 1); }
};

// Decoding tables of all classes of a family; built-in ones are shared by all streams.
struct DecodingTables {
    int alphabet = 0, escape_bits = 0;
    std::vector<const uint16_t*> tables;
    std::vector<std::unique_ptr<uint16_t[]>> owned;
};

// Chooses built-in or own per class, whichever is fewer bits with its description; appends the description to `head`.
EncodingTables choose_codes(const CodeFamily& family, const std::vector<uint32_t>& histogram, BitString& head);

// Reads what choose_codes wrote. Throws DataError.
DecodingTables read_codes(const CodeFamily& family, BitReader& bits);

}  // namespace mmip
