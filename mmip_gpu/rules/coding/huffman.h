// Decoding one symbol of a canonical code, and the fixed codes in which own codes are described.
// Values: 32-bit table entries. Host and device. Implements FORMAT.md section 7; construction is passes/decoding_tables' affair.
#pragma once

#include "rules/coding/bitstream.h"
#include "rules/fields.h"

namespace mmip {

constexpr int kFastBits = 9;             // longest codeword that one look-up decodes
constexpr int kFastEntries = 1 << kFastBits;

// What finds the longer codewords of a canonical code.
struct LongCodes {
    uint16_t end[13];                    // codewords of at most this length lie below, seen as 12 bits
    int16_t first[13];                   // added to a codeword of this length: its place in `symbols`
    uint16_t symbols[417];               // by (length, symbol)
};

// A family of codes: of each class kFastEntries entries, one for each value of the next kFastBits bits, and the rest.
struct CodeTables {
    const uint32_t* fast;
    const LongCodes* longer;
    int alphabet, escape_bits;
    MMIP_FIELDS(fast, longer, alphabet, escape_bits)
};

}  // namespace mmip

namespace MMIP_NS {

// Entry: codeword length in bits 0..3; symbol in bits 20..31; or, of a token that needs no second look: bits of the run
// in 4..7, raw bits of the size in 8..11 (never 0), all bits together in 12..16, what is added to a leading one with these raw
// bits in 17..19, least run in 20..31.
constexpr uint32_t kSpecialEntry = 1u << 18;   // an escape, or a token of size 0 or kEscapeSize
constexpr uint32_t kLongEntry = 1u << 19;      // the codeword is longer than mmip::kFastBits
constexpr int kEntryValue = 20, kEntryAdded = 17;
constexpr uint32_t kTokenBits = 15u << 8;      // 0 in entries that need a second look

MMIP_RULE uint32_t symbol_entry(int symbol, int length) { return static_cast<uint32_t>(symbol) << kEntryValue | static_cast<uint32_t>(length); }

MMIP_RULE uint32_t token_entry(int symbol, int length) {
    const int size = symbol & 15, extra = count_extra_bits(symbol >> 4);
    if (size == 0 || size == kEscapeSize) return symbol_entry(symbol, length) | kSpecialEntry;
    const int raw = size_bits(size), added = static_cast<int>(size_base(size)) - (1 << (raw - 1));
    return symbol_entry(static_cast<int>(count_base(symbol >> 4)), length) |
           static_cast<uint32_t>(extra << 4 | raw << 8 | (length + extra + raw) << 12 | added << kEntryAdded);
}

// A symbol whose entry is special or long, past its raw bits too; -1: a value outside the alphabet. Uses up to 12 + 9 bits.
MMIP_RULE int decode_special(BitReader& bits, const mmip::CodeTables& codes, int c, uint32_t entry) {
    int symbol = static_cast<int>(entry >> kEntryValue), length = static_cast<int>(entry & 15);
    if ((entry & kLongEntry) != 0) {
        const uint32_t next = bits.peek(kCodeLimit);
        const mmip::LongCodes& code = codes.longer[c];
        length = mmip::kFastBits + 1;
        while (next >= code.end[length]) ++length;
        symbol = code.symbols[static_cast<int>(next >> (kCodeLimit - length)) + code.first[length]];
    }
    bits.skip(length);
    if (symbol == codes.alphabet) symbol = static_cast<int>(bits.take(codes.escape_bits));
    return symbol < codes.alphabet ? symbol : -1;
}

// One symbol by the code of class c, in a family without tokens.
MMIP_RULE int decode_symbol(BitReader& bits, const mmip::CodeTables& codes, int c) {
    const uint32_t entry = codes.fast[c * mmip::kFastEntries + static_cast<int>(bits.peek(mmip::kFastBits))];
    if ((entry & (kSpecialEntry | kLongEntry)) != 0) return decode_special(bits, codes, c, entry);
    bits.skip(static_cast<int>(entry & 15));
    return static_cast<int>(entry >> kEntryValue);
}

// Lengths of the three codes for the entries of an own code, by the built-in length of the symbol (section 7.2).
MMIP_TABLE uint8_t kOwnEntryLengths[3][16] = {
    {10, 10, 10, 9, 6, 4, 2, 2, 3, 4, 4, 5, 7, 9, 10, 3},
    {10, 10, 8, 6, 5, 4, 3, 3, 4, 5, 5, 8, 8, 10, 10, 1},
    {7, 7, 5, 5, 4, 3, 3, 4, 5, 7, 10, 10, 9, 9, 9, 1},
};
constexpr int kOwnAbsent = 15, kOwnOther = 0, kOwnZero = 7;  // entry indexes: absent, length in raw bits, difference 0

MMIP_RULE int own_bucket(int reference) { return reference <= 6 ? 0 : (reference <= 9 ? 1 : 2); }

}  // namespace MMIP_NS
