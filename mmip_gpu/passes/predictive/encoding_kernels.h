// What an encoder asks of a brick for one value type: V holds neighbouring samples of a row.
// Values: see lockstep.h. Home: host. Integers, and floats whose exponent is looked at: all copies give the same.
#pragma once

#include <algorithm>

#include "passes/predictive/lockstep.h"
#include "rules/predictive/predict.h"
#include "rules/predictive/residual_reader.h"
#include "rules/predictive/set_cost.h"

namespace MMIP_NS {

template <class V>
V from_row(const int32_t* at) {
    V v;
    __builtin_memcpy(&v, at, sizeof v);
    return v;
}

template <class V>
void to_row(int32_t* at, V v) { __builtin_memcpy(at, &v, sizeof v); }

// Rows of numbers, of which neighbours are taken V by V.
struct NumberRows {
    const int32_t *here, *north, *north2, *previous, *previous_north, *previous_south, *previous2;
};

// The residuals of a row, V by V, handed to work(x, V).
template <class V, class Wide, bool has_previous, class Work>
void row_residuals(const mmip::ResidualJob& job, const NumberRows& rows, const int16_t* given, const Work& work) {
    constexpr int count = has_previous ? kNeighbours3d : kNeighbours2d, lanes = static_cast<int>(sizeof(V) / sizeof(int32_t));
    V weights[count];
    for (int i = 0; i < count; ++i) weights[i] = V{} + static_cast<int32_t>(given[i]);
    const V bound_ne = V{} - (job.bound_ne ? 1 : 0), bound_p = V{} - 1;
    const int unused = 32 - job.bits;
    for (int x = 0; x < job.width; x += lanes) {
        V n[kNeighbours3d];
        n[0] = from_row<V>(rows.here + x - 1);
        n[4] = from_row<V>(rows.here + x - 2);
        n[1] = rows.north ? from_row<V>(rows.north + x) : n[0];
        n[2] = rows.north ? from_row<V>(rows.north + x - 1) : n[0];
        n[3] = rows.north ? from_row<V>(rows.north + x + 1) : n[0];
        n[5] = rows.north ? from_row<V>(rows.north2 + x) : n[0];
        if (has_previous) {
            n[6] = from_row<V>(rows.previous + x);
            n[7] = from_row<V>(rows.previous + x - 1);
            n[8] = from_row<V>(rows.previous + x + 1);
            n[9] = rows.north ? from_row<V>(rows.previous_north + x) : n[6];
            n[10] = from_row<V>(rows.previous_south + x);
            n[11] = rows.north ? from_row<V>(rows.previous_north + x - 1) : n[6];
            n[12] = rows.north ? from_row<V>(rows.previous_north + x + 1) : n[6];
            n[13] = from_row<V>(rows.previous2 + x);
        }
        const V p = predicted<V, Wide, count>(n, weights, bound_ne, bound_p);
        work(x, shifted_left(from_row<V>(rows.here + x) - p, V{} + unused) >> unused);
    }
}

template <class V, class Wide, class Work>
void slice_residuals(const mmip::ResidualJob& job, int z, int y, const Work& work) {
    int32_t* here = job.brick + z * job.strides.slice + y * job.strides.row;
    NumberRows rows{here, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
    if (y > 0) rows.north = here - job.strides.row, rows.north2 = y > 1 ? here - 2 * job.strides.row : rows.north;
    if (z > 0) {
        rows.previous = here - job.strides.slice;
        rows.previous_north = y > 0 ? rows.previous - job.strides.row : rows.previous;
        rows.previous_south = y + 1 < job.height ? rows.previous + job.strides.row : rows.previous;
        rows.previous2 = z > 1 ? rows.previous - job.strides.slice : rows.previous;
    }
    const int32_t own = here[-1];
    if (y == 0) here[-1] = here[-2] = z > 0 ? rows.previous[0] : 0;   // as its west, not as part of the row above the next one
    if (z > 0 && job.with_previous) row_residuals<V, Wide, true>(job, rows, job.later, work);
    else row_residuals<V, Wide, false>(job, rows, job.first, work);
    here[-1] = here[-2] = own;
}

template <class V, class Wide>
void brick_residuals(const mmip::ResidualJob& job) {
    for (int z = 0; z < job.depth; ++z)
        for (int y = 0; y < job.height; ++y) {
            int32_t* to = job.residuals + z * job.strides.slice + y * job.strides.row;
            slice_residuals<V, Wide>(job, z, y, [&](int x, V r) { to_row(to + x, r); });
        }
}

// Sum of log2(1 + |r|) in 1/256, a straight line between powers of 2, over some rows.
template <class V, class Wide>
int64_t brick_cost(const mmip::ResidualJob& job) {
    constexpr int lanes = static_cast<int>(sizeof(V) / sizeof(int32_t));
    int64_t total = 0;
    for (int z = 0; z < job.depth; ++z)
        for (int y = first_cost_row(job.row_step, job.height); y < job.height; y += job.row_step) {
            V sum{};
            slice_residuals<V, Wide>(job, z, y, [&](int x, V r) {
                const V bits = residual_cost(r);
                for (int i = 0; i < lanes && x + lanes > job.width; ++i)
                    if (x + i < job.width) total += lane_of(bits, i);
                if (x + lanes <= job.width) sum += bits;
            });
            for (int i = 0; i < lanes; ++i) total += lane_of(sum, i);
        }
    return total;
}

template <class V>
void tile_tokens(const mmip::TokenJob& job) {
    constexpr int lanes = static_cast<int>(sizeof(V) / sizeof(int32_t));
    const int width = job.extent[2], room = width + mmip::kRowRoom, rows = job.extent[0] > 1 ? job.extent[1] : 2;
    uint32_t* to = job.tokens;
    for (int z = 0; z < job.extent[0]; ++z) {
        int32_t* slice = job.magnitudes + 1 + (z & 1) * rows * room;
        const int32_t* before = job.magnitudes + 1 + (1 - (z & 1)) * rows * room;
        for (int y = 0; y < job.extent[1]; ++y, to += width) {
            int32_t* now = slice + (job.extent[0] > 1 ? y : y & 1) * room;
            const int32_t* north = slice + (job.extent[0] > 1 ? y - 1 : 1 - (y & 1)) * room;
            const int32_t *previous = before + y * room, *south = before + (y + 1 < job.extent[1] ? y + 1 : y) * room;
            const int64_t at = z * job.strides.slice + y * job.strides.row;
            for (int x = 0; x < width; x += lanes) to_row(now + x, magnitude_of(from_row<V>(job.residuals + at + x)));
            now[-1] = y > 0 ? north[0] : (z > 0 ? previous[0] : kFirstMagnitude);
            for (int x = 0; x < width; x += lanes) {
                const V west = from_row<V>(now + x - 1);
                V e = y > 0 ? 2 * (west + from_row<V>(north + x)) + from_row<V>(north + x - 1) + from_row<V>(north + x + 1) : 6 * west;
                if (z > 0) e += from_row<V>(previous + x) + ((from_row<V>(previous + x + 1) + from_row<V>(south + x)) >> 1);
                if (job.earlier_weight != 0)
                    for (int i = 0; i < 2; ++i)
                        if (job.earlier[i] != nullptr) e += magnitude_of(from_row<V>(job.earlier[i] + at + x)) * job.earlier_weight;
                const V r = from_row<V>(job.residuals + at + x), number = selected(r > 0, 2 * r - 1, -2 * r);
                const V u = number - (kDirectTokens - 4), half = half_octaves(u), raw_bits = greatest((half >> 1) - 1, V{});
                const V symbol = selected(number < kDirectTokens, number, half + (kDirectTokens - 4));
                const V raw = selected(number < kDirectTokens, V{}, u & (shifted_left(V{} + 1, raw_bits) - 1));
                to_row(reinterpret_cast<int32_t*>(to) + x, shifted_left(raw, V{} + mmip::kTokenRaw) | symbol << mmip::kTokenSymbol | residual_class(e));
            }
            now[-1] = now[0];
            now[width] = now[width - 1];
        }
    }
}

}  // namespace MMIP_NS
