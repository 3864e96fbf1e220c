// What an encoder asks of a brick for one value type: V holds neighbouring samples of a row.
// Values: see lockstep.h. Home: host. Integers, and floats whose exponent is looked at: all copies give the same.
#pragma once

#include <algorithm>

#include "passes/predictive/lockstep.h"
#include "rules/coding/bitstream.h"
#include "rules/predictive/cross.h"
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

template <class V>
struct SetWeights {
    V first[kNeighbours2d], later[kNeighbours3d], bound_ne;
    bool with_previous;

    SetWeights() = default;
    explicit SetWeights(const mmip::SetOfWeights& set) : bound_ne(V{} - (set.bound_ne ? 1 : 0)), with_previous(set.with_previous) {
        for (int i = 0; i < kNeighbours2d; ++i) first[i] = V{} + static_cast<int32_t>(set.first[i]);
        for (int i = 0; i < kNeighbours3d; ++i) later[i] = V{} + static_cast<int32_t>(set.later[i]);
    }
};

template <class V, bool has_previous>
MMIP_RULE void row_neighbours(const NumberRows& rows, int x, V* n) {
    n[0] = from_row<V>(rows.here + x - 1);
    n[4] = from_row<V>(rows.here + x - 2);
    n[1] = rows.north ? from_row<V>(rows.north + x) : n[0];
    n[2] = rows.north ? from_row<V>(rows.north + x - 1) : n[0];
    n[3] = rows.north ? from_row<V>(rows.north + x + 1) : n[0];
    n[5] = rows.north ? from_row<V>(rows.north2 + x) : n[0];
    n[6] = rows.north ? from_row<V>(rows.north + x - 2) : n[0];
    n[7] = rows.north ? from_row<V>(rows.north + x + 2) : n[0];
    n[8] = rows.north ? from_row<V>(rows.north2 + x - 1) : n[0];
    n[9] = rows.north ? from_row<V>(rows.north2 + x + 1) : n[0];
    if (!has_previous) return;
    V* before = n + kNeighbours2d;
    before[0] = from_row<V>(rows.previous + x);
    before[1] = from_row<V>(rows.previous + x - 1);
    before[2] = from_row<V>(rows.previous + x + 1);
    before[3] = rows.north ? from_row<V>(rows.previous_north + x) : before[0];
    before[4] = from_row<V>(rows.previous_south + x);
    before[5] = rows.north ? from_row<V>(rows.previous_north + x - 1) : before[0];
    before[6] = rows.north ? from_row<V>(rows.previous_north + x + 1) : before[0];
    before[7] = from_row<V>(rows.previous2 + x);
}

// The residuals of a row by each set, V by V, handed to work(x, number of the set, V).
template <class V, class Wide, bool has_previous, class Work>
void row_residuals(const mmip::ResidualJob& job, const NumberRows& rows, const SetWeights<V>* sets, int count, const Work& work) {
    const int unused = 32 - job.bits;
    for (int x = 0; x < job.width; x += static_cast<int>(sizeof(V) / sizeof(int32_t))) {
        V n[kNeighbours3d];
        row_neighbours<V, has_previous>(rows, x, n);
        for (int s = 0; s < count; ++s) {
            const SetWeights<V>& set = sets[s];
            const V p = has_previous && set.with_previous ? predicted<V, Wide, kNeighbours3d>(n, set.later, set.bound_ne, V{} - 1)
                                                          : predicted<V, Wide, kNeighbours2d>(n, set.first, set.bound_ne, V{} - 1);
            work(x, s, shifted_left(from_row<V>(rows.here + x) - p, V{} + unused) >> unused);
        }
    }
}

template <class V, class Wide, class Work>
void slice_residuals(const mmip::ResidualJob& job, int z, int y, const SetWeights<V>* sets, int count, const Work& work) {
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
    if (z > 0) row_residuals<V, Wide, true>(job, rows, sets, count, work);
    else row_residuals<V, Wide, false>(job, rows, sets, count, work);
    if (y == 0) here[-1] = here[-2] = own;
}

template <class V, class Wide>
void brick_residuals(const mmip::ResidualJob& job, const mmip::SetOfWeights& given) {
    const SetWeights<V> set(given);
    for (int z = 0; z < job.depth; ++z)
        for (int y = 0; y < job.height; ++y) {
            int32_t* to = job.residuals + z * job.strides.slice + y * job.strides.row;
            slice_residuals<V, Wide>(job, z, y, &set, 1, [&](int x, int, V r) { to_row(to + x, r); });
        }
}

// Of each set the sum of log2(1 + |r|) in 1/256, a straight line between powers of 2, over some rows.
template <class V, class Wide>
void brick_costs(const mmip::ResidualJob& job, const mmip::SetOfWeights* given, int count, int64_t* costs) {
    constexpr int lanes = static_cast<int>(sizeof(V) / sizeof(int32_t));
    SetWeights<V> sets[kMaxSets];
    V sums[kMaxSets] = {};                   // of a brick they fit
    for (int s = 0; s < count; ++s) sets[s] = SetWeights<V>(given[s]);
    int32_t numbers[lanes];
    for (int i = 0; i < lanes; ++i) numbers[i] = i;
    const V number = from_row<V>(numbers);
    for (int z = 0; z < job.depth; ++z)
        for (int y = first_cost_row(job.row_step, job.height); y < job.height; y += job.row_step)
            slice_residuals<V, Wide>(job, z, y, sets, count, [&](int x, int s, V r) {
                const V bits = residual_cost(r);
                sums[s] += x + lanes <= job.width ? bits : selected(number < job.width - x, bits, V{});
            });
    for (int s = 0; s < count; ++s) {
        costs[s] = 0;
        for (int i = 0; i < lanes; ++i) costs[s] += lane_of(sums[s], i);
    }
}

