// The inverse DCT of JPEG decoders: integers, accurate ("islow"), columns first.
// Values: 64 dequantized coefficients in natural order in; 64 samples before the clamp out. Host and device.
// Implements FORMAT.md section 8.10 (samples of a block). Sums are taken modulo 2^32: hostile coefficients have an answer, too.
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

constexpr int kIdctBits = 13, kIdctColumnBits = 2;

// One line of eight, `stride` apart, in place; the result is divided by 2^shift.
MMIP_RULE void idct_line(int32_t* line, int stride, int shift) {
    uint32_t x[8];
    for (int i = 0; i < 8; ++i) x[i] = static_cast<uint32_t>(line[i * stride]);
    const uint32_t a = (x[2] + x[6]) * 4433u, even2 = a - x[6] * 15137u, even3 = a + x[2] * 6270u;
    const uint32_t even0 = (x[0] + x[4]) << kIdctBits, even1 = (x[0] - x[4]) << kIdctBits;
    const uint32_t e[4] = {even0 + even3, even1 + even2, even1 - even2, even0 - even3};
    const uint32_t z5 = (x[7] + x[3] + x[5] + x[1]) * 9633u;
    const uint32_t z1 = (x[7] + x[1]) * 7373u, z2 = (x[5] + x[3]) * 20995u;
    const uint32_t z3 = z5 - (x[7] + x[3]) * 16069u, z4 = z5 - (x[5] + x[1]) * 3196u;
    const uint32_t o[4] = {x[1] * 12299u - z1 + z4, x[3] * 25172u - z2 + z3, x[5] * 16819u - z2 + z4, x[7] * 2446u - z1 + z3};
    const uint32_t half = 1u << (shift - 1);
    for (int i = 0; i < 4; ++i) {
        line[i * stride] = static_cast<int32_t>(e[i] + o[i] + half) >> shift;
        line[(7 - i) * stride] = static_cast<int32_t>(e[i] - o[i] + half) >> shift;
    }
}

MMIP_RULE void jpeg_idct(int32_t* block) {
    for (int i = 0; i < 8; ++i) idct_line(block + i, 8, kIdctBits - kIdctColumnBits);
    for (int i = 0; i < 8; ++i) idct_line(block + 8 * i, 1, kIdctBits + kIdctColumnBits + 3);
}

MMIP_RULE int jpeg_clamp(int v) { return v < 0 ? 0 : (v > 255 ? 255 : v); }
MMIP_RULE int jpeg_sample(int32_t v) { return jpeg_clamp(v + 128); }

}  // namespace MMIP_NS
