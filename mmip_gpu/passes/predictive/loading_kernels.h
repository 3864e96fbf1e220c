// Samples of a brick as the numbers that an encoder predicts.
// Values: see LoadJob of lockstep.h. Home: host. Implements FORMAT.md section 2.1.
#pragma once

#include "passes/predictive/lockstep.h"
#include "rules/predictive/integer_lanes.h"

namespace MMIP_NS {

constexpr int kRowsAhead = 16;               // rows of a brick lie far apart: no machine guesses where the next one is

template <class V, class T>
MMIP_RULE V from_samples(const T* at) {
    typedef T Row __attribute__((vector_size(sizeof(V) / sizeof(int32_t) * sizeof(T))));
    Row row;
    __builtin_memcpy(&row, at, sizeof row);
    return __builtin_convertvector(row, V);
}

// Where rows of a brick begin, one after the other.
template <class T>
struct RowWalk {
    T* at;
    mmip::LaneStrides strides;
    int height, y = 0;

    MMIP_RULE void next() {
        if (++y < height) at += strides.row;
        else at += strides.slice - (height - 1) * strides.row, y = 0;
    }
};

// number(v): of a sample v, which is an int32_t or a V.
template <class V, class T, class Number>
void load_rows(const mmip::LoadJob& job, const Number& number) {
    constexpr int lanes = static_cast<int>(sizeof(V) / sizeof(int32_t));
    const int height = job.extent[1], width = job.extent[2], rows = job.extent[0] * height;
    RowWalk<const T> ahead{static_cast<const T*>(job.from), job.in, height}, from = ahead;
    RowWalk<int32_t> to{job.to, job.strides, height};
    for (int i = 0; i < rows + kRowsAhead; ++i) {
        if (i < rows) {
            __builtin_prefetch(ahead.at);
            __builtin_prefetch(ahead.at + width - 1);
            ahead.next();
        }
        if (i < kRowsAhead) continue;
        if constexpr (lanes > 1) {
            const auto load = [&](int x) {
                const V v = number(from_samples<V>(from.at + x));
                __builtin_memcpy(to.at + x, &v, sizeof v);
            };
            for (int x = 0; x + lanes <= width; x += lanes) load(x);
            if (width >= lanes && width % lanes != 0) load(width - lanes);   // some of them again
        }
        if (width < lanes || lanes == 1)
            for (int x = 0; x < width; ++x) to.at[x] = number(static_cast<int32_t>(from.at[x]));
        from.next();
        to.next();
    }
}

// n / step of 0 <= n < 2^20: however it is rounded, the product is off by less than the 0.5 / step by which (n + 0.5) / step is
// away from an integer.
MMIP_RULE int32_t quotient(int32_t n, float inverse) { return static_cast<int32_t>((static_cast<float>(n) + 0.5f) * inverse); }

template <class V>
MMIP_RULE V quotient(V n, float inverse) {
    typedef float F __attribute__((vector_size(sizeof(V))));
    return __builtin_convertvector((__builtin_convertvector(n, F) + 0.5f) * inverse, V);
}

template <class V, class T>
void load_samples(const mmip::LoadJob& job) {
    const int32_t offset = job.offset, half = job.near;
    const float inverse = 1.0f / static_cast<float>(2 * job.near + 1);
    const uint32_t* ranks = reinterpret_cast<const uint32_t*>(job.ranks);
    if (ranks != nullptr) load_rows<V, T>(job, [=](auto v) { return looked_up(ranks, v - offset); });
    else if (half == 0) load_rows<V, T>(job, [=](auto v) { return v - offset; });
    else load_rows<V, T>(job, [=](auto v) { return quotient(v - offset + half, inverse); });
}

template <class V>
void load_values(const mmip::LoadJob& job) {
    switch (job.sample_type) {
        case mmip::kSampleU8: return load_samples<V, uint8_t>(job);
        case mmip::kSampleI8: return load_samples<V, int8_t>(job);
        case mmip::kSampleU16: return load_samples<V, uint16_t>(job);
        case mmip::kSampleI16: return load_samples<V, int16_t>(job);
        default: return load_samples<V, int32_t>(job);
    }
}

}  // namespace MMIP_NS