// Residuals less what those of earlier components say, V by V.
template <class V>
void subtract_cross(const mmip::CrossJob& job, int32_t* to) {
    const int32_t *a = job.earlier[0], *b = job.earlier[1] != nullptr ? job.earlier[1] : a;
    const int32_t wa = job.weights[0], wb = job.earlier[1] != nullptr ? job.weights[1] : 0;
    for (int z = job.from; z < job.to; ++z)
        for (int y = 0; y < job.height; ++y)
            for (int64_t at = z * job.strides.slice + y * job.strides.row, end = at + job.width; at < end; at += static_cast<int64_t>(sizeof(V) / sizeof(int32_t)))
                to_row(to + at, without_cross<V>(from_row<V>(job.residuals + at), from_row<V>(a + at), from_row<V>(b + at), wa, wb, job.bits));
}

template <class V>
bool tile_tokens(const mmip::TokenJob& job) {
    constexpr int lanes = static_cast<int>(sizeof(V) / sizeof(int32_t));
    const int width = job.extent[2], room = width + mmip::kRowRoom, rows = job.extent[0] > 1 ? job.extent[1] : 2;
    const int weight = context_weight(job.context), decay = context_decay(job.context);
    uint32_t* to = job.tokens;
    V least_class = V{} + 1;
    for (int z = 0; z < job.extent[0]; ++z) {
        int32_t* slice = job.magnitudes + 1 + (z & 1) * rows * room;
        const int32_t* before = job.magnitudes + 1 + (1 - (z & 1)) * rows * room;
        for (int y = 0; y < job.extent[1]; ++y, to += width) {
            int32_t* now = slice + (job.extent[0] > 1 ? y : y & 1) * room;
            const int32_t* north = slice + (job.extent[0] > 1 ? y - 1 : 1 - (y & 1)) * room;
            const int32_t *previous = before + y * room, *south = before + (y + 1 < job.extent[1] ? y + 1 : y) * room;
            const int64_t at = z * job.strides.slice + y * job.strides.row;
            V before = V{} + (y > 0 ? north[0] : (z > 0 ? previous[0] : kFirstMagnitude)), before_west = before;
            for (int x = 0; x < width; x += lanes) {
                const V r = from_row<V>(job.residuals + at + x), magnitude = magnitude_of(r), west = after(before, magnitude);
                V e = after(before_west, west) + (y > 0 ? 2 * (west + from_row<V>(north + x)) + from_row<V>(north + x - 1) + from_row<V>(north + x + 1) : 6 * west);
                before = magnitude, before_west = west;
                to_row(now + x, magnitude + ((y > 0 ? from_row<V>(north + x) : magnitude) >> decay));
                if (z > 0) e += from_row<V>(previous + x) + ((from_row<V>(previous + x + 1) + from_row<V>(south + x)) >> 1);
                if (weight != 0)
                    for (int i = 0; i < 2; ++i)
                        if (job.earlier[i] != nullptr) e += magnitude_of(from_row<V>(job.earlier[i] + at + x)) * weight;
                const V number = selected(r > 0, 2 * r - 1, -2 * r);
                const V u = number - (kDirectTokens - 4), half = half_octaves(u), raw_bits = greatest((half >> 1) - 1, V{});
                const V symbol = selected(number < kDirectTokens, number, half + (kDirectTokens - 4));
                const V raw = selected(number < kDirectTokens, V{}, u & (shifted_left(V{} + 1, raw_bits) - 1));
                const V of_class = residual_class(e, 0, mmip::kAfterRunClass - 1);
                least_class = least(least_class, of_class);
                to_row(reinterpret_cast<int32_t*>(to) + x, shifted_left(raw, V{} + mmip::kTokenRaw) | symbol << mmip::kTokenSymbol | of_class);
            }
            now[-1] = now[0];
            now[width] = now[width - 1];
        }
    }
    bool has_runs = false;
    for (int i = 0; i < lanes; ++i) has_runs |= lane_of(least_class, i) == 0;
    return has_runs;
}

// Some tokens as one number of `bits` bits.
struct TokenBits {
    uint64_t value;
    int bits;

    static MMIP_RULE TokenBits of(const uint64_t* writing, uint32_t token) {
        const uint64_t w = writing[token & ((1u << mmip::kTokenRaw) - 1)];
        return {w >> mmip::kWritingBits | token >> mmip::kTokenRaw, static_cast<int>(w & ((1u << mmip::kWritingBits) - 1))};
    }
    MMIP_RULE TokenBits then(TokenBits next) const { return {value << next.bits | next.value, bits + next.bits}; }
};

// As many together as BitWriter takes: four where they are short, two of values within kLockstepBits.
inline uint8_t* write_tokens(const mmip::StreamWriteJob& job) {
    constexpr int most = 56;
    BitWriter out(job.to);
    const auto put = [&](TokenBits t) { out.put(t.value, t.bits); };
    const auto at = [&](size_t i) { return TokenBits::of(job.writing, job.tokens[i]); };
    size_t i = 0;
    for (; job.in_pairs && i + 4 <= job.count; i += 4) {
        const TokenBits a = at(i).then(at(i + 1)), b = at(i + 2).then(at(i + 3));
        if (a.bits + b.bits <= most) {
            put(a.then(b));
        } else {
            put(a);
            put(b);
        }
    }
    for (; i < job.count; ++i) put(at(i));
    return out.finish();
}

}  // namespace MMIP_NS
