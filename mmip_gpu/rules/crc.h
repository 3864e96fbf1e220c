// CRC-32 (ISO 3309, as in zlib), a byte a step.
// Values: bytes. Host and device. Implements FORMAT.md section 0.
#pragma once

#include "format.h"

namespace MMIP_NS {

constexpr uint32_t kCrcStart = 0xffffffffu;  // and what is xor-ed in at the end

// Entry i < 256 of the table.
MMIP_RULE uint32_t crc_entry(uint32_t i) {
    for (int k = 0; k < 8; ++k) i = (i & 1) != 0 ? 0xedb88320u ^ (i >> 1) : i >> 1;
    return i;
}

MMIP_RULE uint32_t crc_step(const uint32_t* table, uint32_t crc, uint8_t byte) { return (crc >> 8) ^ table[(crc ^ byte) & 255]; }

}  // namespace MMIP_NS
