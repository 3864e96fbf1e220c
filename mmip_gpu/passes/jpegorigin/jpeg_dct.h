// The forward DCT of a block in binary32, orthonormal: what a search asks of samples. No bytes of the format depend on its rounding.
// Values: 64 floats, natural order. Home: host. Products and sums in the order written, so the same on every machine.
#pragma once

namespace mmip {

// C[k][i] = sqrt((k > 0 ? 2 : 1) / 8) cos((2 i + 1) k pi / 16)
constexpr float kJpegDct[8][8] = {
    {.353553391f, .353553391f, .353553391f, .353553391f, .353553391f, .353553391f, .353553391f, .353553391f},
    {.490392640f, .415734806f, .277785117f, .097545161f, -.097545161f, -.277785117f, -.415734806f, -.490392640f},
    {.461939766f, .191341716f, -.191341716f, -.461939766f, -.461939766f, -.191341716f, .191341716f, .461939766f},
    {.415734806f, -.097545161f, -.490392640f, -.277785117f, .277785117f, .490392640f, .097545161f, -.415734806f},
    {.353553391f, -.353553391f, -.353553391f, .353553391f, .353553391f, -.353553391f, -.353553391f, .353553391f},
    {.277785117f, -.490392640f, .097545161f, .415734806f, -.415734806f, -.097545161f, .490392640f, -.277785117f},
    {.191341716f, -.461939766f, .461939766f, -.191341716f, -.191341716f, .461939766f, -.461939766f, .191341716f},
    {.097545161f, -.277785117f, .415734806f, -.490392640f, .490392640f, -.415734806f, .277785117f, -.097545161f}};

// out[8 u + v] of samples in[8 y + x].
inline void jpeg_forward(const float* in, float* out) {
    float rows[64];                                          // over y, x still samples
    for (int u = 0; u < 8; ++u)
        for (int x = 0; x < 8; ++x) {
            float sum = 0;
            for (int y = 0; y < 8; ++y) sum += kJpegDct[u][y] * in[8 * y + x];
            rows[8 * u + x] = sum;
        }
    float across[64];                                        // the table the other way round
    for (int x = 0; x < 8; ++x)
        for (int v = 0; v < 8; ++v) across[8 * x + v] = kJpegDct[v][x];
    for (int u = 0; u < 8; ++u)
        for (int v = 0; v < 8; ++v) {
            float sum = 0;
            for (int x = 0; x < 8; ++x) sum += rows[8 * u + x] * across[8 * x + v];
            out[8 * u + v] = sum;
        }
}

}  // namespace mmip
