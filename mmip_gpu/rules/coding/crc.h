// CRC-32C in pieces: a byte, a run of bytes, and two runs put together. Values: crcs as the format stores them.
// Host and device. Implements FORMAT.md section 0 (crc); the polynomial's bits are reflected.
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

constexpr uint32_t kCrcPolynomial = 0x82f63b78u;   // Castagnoli

MMIP_TABLE uint32_t kCrcNibbles[16] = {0x00000000u, 0x105ec76fu, 0x20bd8edeu, 0x30e349b1u, 0x417b1dbcu, 0x5125dad3u, 0x61c69362u, 0x7198540du,
                                       0x82f63b78u, 0x92a8fc17u, 0xa24bb5a6u, 0xb21572c9u, 0xc38d26c4u, 0xd3d3e1abu, 0xe330a81au, 0xf36e6f75u};

// The state of a crc (its complement) after one more byte.
MMIP_RULE uint32_t crc_byte(uint32_t state, uint32_t byte) {
    state ^= byte;
    state = (state >> 4) ^ kCrcNibbles[state & 15];
    return (state >> 4) ^ kCrcNibbles[state & 15];
}

MMIP_RULE uint32_t crc_of(const uint8_t* bytes, int64_t count) {
    uint32_t state = 0xffffffffu;
    for (int64_t i = 0; i < count; ++i) state = crc_byte(state, bytes[i]);
    return ~state;
}

// Product of two polynomials modulo that of the crc; 1 is the highest bit.
MMIP_RULE uint32_t crc_multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
        product ^= (a & bit) != 0 ? b : 0;
        b = (b >> 1) ^ ((b & 1) != 0 ? kCrcPolynomial : 0);
    }
    return product;
}

// x^(8 count): what a state is multiplied by when `count` bytes of 0 come after it.
MMIP_RULE uint32_t crc_shift(int64_t count) {
    uint32_t power = 1u << 23, shift = 1u << 31;   // x^8 squared over and over
    for (; count != 0; count >>= 1) {
        if ((count & 1) != 0) shift = crc_multiply(shift, power);
        power = crc_multiply(power, power);
    }
    return shift;
}

// The crc of bytes whose first part has crc a, and whose last `count` bytes have crc b.
MMIP_RULE uint32_t crc_joined(uint32_t a, uint32_t b, int64_t count) { return crc_multiply(crc_shift(count), a) ^ b; }

}  // namespace MMIP_NS
