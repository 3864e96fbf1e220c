// Decoding one symbol of a canonical code, and the fixed codes in which own codes are described.
// Values: 16-bit table entries. Host and device. Implements FORMAT.md section 7; construction is passes/codebook's affair.
#pragma once

#include "bitstream.h"

namespace MMIP_NS {

// Entry of a decoding table of 2^kCodeLimit: symbol in the low 12 bits, length in the high 4.
MMIP_RULE uint16_t decode_entry(int symbol, int length) { return static_cast<uint16_t>(symbol | (length << 12)); }

// One symbol; the escape is followed by the symbol in raw bits. -1: a value outside the alphabet. Uses up to 12 + 9 bits.
MMIP_RULE int decode_symbol(BitReader& bits, const uint16_t* table, int alphabet, int escape_bits) {
    const uint16_t entry = table[bits.peek(kCodeLimit)];
    bits.skip(entry >> 12);
    int symbol = entry & 0xfff;
    if (symbol == alphabet) {
        symbol = static_cast<int>(bits.take(escape_bits));
        if (symbol >= alphabet) return -1;
    }
    return symbol;
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
