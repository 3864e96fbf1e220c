// CRC-32 (ISO 3309, as in zlib), eight bytes a step. Home: host. Implements FORMAT.md section 0.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace mmip {

inline const std::array<std::array<uint32_t, 256>, 8>& crc_tables() {
    static const std::array<std::array<uint32_t, 256>, 8> tables = [] {
        std::array<std::array<uint32_t, 256>, 8> t{};
        for (uint32_t i = 0; i < 256; ++i) {
            uint32_t c = i;
            for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? 0xedb88320u ^ (c >> 1) : c >> 1;
            t[0][i] = c;
        }
        for (uint32_t i = 0; i < 256; ++i)
            for (int k = 1; k < 8; ++k) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 255];
        return t;
    }();
    return tables;
}

inline uint32_t crc32(const uint8_t* data, size_t size) {
    const auto& t = crc_tables();
    uint32_t crc = 0xffffffffu;
    for (; size >= 8; size -= 8, data += 8) {
        crc ^= data[0] | data[1] << 8 | data[2] << 16 | static_cast<uint32_t>(data[3]) << 24;
        crc = t[7][crc & 255] ^ t[6][(crc >> 8) & 255] ^ t[5][(crc >> 16) & 255] ^ t[4][crc >> 24] ^ t[3][data[4]] ^
              t[2][data[5]] ^ t[1][data[6]] ^ t[0][data[7]];
    }
    for (; size > 0; --size, ++data) crc = (crc >> 8) ^ t[0][(crc ^ *data) & 255];
    return ~crc;
}

}  // namespace mmip
