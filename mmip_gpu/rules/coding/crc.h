// CRC-32 in pieces: of a run of bytes, and of two runs put together. Values: crcs as the format stores them.
// Host and device. Implements FORMAT.md section 0 (crc); the polynomial's bits are reflected.
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

constexpr uint32_t kCrcPolynomial = 0xedb88320u;

MMIP_TABLE uint32_t kCrcNibbles[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
                                       0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};

MMIP_RULE uint32_t crc_of(const uint8_t* bytes, int64_t count) {
    uint32_t crc = 0xffffffffu;
    for (int64_t i = 0; i < count; ++i) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ kCrcNibbles[crc & 15];
        crc = (crc >> 4) ^ kCrcNibbles[crc & 15];
    }
    return ~crc;
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

// The crc of bytes whose first part has crc a, and whose last `count` bytes have crc b.
MMIP_RULE uint32_t crc_joined(uint32_t a, uint32_t b, int64_t count) {
    uint32_t power = 1u << 23, shift = 1u << 31;   // x^8 squared over and over; x^(8 count)
    for (; count != 0; count >>= 1) {
        if ((count & 1) != 0) shift = crc_multiply(shift, power);
        power = crc_multiply(power, power);
    }
    return crc_multiply(shift, a) ^ b;
}

}  // namespace MMIP_NS
