// Canonical Huffman codes of one stage: built-in ones, own ones, their description in the payload.
// Values: histograms (uint32 per symbol) in, code lengths and codewords out. Home: host, always. Implements FORMAT.md section 7.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../rules/huffman.h"

namespace mmip {

// A family of codes that share an alphabet.
struct CodeFamily {
    int classes, alphabet, escape_bits;
    const uint8_t* builtin;                      // classes x (alphabet + 1) lengths, the escape last

    const uint8_t* builtin_lengths(int c) const { return builtin + c * (alphabet + 1); }
};

// The families of a stage in the order of its payload: {DC} for stage 1, with a DC image {DC, HEADER, TOKEN}; {HEADER, TOKEN}
// for later ones.
std::vector<CodeFamily> stage_families(int stage, bool dc_image);

// The family of the corrections.
CodeFamily correction_family();

// Lengths of a length-limited optimal code (package-merge); symbols of count 0 get 0. Ties go to the lower symbol.
std::vector<uint8_t> code_lengths(const std::vector<uint64_t>& counts, int limit);

constexpr uint16_t kUnlistedWord = 0xffff;

// Codewords of a canonical code: (codeword << 4) | length per symbol, or kUnlistedWord; the escape is the last entry.
std::vector<uint16_t> canonical_codewords(const uint8_t* lengths, int entries);

// Symbols in the order of an own code: by built-in length, unlisted ones as kUnlistedLength, then by symbol.
std::vector<int> own_order(const uint8_t* builtin, int alphabet);

int reference_length(const uint8_t* builtin, int symbol);

// Codewords of the entries of an own code, per bucket.
const std::array<std::vector<uint16_t>, 3>& entry_codewords();

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

// The built-in codes of all classes.
EncodingTables builtin_codewords(const CodeFamily& family);

// Chooses built-in or own per class, whichever is fewer bits with its description; appends the description to `head`.
EncodingTables choose_codes(const CodeFamily& family, const std::vector<uint32_t>& histogram, BitString& head, int threads);

}  // namespace mmip
