// The transforms of a superblock's blocks, line by line, on the lanes of a group; of a palette cell, that of mode 8, which has its DC.
// Values: samples and coefficients of a superblock [z][y][x] in shared memory, rows one float longer than they are (so that
// lanes side by side hit other banks). Implements FORMAT.md sections 4.1 to 4.3; lines are those of rules/blocks/transform.h.
// Axes go in the order in which the core takes them (passes/blocks/block_kernels.h), so that roundings agree.
#pragma once

#include "rules/blocks/blocks.h"
#include "rules/blocks/transform.h"
#include "device/kernels/items.h"

namespace mmip {

template <int depth>
struct BlockLines {
    static constexpr int kWidth = depth == 8 ? 16 : 64, kSlices = depth == 8 ? 16 : 1;
    static constexpr int kCells = depth == 8 ? 8 : 64, kCellSamples = 64 * depth;
    static constexpr int kRow = kWidth + 1, kFloats = kSlices * kWidth * kRow;
    static constexpr int kCellLines = 8 * depth;                 // of eight samples, on each axis
    static constexpr int kPasses = depth == 8 ? 3 : 2;           // axes

    static MMIP_RULE int at(int z, int y, int x) { return (z * kWidth + y) * kRow + x; }

    // Where cell k begins.
    static MMIP_RULE CellOffset origin(int k) {
        const CellOffset o = superblock_cell(k, depth);
        return {o.z * depth, o.y * 8, o.x * 8};
    }

    static MMIP_RULE int block_cells(int mode) { return block_shape(mode, depth).cells; }

    // Samples on an axis of a block, but on z at depth 1.
    static MMIP_RULE int block_length(int mode) { return mode == kMode64 ? 64 : (mode == kMode32 ? 32 : (mode == kMode16 ? 16 : 8)); }

    // One pass over a line of the block that covers cell k, in the given mode; lines l < kCellLines of all its cells do the
    // block. The first pass takes samples to work, later ones change work.
    static MMIP_RULE void pass(int pass, int mode, bool reversible, const float* samples, float* work, int k, int l) {
        const bool depth_first = reversible || mode == kMode4;
        const int axis = depth == 1 ? pass + 1 : (depth_first ? pass : (pass + 1) % 3);
        const int length = block_length(mode), first = k - k % block_cells(mode), line = (k - first) * kCellLines + l;
        if (line >= (depth == 1 ? length : length * length)) return;
        if (mode == kModeZ1 && axis == 0 && line > 0) return;   // of the slices, the DCs alone
        const CellOffset o = origin(first);
        const int low = line % length, high = line / length;
        const int start = axis == 0 ? at(o.z, o.y + high, o.x + low) : (axis == 1 ? at(o.z + high, o.y, o.x + low) : at(o.z + high, o.y + low, o.x));
        const int stride = axis == 0 ? kWidth * kRow : (axis == 1 ? kRow : 1);
        const float* from = (pass == 0 ? samples : work) + start;
        if (length == 64) {
            if constexpr (depth == 1) longest(from, work + start, stride);
        } else if (length == 32) {
            if constexpr (depth == 1) dct<32>(from, work + start, stride);
        } else if (length == 16) {
            dct<16>(from, work + start, stride);
        } else if (reversible) {
            float x[8];
            MMIP_UNROLL
            for (int i = 0; i < 8; ++i) x[i] = from[i * stride];
            reversible_line<float>(x, 1);
            MMIP_UNROLL
            for (int i = 0; i < 8; ++i) work[start + i * stride] = x[i];
        } else if (mode == kMode4) {
            dct<4>(from, work + start, stride);
            dct<4>(from + 4 * stride, work + start + 4 * stride, stride);
        } else {
            dct<8>(from, work + start, stride);
        }
    }

    // After the passes, for the first cell k of a block: the DCs of its cells to dcs[k], .., zeros in their places.
    static MMIP_RULE void take_dcs(int mode, float* work, int k, float* dcs) {
        const CellOffset o = origin(k);
        if (mode == kMode16) {
            take_corner<2>(work, o, dcs + k);
        } else if (mode == kMode32) {
            if constexpr (depth == 1) take_corner<4>(work, o, dcs + k);
        } else if (mode == kMode64) {
            if constexpr (depth == 1) take_corner<8>(work, o, dcs + k);
        } else {
            if (mode == kMode4) join_parts(work, o);
            float& dc = work[at(o.z, o.y, o.x)];
            dcs[k] = dc;
            dc = 0;
        }
    }

    // The DCs of the parts of mode 4 through a transform of their own.
    static MMIP_RULE void join_parts(float* work, CellOffset o) {
        constexpr int deep = depth == 8 ? 2 : 1;
        float dc[deep * 4];
        for (int i = 0; i < deep * 4; ++i) dc[i] = work[at(o.z + 4 * (i >> 2), o.y + 4 * ((i >> 1) & 1), o.x + 4 * (i & 1))];
        corner_lines<deep, 2, dct_line<2, float>>(dc);
        for (int i = 0; i < deep * 4; ++i) work[at(o.z + 4 * (i >> 2), o.y + 4 * ((i >> 1) & 1), o.x + 4 * (i & 1))] = dc[i];
    }

    // The i-th coefficient of cell k's room: where it stands, and its place in the order table of its block.
    struct Coefficient {
        int at, place;
    };
    static MMIP_RULE Coefficient coefficient(int mode, int k, int i) {
        const int length = block_length(mode);
        const CellOffset o = origin(k), first = origin(k - k % block_cells(mode));
        const int z = o.z + (i >> 6), y = o.y + ((i >> 3) & 7), x = o.x + (i & 7);
        return {at(z, y, x), ((z - first.z) * length + x - first.x) * length + y - first.y};
    }

private:
    template <int N>
    static MMIP_RULE void dct(const float* from, float* to, int stride) {
        float x[N];
        MMIP_UNROLL
        for (int i = 0; i < N; ++i) x[i] = from[i * stride];
        dct_forward<N, N, float>(x, to, stride);
    }

    // Apart from the others, which leaves it the registers that it needs.
    static MMIP_PART void longest(const float* from, float* to, int stride) { dct<64>(from, to, stride); }

    template <int m>
    static MMIP_RULE void take_corner(float* work, CellOffset o, float* dcs) {
        constexpr int deep = depth == 8 ? m : 1;
        float corner[deep * m * m];
        for (int i = 0; i < deep * m * m; ++i) {
            float& from = work[at(o.z + i / (m * m), o.y + i / m % m, o.x + i % m)];
            corner[i] = from;
            from = 0;
        }
        inverse_corner_lines<deep, m, idct_line<m, float>>(corner);
        for (int i = 0; i < deep * m * m; ++i) {
            const CellOffset cell = superblock_cell(i, depth);
            dcs[i] = corner[(cell.z * m + cell.y) * m + cell.x];
        }
    }
};

}  // namespace mmip
