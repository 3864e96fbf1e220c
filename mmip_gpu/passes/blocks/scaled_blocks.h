// A block at scale 2 or 4: inverse transforms of the low frequencies alone.
// Values: float coefficients [kz][kx][ky] of a block in, samples [z][y][x] out. Home: host, per instruction set. One item of
// work = one block. Implements FORMAT.md section 5.1.
#pragma once

#include "rules/blocks/blocks.h"
#include "passes/blocks/block_kernels.h"

namespace MMIP_NS {

struct ScaledBlock {
    int depth, size, scale;              // of its cells; of the block on y and x, at full scale

    int length() const { return size / scale; }
    int slices() const { return depth == 8 ? length() : 1; }

    void restore(const float* block, float* out) const {
        const int n = length();
        if (depth == 1 && n == 4) return restore_flat<4, F4>(block, out);
        if (depth == 1 && n == 8) return restore_flat<8, Lanes>(block, out);
        if (depth == 1 && n == 16) return restore_flat<16, Lanes>(block, out);
        if (depth == 1 && n == 32) return restore_flat<32, Lanes>(block, out);
        for (int k = 0; k < slices(); ++k)
            for (int j = 0; j < n; ++j)
                for (int i = 0; i < n; ++i) out[(k * n + j) * n + i] = block[(k * size + i) * size + j];
        inverse(out, slices(), n);
        const float factor = scale_factor(depth, scale);
        for (int i = 0; i < slices() * n * n; ++i) out[i] = out[i] * factor;
    }

    // Mode z1: every slice reduced on its own, then `scale` of them averaged.
    void restore_slices(float* block, float* out) const {
        const int n = length(), plane = n * n;
        idct_line<8, float>(block, 64);
        const float factor = 1.0f / static_cast<float>(scale);
        for (int i = 0; i < n * plane; ++i) out[i] = 0.0f;
        float part[kLongest * kLongest];
        for (int k = 0; k < 8; ++k) {
            for (int j = 0; j < n; ++j)
                for (int i = 0; i < n; ++i) part[j * n + i] = block[k * 64 + i * 8 + j];
            inverse(part, 1, n);
            float* to = out + k / scale * plane;
            for (int i = 0; i < plane; ++i) to[i] = k % scale == 0 ? part[i] * factor : to[i] + part[i] * factor;
        }
        for (int i = 0; i < n * plane; ++i) out[i] = out[i] * factor;
    }

    // Mode 4: every part through a smaller inverse transform, into its half of each axis.
    void restore_quarters(float* block, float* out) const {
        const int n = length(), h = n / 2, deep = depth == 8 ? 2 : 1, part_slices = depth == 8 ? h : 1;
        if (depth == 8) inverse_quarter_dcs<8>(block);
        else inverse_quarter_dcs<1>(block);
        const float factor = scale_factor(depth, scale);
        float part[kLongest * kLongest];
        for (int u = 0; u < 4 * deep; ++u) {
            const int uz = u >> 2, uy = (u >> 1) & 1, ux = u & 1;
            for (int k = 0; k < part_slices; ++k)
                for (int j = 0; j < h; ++j)
                    for (int i = 0; i < h; ++i) part[(k * h + j) * h + i] = block[((4 * uz + k) * 8 + 4 * ux + i) * 8 + 4 * uy + j];
            inverse(part, part_slices, h);
            for (int k = 0; k < part_slices; ++k)
                for (int j = 0; j < h; ++j)
                    for (int i = 0; i < h; ++i)
                        out[((uz * part_slices + k) * n + uy * h + j) * n + ux * h + i] = part[(k * h + j) * h + i] * factor;
        }
    }

private:
    // A block of one slice of n x n, lines side by side.
    template <int n, class V>
    void restore_flat(const float* block, float* out) const {
        constexpr int lanes = sizeof(V) / sizeof(float), groups = n / lanes;
        V lines[n * groups], turned[n * groups];
        for (int i = 0; i < n; ++i) __builtin_memcpy(lines + i * groups, block + i * size, sizeof(V) * groups);
        for (int g = 0; g < groups; ++g) idct_line<n, V>(lines + g, groups);
        for (int y = 0; y < groups; ++y)
            for (int x = 0; x < groups; ++x) transpose_square(lines + y * lanes * groups + x, groups, turned + x * lanes * groups + y, groups);
        for (int g = 0; g < groups; ++g) idct_line<n, V>(turned + g, groups);
        const float factor = scale_factor(1, scale);
        for (int i = 0; i < n * groups; ++i) turned[i] = turned[i] * factor;
        __builtin_memcpy(out, turned, sizeof turned);
    }

    static constexpr int kLongest = 32;  // of a line: mode 64 at scale 2

    static void inverse(float* values, int slices, int n) {
        for (int row = 0; row < slices * n; ++row) idct_any<kLongest>(values + row * n, 1, n);
        for (int k = 0; k < slices; ++k)
            for (int i = 0; i < n; ++i) idct_any<kLongest>(values + k * n * n + i, n, n);
        if (slices > 1)
            for (int i = 0; i < n * n; ++i) idct_any<kLongest>(values + i, n * n, n);
    }
};

}  // namespace MMIP_NS
