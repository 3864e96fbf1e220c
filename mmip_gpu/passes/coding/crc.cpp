// See crc.h: three runs side by side with the instructions of x86-64 (SSE4.2) and ARM64, else eight bytes a step by tables.
#include "passes/coding/crc.h"

#include <array>
#include <cstring>

#include "rules/coding/crc.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#define MMIP_CRC_CODE __attribute__((target("sse4.2")))
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#define MMIP_CRC_CODE
#endif

namespace mmip {
namespace {

using CrcTables = std::array<std::array<uint32_t, 256>, 8>;

CrcTables made_tables() {
    CrcTables t{};
    for (uint32_t i = 0; i < 256; ++i) {
        t[0][i] = crc_byte(0, i);
        for (int k = 1; k < 8; ++k) t[k][i] = crc_byte(t[k - 1][i], 0);
    }
    return t;
}

#if defined(MMIP_CRC_CODE)

constexpr size_t kRun = 4096;                // bytes of each of three runs, whose steps do not wait for one another

uint64_t word_at(const uint8_t* at) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

#if defined(__x86_64__)
bool has_instructions() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
}
MMIP_CRC_CODE inline uint64_t crc_word(uint64_t state, uint64_t word) { return _mm_crc32_u64(state, word); }
#else
bool has_instructions() {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & 1 << 7) != 0;   // HWCAP_CRC32
#else
    return true;
#endif
}
inline uint64_t crc_word(uint64_t state, uint64_t word) { return __crc32cd(static_cast<uint32_t>(state), word); }
#endif

MMIP_CRC_CODE uint32_t crc32c_by_instructions(const uint8_t* bytes, size_t count, uint32_t before) {
    static const uint32_t over_one = crc_shift(kRun), over_two = crc_shift(2 * kRun);
    uint64_t state = ~before;
    for (; count >= 3 * kRun; count -= 3 * kRun, bytes += 3 * kRun) {
        uint64_t second = 0, third = 0;
        for (const uint8_t* at = bytes; at != bytes + kRun; at += 8) {
            state = crc_word(state, word_at(at));
            second = crc_word(second, word_at(at + kRun));
            third = crc_word(third, word_at(at + 2 * kRun));
        }
        state = crc_multiply(over_two, static_cast<uint32_t>(state)) ^ crc_multiply(over_one, static_cast<uint32_t>(second)) ^ third;
    }
    for (; count >= 8; count -= 8, bytes += 8) state = crc_word(state, word_at(bytes));
    uint32_t last = static_cast<uint32_t>(state);
    for (; count > 0; --count) last = crc_byte(last, *bytes++);
    return ~last;
}

#endif

}  // namespace

uint32_t crc32c_by_tables(const uint8_t* bytes, size_t count, uint32_t before) {
    static const CrcTables t = made_tables();
    uint32_t crc = ~before;
    for (; count >= 8; count -= 8, bytes += 8) {
        crc ^= bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<uint32_t>(bytes[3]) << 24;
        crc = t[7][crc & 255] ^ t[6][(crc >> 8) & 255] ^ t[5][(crc >> 16) & 255] ^ t[4][crc >> 24] ^ t[3][bytes[4]] ^
              t[2][bytes[5]] ^ t[1][bytes[6]] ^ t[0][bytes[7]];
    }
    for (; count > 0; --count) crc = crc_byte(crc, *bytes++);
    return ~crc;
}

uint32_t crc32c(const uint8_t* bytes, size_t count, uint32_t before) {
#if defined(MMIP_CRC_CODE)
    static const bool fast = has_instructions();
    if (fast) return crc32c_by_instructions(bytes, count, before);
#endif
    return crc32c_by_tables(bytes, count, before);
}

}  // namespace mmip
