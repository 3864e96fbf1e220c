// Canonical Huffman codes of one stage: built-in ones, own ones, their description in the payload.
// Values: histograms (uint32 per symbol) in, code lengths and codewords out. Home: host, always. Implements FORMAT.md section 7.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "rules/coding/huffman.h"

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

// The family of the corrections; that of predictions, which comes before those of stage 2 where blocks may have one.
CodeFamily correction_family();
CodeFamily prediction_family();

constexpr uint16_t kUnlistedWord = 0xffff;

// Codewords of a canonical code: (codeword << 4) | length per symbol, or kUnlistedWord; the escape is the last entry.
std::vector<uint16_t> canonical_codewords(const uint8_t* lengths, int entries);

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
    uint64_t bits = 0;                           // of all codewords counted, at most

    size_t symbols() const { return codewords.size() / (alphabet + 1) * alphabet; }
    const uint16_t* row(int c) const { return codewords.data() + static_cast<size_t>(c) * (alphabet + 1); }
};

// What is known of the built-in codes of a family before anything is counted; made once.
struct BuiltinCodes {
    EncodingTables tables;
    std::vector<uint8_t> bits;                   // of every symbol, the raw bits of escapes included: classes x alphabet
    std::vector<uint16_t> order;                 // symbols in the order of an own code: classes x alphabet
    std::vector<uint16_t> places;                // of every symbol in that order
    std::vector<uint32_t> absent_bits;           // describing the first n symbols of that order as absent: classes x (alphabet + 1)

    const uint16_t* own_order(int c) const { return order.data() + static_cast<size_t>(c) * tables.alphabet; }
};

const BuiltinCodes& builtin_codes(const CodeFamily& family);

// All families that there are, and the place of one among them.
constexpr size_t kFamilies = 6;
const std::array<CodeFamily, kFamilies>& all_families();
size_t family_index(const CodeFamily& family);

int reference_length(const uint8_t* builtin, int symbol);

// Chooses built-in or own per class, whichever is fewer bits with its description; appends the description to `head`.
// `histogram`: classes x alphabet.
EncodingTables choose_codes(const CodeFamily& family, const uint32_t* histogram, BitString& head, int threads);

}  // namespace mmip
