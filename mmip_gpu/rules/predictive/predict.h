// Prediction of a sample from its neighbours, inside a brick.
// Values: V = int32_t or LanesI; neighbours in the order W N NW NE WW NN NWW NEE NNW NNE, then P PW PE PN PS PNW PNE PP of
// the slices before.
// Host and device. Implements FORMAT.md section 8.7.
#pragma once

#include "rules/predictive/integer_lanes.h"
#include "rules/predictive/residual_tokens.h"

namespace MMIP_NS {

constexpr int kNeighbours2d = 10, kNeighbours3d = 18;
constexpr int kWeightOne = 256, kWeightBits = 10;
constexpr int kMaxSets = 8;

// The weights of a predictor, one for each neighbour, and which neighbours bound the prediction beside W and N. Without
// `with_previous` slices after the first of a brick are predicted as the first.
template <class V>
struct Predictor {
    V first[kNeighbours2d];          // in the first slice
    V later[kNeighbours3d];          // in the later ones
    V bound_ne, bound_p;             // -1: NE, P among the bounds; 0: not
};

// A product sum of `count` neighbours in V, or in Wide where values have more than kLockstepBits.
template <class V, class Wide, int count>
MMIP_RULE V predicted(const V* n, const V* weights, V bound_ne, V bound_p) {
    Wide sum = Wide{} + 128;
    MMIP_UNROLL
    for (int i = 1; i < count; ++i) sum += static_cast<Wide>(weights[i]) * static_cast<Wide>(n[i]);
    sum += static_cast<Wide>(weights[0]) * static_cast<Wide>(n[0]);   // last: it is known last
    V low = least(n[0], n[1]), high = greatest(n[0], n[1]);
    const V ne = (n[3] & bound_ne) | (n[1] & ~bound_ne);
    low = least(low, ne);
    high = greatest(high, ne);
    if (count > kNeighbours2d) {
        const V p = (n[kNeighbours2d] & bound_p) | (n[1] & ~bound_p);
        low = least(low, p);
        high = greatest(high, p);
    }
    return greatest(least(static_cast<V>(sum >> 8), high), low);
}

// Where rows of a brick stand: each has an element of room before and after its samples.
template <class V>
struct BrickRows {
    const V *north, *north2;         // nullptr in the first row; north2 is north in the second
    const V *previous, *previous_north, *previous_south, *previous2;   // nullptr in the first slice
};

// The neighbours of sample x of `width`; west and west2 are the two before it.
template <class V, bool has_north, bool has_previous>
MMIP_RULE void neighbours_of(const BrickRows<V>& rows, int x, int width, V west, V west2, V* n) {
    n[0] = west;
    n[1] = has_north ? rows.north[x] : west;
    n[2] = has_north ? rows.north[x - 1] : west;
    n[3] = has_north ? rows.north[x + 1] : west;
    n[4] = west2;
    n[5] = has_north ? rows.north2[x] : west;
    n[6] = has_north ? rows.north[x > 0 ? x - 2 : -1] : west;
    n[7] = has_north ? rows.north[x + 1 < width ? x + 2 : width] : west;
    n[8] = has_north ? rows.north2[x - 1] : west;
    n[9] = has_north ? rows.north2[x + 1] : west;
    if (!has_previous) return;
    V* p = n + kNeighbours2d;
    p[0] = rows.previous[x];
    p[1] = rows.previous[x - 1];
    p[2] = rows.previous[x + 1];
    p[3] = has_north ? rows.previous_north[x] : p[0];
    p[4] = rows.previous_south[x];
    p[5] = has_north ? rows.previous_north[x - 1] : p[0];
    p[6] = has_north ? rows.previous_north[x + 1] : p[0];
    p[7] = rows.previous2[x];
}

// Residuals of a row become its samples, modulo mask + 1. Before the row stands the first sample of the row above, or its own;
// after it its last one.
template <class V, class Wide, bool has_north, bool has_previous>
MMIP_RULE void restore_row(const BrickRows<V>& rows, const V* weights, V bound_ne, V bound_p, V mask, int width, V first_west, V* row) {
    constexpr int count = has_previous ? kNeighbours3d : kNeighbours2d;
    V west = has_north ? rows.north[0] : first_west, west2 = west;
    for (int x = 0; x < width; ++x) {
        V n[kNeighbours3d];
        neighbours_of<V, has_north, has_previous>(rows, x, width, west, west2, n);
        const V sample = (predicted<V, Wide, count>(n, weights, bound_ne, bound_p) + row[x]) & mask;
        west2 = west;
        west = sample;
        row[x] = sample;
    }
    row[-1] = has_north ? rows.north[0] : row[0];
    row[width] = row[width - 1];
}

// Rows around row y of slice z of a brick whose first sample stands at `brick`.
template <class V>
MMIP_RULE BrickRows<V> rows_around(const V* brick, int64_t row, int64_t slice, int z, int y, int height) {
    const V* here = brick + z * slice + y * row;
    BrickRows<V> rows{};
    if (y > 0) rows.north = here - row, rows.north2 = y > 1 ? here - 2 * row : here - row;
    if (z > 0) {
        rows.previous = here - slice;
        rows.previous_north = y > 0 ? rows.previous - row : rows.previous;
        rows.previous_south = y + 1 < height ? rows.previous + row : rows.previous;
        rows.previous2 = z > 1 ? rows.previous - slice : rows.previous;
    }
    return rows;
}

// Residuals of the slices [from, to) of a brick become samples; `with_previous`: whether the predictor of any lane sees P.
template <class V, class Wide>
MMIP_RULE void restore_slices(V* brick, int64_t row, int64_t slice, int from, int to, int height, int width, const Predictor<V>& p, bool with_previous, V mask) {
    for (int z = from; z < to; ++z)
        for (int y = 0; y < height; ++y) {
            const BrickRows<V> rows = rows_around(brick, row, slice, z, y, height);
            V* here = brick + z * slice + y * row;
            const V west = z > 0 ? rows.previous[0] : V{};
            if (z > 0 && with_previous) {
                if (y > 0) restore_row<V, Wide, true, true>(rows, p.later, p.bound_ne, p.bound_p, mask, width, west, here);
                else restore_row<V, Wide, false, true>(rows, p.later, p.bound_ne, p.bound_p, mask, width, west, here);
            } else {
                const V* weights = z > 0 ? p.later : p.first;
                if (y > 0) restore_row<V, Wide, true, false>(rows, weights, p.bound_ne, p.bound_p, mask, width, west, here);
                else restore_row<V, Wide, false, false>(rows, weights, p.bound_ne, p.bound_p, mask, width, west, here);
            }
        }
}

}  // namespace MMIP_NS
