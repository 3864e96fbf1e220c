// Transforms of whole blocks on the CPU: eight lanes of a line transform side by side.
// Values: float blocks [z][y][x] before, [kz][kx][ky] after (transposed, as the scan tables expect). Home: host, per instruction set.
// Each function is one phase of the block kernels: `lanes` independent lines, then a barrier (here: the end of the loop).
#pragma once

#include "rules/lanes.h"
#include "rules/blocks/transform.h"

namespace MMIP_NS {

MMIP_RULE Lanes* lanes_of(F8* block) { return reinterpret_cast<Lanes*>(block); }
MMIP_RULE const Lanes* lanes_of(const F8* block) { return reinterpret_cast<const Lanes*>(block); }

// A square of floats, as wide as a vector, between rows `from_stride` and `to_stride` apart, transposed.
MMIP_RULE void transpose_square(const F4* from, int from_stride, F4* to, int to_stride) {
    const F4 a = from[0], b = from[from_stride], c = from[2 * from_stride], d = from[3 * from_stride];
    const F4 low_even = mix<0, 4, 1, 5>(a, c), low_odd = mix<0, 4, 1, 5>(b, d);
    const F4 high_even = mix<2, 6, 3, 7>(a, c), high_odd = mix<2, 6, 3, 7>(b, d);
    to[0] = mix<0, 4, 1, 5>(low_even, low_odd);
    to[to_stride] = mix<2, 6, 3, 7>(low_even, low_odd);
    to[2 * to_stride] = mix<0, 4, 1, 5>(high_even, high_odd);
    to[3 * to_stride] = mix<2, 6, 3, 7>(high_even, high_odd);
}

MMIP_RULE void transpose_square(const F8* from, int from_stride, F8* to, int to_stride) {
    F8 r[8], t[8];
    MMIP_UNROLL
    for (int i = 0; i < 8; ++i) r[i] = from[i * from_stride];
    MMIP_UNROLL
    for (int i = 0; i < 4; ++i) {
        t[2 * i] = mix<0, 8, 2, 10, 4, 12, 6, 14>(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = mix<1, 9, 3, 11, 5, 13, 7, 15>(r[2 * i], r[2 * i + 1]);
    }
    MMIP_UNROLL
    for (int i = 0; i < 2; ++i)
        MMIP_UNROLL
        for (int j = 0; j < 2; ++j) {
            r[4 * i + j] = mix<0, 1, 8, 9, 4, 5, 12, 13>(t[4 * i + j], t[4 * i + 2 + j]);
            r[4 * i + 2 + j] = mix<2, 3, 10, 11, 6, 7, 14, 15>(t[4 * i + j], t[4 * i + 2 + j]);
        }
    MMIP_UNROLL
    for (int i = 0; i < 4; ++i) {
        to[i * to_stride] = mix<0, 1, 2, 3, 8, 9, 10, 11>(r[i], r[i + 4]);
        to[(i + 4) * to_stride] = mix<4, 5, 6, 7, 12, 13, 14, 15>(r[i], r[i + 4]);
    }
}

// The same for 8 x 8 floats; strides in rows of eight.
MMIP_RULE void transpose8(const F8* from, int from_stride, F8* to, int to_stride) {
    constexpr int squares = 8 / kLanes;
    for (int y = 0; y < squares; ++y)
        for (int x = 0; x < squares; ++x)
            transpose_square(lanes_of(from + y * kLanes * from_stride) + x, squares * from_stride,
                             lanes_of(to + x * kLanes * to_stride) + y, squares * to_stride);
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
template <int depth, int size, void (*line)(Lanes*, int)>
MMIP_RULE void row_phase(F8* block) {
    constexpr int groups = size / kLanes;
    for (int z = 0; z < depth; ++z)
        for (int lane = 0; lane < groups; ++lane) line(lanes_of(block) + z * size * groups + lane, groups);
}

template <int depth, int size, void (*line)(Lanes*, int)>
MMIP_RULE void slice_phase(F8* block) {
    constexpr int plane = size * size / kLanes;
    for (int lane = 0; lane < plane; ++lane) line(lanes_of(block) + lane, plane);
}

// In-plane part, then the part over z (depth > 1). Scratch: a block of the same size.
template <int depth, int size>
MMIP_RULE void forward_planes(const F8* samples, F8* scratch, F8* coefficients) {
    constexpr int groups = size / kLanes;
    for (int z = 0; z < depth; ++z)
        for (int lane = 0; lane < groups; ++lane) {
            const int at = z * size * groups + lane;
            Lanes line[size];
            MMIP_UNROLL
            for (int i = 0; i < size; ++i) line[i] = lanes_of(samples)[at + i * groups];
            dct_forward<size, size, Lanes>(line, lanes_of(scratch) + at, groups);
        }
    transpose_block<depth, size>(scratch, coefficients);
    row_phase<depth, size, dct_line<size, Lanes>>(coefficients);
}

// Which leading part of the frequencies of an axis of `size` may be nonzero, as inverse transforms distinguish it.
template <int size>
MMIP_RULE constexpr int inverse_reach(int frequencies) {
    return frequencies >= size / 2 ? size : (frequencies >= size / 4 ? size / 2 : size / 4);
}

template <int size, int used>
MMIP_RULE void inverse_rows(F8* block, int slices) {
    constexpr int groups = size / kLanes;
    for (int z = 0; z < slices; ++z)
        for (int lane = 0; lane < groups; ++lane) idct_line<size, Lanes, used>(lanes_of(block) + z * size * groups + lane, groups);
}

template <int size>
MMIP_RULE void inverse_rows_within(F8* block, int slices, int reach) {
    if (reach == size) inverse_rows<size, size>(block, slices);
    else if (reach == size / 2) inverse_rows<size, size / 2>(block, slices);
    else inverse_rows<size, size / 4>(block, slices);
}

template <int slices, int size, int used>
MMIP_RULE void inverse_depth(F8* samples) {
    constexpr int plane = size * size / kLanes;
    for (int lane = 0; lane < plane; ++lane) idct_line<slices, Lanes, used>(lanes_of(samples) + lane, plane);
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
    if constexpr (depth > 1) slice_phase<depth, 8, reversible_line<Lanes>>(scratch);
    row_phase<depth, 8, reversible_line<Lanes>>(scratch);
    transpose_block<depth, 8>(scratch, coefficients);
    row_phase<depth, 8, reversible_line<Lanes>>(coefficients);
}

template <int depth>
MMIP_RULE void inverse_reversible(F8* coefficients, F8* samples) {
    row_phase<depth, 8, inverse_reversible_line<Lanes>>(coefficients);
    transpose_block<depth, 8>(coefficients, samples);
    row_phase<depth, 8, inverse_reversible_line<Lanes>>(samples);
    if constexpr (depth > 1) slice_phase<depth, 8, inverse_reversible_line<Lanes>>(samples);
}

// Where the DC of part (z, y, x) of a cell in mode 4 stands in the transposed layout.
MMIP_RULE constexpr int quarter_dc_place(int z, int y, int x) { return (4 * z * 8 + 4 * x) * 8 + 4 * y; }

// Line transforms of the halves of an axis, for mode 4: four rows of a slice each, or four slices of a cell.
template <int depth, void (*line)(Lanes*, int)>
MMIP_RULE void half_row_phase(F8* cell) {
    constexpr int groups = 8 / kLanes;
    for (int z = 0; z < depth; ++z)
        for (int half = 0; half < 2; ++half)
            for (int lane = 0; lane < groups; ++lane) line(lanes_of(cell) + (z * 8 + half * 4) * groups + lane, groups);
}

template <void (*line)(Lanes*, int)>
MMIP_RULE void half_slice_phase(F8* cell) {
    constexpr int plane = 64 / kLanes;
    for (int half = 0; half < 2; ++half)
        for (int lane = 0; lane < plane; ++lane) line(lanes_of(cell) + half * 4 * plane + lane, plane);
}

// Mode 4: every axis in two halves of four; then the DCs of the parts through a transform of their own.
template <int depth>
MMIP_RULE void forward_quarters(const F8* samples, F8* scratch, F8* coefficients) {
    constexpr int parts = depth == 8 ? 2 : 1;
    for (int i = 0; i < depth * 8; ++i) scratch[i] = samples[i];
    if constexpr (depth == 8) half_slice_phase<dct_line<4, Lanes>>(scratch);
    half_row_phase<depth, dct_line<4, Lanes>>(scratch);
    transpose_block<depth, 8>(scratch, coefficients);
    half_row_phase<depth, dct_line<4, Lanes>>(coefficients);
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
    half_row_phase<depth, idct_line<4, Lanes>>(coefficients);
    transpose_block<depth, 8>(coefficients, samples);
    half_row_phase<depth, idct_line<4, Lanes>>(samples);
    if constexpr (depth == 8) half_slice_phase<idct_line<4, Lanes>>(samples);
}

}  // namespace MMIP_NS
