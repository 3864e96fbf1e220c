// CRC-32C of runs of bytes on the host, as `crc_of` of rules/coding/crc.h gives it, faster. Implements FORMAT.md section 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mmip {

// The crc of bytes that come after others with crc `before`; by the machine's instructions where it has them.
uint32_t crc32c(const uint8_t* bytes, size_t count, uint32_t before = 0);

// The same by tables, as on any machine.
uint32_t crc32c_by_tables(const uint8_t* bytes, size_t count, uint32_t before = 0);

}  // namespace mmip
