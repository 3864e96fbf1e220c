// Transforms of whole blocks on the CPU: eight lanes of a line transform side by side.
// Values: float blocks [z][y][x] before, [kz][kx][ky] after (transposed, as the scan tables expect). Home: host, per instruction set.
// Each function is one phase of the block kernels: `lanes` independent lines, then a barrier (here: the end of the loop).
#pragma once

#include "rules/lanes.h"
#include "rules/blocks/transform.h"

namespace MMIP_NS {

// Moves an 8 x 8 tile of floats between rows `from_stride` and `to_stride` apart, transposed.
MMIP_RULE void transpose8(const F8* from, int from_stride, F8* to, int to_stride) {
    F8 r[8], t[8];
    MMIP_UNROLL
    for (int i = 0; i < 8; ++i) r[i] = from[i * from_stride];
    MMIP_UNROLL
    for (int i = 0; i < 4; ++i) {
        t[2 * i] = MMIP_MIX(r[2 * i], r[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        t[2 * i + 1] = MMIP_MIX(r[2 * i], r[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    MMIP_UNROLL
    for (int i = 0; i < 2; ++i)
        MMIP_UNROLL
        for (int j = 0; j < 2; ++j) {
            r[4 * i + j] = MMIP_MIX(t[4 * i + j], t[4 * i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
            r[4 * i + 2 + j] = MMIP_MIX(t[4 * i + j], t[4 * i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    MMIP_UNROLL
    for (int i = 0; i < 4; ++i) {
        to[i * to_stride] = MMIP_MIX(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        to[(i + 4) * to_stride] = MMIP_MIX(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

// [z][rows][columns] to [z][columns][rows].
template <int depth, int size>
MMIP_RULE void transpose_block(const F8* from, F8* to) {
    constexpr int groups = size / 8;
    for (int z = 0; z < depth; ++z)
        for (int y = 0; y < groups; ++y)
            for (int x = 0; x < groups; ++x)
                transpose8(from + (z * size + 8 * y) * groups + x, groups, to + (z * size + 8 * x) * groups + y, groups);
}

// Line transforms over the rows of every slice: lines run across rows, lanes across columns.
template <int depth, int size, void (*line)(F8*, int)>
MMIP_RULE void row_phase(F8* block) {
    constexpr int groups = size / 8;
    for (int z = 0; z < depth; ++z)
        for (int lane = 0; lane < groups; ++lane) line(block + z * size * groups + lane, groups);
}

template <int depth, int size, void (*line)(F8*, int)>
MMIP_RULE void slice_phase(F8* block) {
    constexpr int plane = size * size / 8;
    for (int lane = 0; lane < plane; ++lane) line(block + lane, plane);
}

// In-plane part, then the part over z (depth > 1). Scratch: a block of the same size.
template <int depth, int size>
MMIP_RULE void forward_planes(const F8* samples, F8* scratch, F8* coefficients) {
    constexpr int groups = size / 8;
    for (int z = 0; z < depth; ++z)
        for (int lane = 0; lane < groups; ++lane) {
            const int at = z * size * groups + lane;
            F8 line[size];
            MMIP_UNROLL
            for (int i = 0; i < size; ++i) line[i] = samples[at + i * groups];
            dct_forward<size, size, F8>(line, scratch + at, groups);
        }
    transpose_block<depth, size>(scratch, coefficients);
    row_phase<depth, size, dct_line<size, F8>>(coefficients);
}

// Which leading part of the frequencies of an axis of `size` may be nonzero, as inverse transforms distinguish it.
template <int size>
MMIP_RULE constexpr int inverse_reach(int frequencies) {
    return frequencies >= size / 2 ? size : (frequencies >= size / 4 ? size / 2 : size / 4);
}

template <int size, int used>
MMIP_RULE void inverse_rows(F8* block, int slices) {
    constexpr int groups = size / 8;
    for (int z = 0; z < slices; ++z)
        for (int lane = 0; lane < groups; ++lane) idct_line<size, F8, used>(block + z * size * groups + lane, groups);
}

template <int size>
MMIP_RULE void inverse_rows_within(F8* block, int slices, int reach) {
    if (reach == size) inverse_rows<size, size>(block, slices);
    else if (reach == size / 2) inverse_rows<size, size / 2>(block, slices);
    else inverse_rows<size, size / 4>(block, slices);
}

template <int slices, int size, int used>
MMIP_RULE void inverse_depth(F8* samples) {
    constexpr int plane = size * size / 8;
    for (int lane = 0; lane < plane; ++lane) idct_line<slices, F8, used>(samples + lane, plane);
}

// The inverse DCT of a block, of which only the first z slices, x rows and y lanes of the transposed layout may be nonzero.
template <int slices, int size>
MMIP_RULE void inverse_block(F8* coefficients, F8* samples, int z, int x, int y) {
    constexpr int groups = size / 8;
    inverse_rows_within<size>(coefficients, z, x);
    for (int k = 0; k < z; ++k) transpose_block<1, size>(coefficients + k * size * groups, samples + k * size * groups);
    inverse_rows_within<size>(samples, z, y);
    if constexpr (slices > 1) {
        if (z == slices) inverse_depth<slices, size, slices>(samples);
        else if (z == slices / 2) inverse_depth<slices, size, slices / 2>(samples);
        else inverse_depth<slices, size, slices / 4>(samples);
    }
}

template <int depth>
MMIP_RULE void forward_reversible(const F8* samples, F8* scratch, F8* coefficients) {
    for (int i = 0; i < depth * 8; ++i) scratch[i] = samples[i];
    if constexpr (depth > 1) slice_phase<depth, 8, reversible_line<F8>>(scratch);
    row_phase<depth, 8, reversible_line<F8>>(scratch);
    transpose_block<depth, 8>(scratch, coefficients);
    row_phase<depth, 8, reversible_line<F8>>(coefficients);
}

template <int depth>
MMIP_RULE void inverse_reversible(F8* coefficients, F8* samples) {
    row_phase<depth, 8, inverse_reversible_line<F8>>(coefficients);
    transpose_block<depth, 8>(coefficients, samples);
    row_phase<depth, 8, inverse_reversible_line<F8>>(samples);
    if constexpr (depth > 1) slice_phase<depth, 8, inverse_reversible_line<F8>>(samples);
}

// Where the DC of part (z, y, x) of a cell in mode 4 stands in the transposed layout.
MMIP_RULE constexpr int quarter_dc_place(int z, int y, int x) { return (4 * z * 8 + 4 * x) * 8 + 4 * y; }

// Mode 4: every axis in two halves of four; then the DCs of the parts through a transform of their own.
template <int depth>
MMIP_RULE void forward_quarters(const F8* samples, F8* scratch, F8* coefficients) {
    constexpr int parts = depth == 8 ? 2 : 1;
    for (int i = 0; i < depth * 8; ++i) scratch[i] = samples[i];
    if constexpr (depth == 8)
        for (int half = 0; half < 2; ++half)
            for (int lane = 0; lane < 8; ++lane) dct_line<4, F8>(scratch + half * 32 + lane, 8);
    for (int z = 0; z < depth; ++z)
        for (int half = 0; half < 2; ++half) dct_line<4, F8>(scratch + z * 8 + half * 4, 1);
    transpose_block<depth, 8>(scratch, coefficients);
    for (int z = 0; z < depth; ++z)
        for (int half = 0; half < 2; ++half) dct_line<4, F8>(coefficients + z * 8 + half * 4, 1);
    float dc[parts * 4];
    float* c = reinterpret_cast<float*>(coefficients);
    for (int i = 0; i < parts * 4; ++i) dc[i] = c[quarter_dc_place(i >> 2, (i >> 1) & 1, i & 1)];
    corner_lines<parts, 2, dct_line<2, float>>(dc);
    for (int i = 0; i < parts * 4; ++i) c[quarter_dc_place(i >> 2, (i >> 1) & 1, i & 1)] = dc[i];
}

// The DCs of the parts of mode 4 back to where their parts expect them.
template <int depth>
MMIP_RULE void inverse_quarter_dcs(float* c) {
    constexpr int parts = depth == 8 ? 2 : 1;
    float dc[parts * 4];
    for (int i = 0; i < parts * 4; ++i) dc[i] = c[quarter_dc_place(i >> 2, (i >> 1) & 1, i & 1)];
    inverse_corner_lines<parts, 2, idct_line<2, float>>(dc);
    for (int i = 0; i < parts * 4; ++i) c[quarter_dc_place(i >> 2, (i >> 1) & 1, i & 1)] = dc[i];
}

template <int depth>
MMIP_RULE void inverse_quarters(F8* coefficients, F8* samples) {
    inverse_quarter_dcs<depth>(reinterpret_cast<float*>(coefficients));
    for (int z = 0; z < depth; ++z)
        for (int half = 0; half < 2; ++half) idct_line<4, F8>(coefficients + z * 8 + half * 4, 1);
    transpose_block<depth, 8>(coefficients, samples);
    for (int z = 0; z < depth; ++z)
        for (int half = 0; half < 2; ++half) idct_line<4, F8>(samples + z * 8 + half * 4, 1);
    if constexpr (depth == 8)
        for (int half = 0; half < 2; ++half)
            for (int lane = 0; lane < 8; ++lane) idct_line<4, F8>(samples + half * 32 + lane, 8);
}

}  // namespace MMIP_NS
