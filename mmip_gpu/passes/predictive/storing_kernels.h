// Decoded values of several bricks, one a lane, as samples of the caller's array.
// Values: see StoreJob of lockstep.h. Home: host. Implements FORMAT.md section 2.1.
#pragma once

#include <algorithm>
#include <utility>

#include "passes/predictive/lockstep.h"
#include "rules/lanes.h"
#include "rules/predictive/integer_lanes.h"

namespace MMIP_NS {

// Elements of rows `step` apart change places: where bit `step` of a column's number is not that of the row's.
template <class V, int step, int... i>
MMIP_RULE void exchange(V& upper, V& lower, std::integer_sequence<int, i...>) {
    constexpr int lanes = sizeof...(i);
    const V a = upper, b = lower;
    upper = mix<((i & step) != 0 ? lanes + i - step : i)...>(a, b);
    lower = mix<((i & step) != 0 ? lanes + i : i + step)...>(a, b);
}

template <class V, int step, int lanes>
MMIP_RULE void transpose_from(V* rows) {
    if constexpr (step < lanes) {
        MMIP_UNROLL
        for (int i = 0; i < lanes; ++i)
            if ((i & step) == 0) exchange<V, step>(rows[i], rows[i + step], std::make_integer_sequence<int, lanes>());
        transpose_from<V, 2 * step, lanes>(rows);
    }
}

// A square of as many rows as a vector has elements, or one number.
template <class V>
MMIP_RULE void transpose(V* rows) { transpose_from<V, 1, static_cast<int>(sizeof(V) / sizeof(int32_t))>(rows); }

// Whole numbers modulo 2^8 or 2^16, or as they are.
template <class T>
MMIP_RULE void to_samples(T* to, int32_t v) { *to = static_cast<T>(v); }

template <class T, class V>
MMIP_RULE void to_samples(T* to, V v) {
    typedef T Row __attribute__((vector_size(sizeof(V) / sizeof(int32_t) * sizeof(T))));
    const Row row = __builtin_convertvector(v, Row);
    __builtin_memcpy(to, &row, sizeof row);
}

template <class T, class V>
MMIP_RULE void to_some_samples(T* to, V v, int count) {
    T all[sizeof(V) / sizeof(int32_t)];
    to_samples<T>(all, v);
    std::copy_n(all, count, to);
}

template <class V, class T, class Sample>
void store_rows(const mmip::StoreJob& job, const Sample& sample) {
    constexpr int lanes = static_cast<int>(sizeof(V) / sizeof(int32_t));
    for (int z = 0; z < job.extent[0]; ++z)
        for (int y = 0; y < job.extent[1]; ++y) {
            const V* from = reinterpret_cast<const V*>(job.values) + z * job.strides.slice + y * job.strides.row;
            const int64_t at = z * job.out.slice + y * job.out.row;
            const int width = job.extent[2], count = std::min(lanes, width);
            for (int next = 0; next < width; next += lanes) {
                const int x = std::min(next, width - count);           // some of them again at the end
                V square[lanes];
                for (int i = 0; i < lanes; ++i) square[i] = sample(from[x + std::min(i, count - 1)]);
                transpose(square);
                for (int lane = 0; lane < job.lanes; ++lane) {
                    T* to = static_cast<T*>(job.to[lane]) + at + x;
                    if (count == lanes) to_samples<T>(to, square[lane]);
                    else to_some_samples<T>(to, square[lane], count);
                }
            }
        }
}

template <class V, class Sample>
void store_as(const mmip::StoreJob& job, const Sample& sample) {
    switch (job.sample_type) {
        case mmip::kSampleU8: return store_rows<V, uint8_t>(job, sample);
        case mmip::kSampleI8: return store_rows<V, int8_t>(job, sample);
        case mmip::kSampleU16: return store_rows<V, uint16_t>(job, sample);
        case mmip::kSampleI16: return store_rows<V, int16_t>(job, sample);
        default: return store_rows<V, int32_t>(job, sample);
    }
}

template <class V>
void store_values(const mmip::StoreJob& job) {
    const V low = V{} + job.minimum, high = V{} + job.maximum;
    if (job.table != nullptr) store_as<V>(job, [&](V v) { return looked_up(job.table, selected(v < 0, V{} + job.last, least(v, V{} + job.last))); });
    else store_as<V>(job, [&](V v) { return greatest(least(v * job.step + job.offset, high), low); });
}

}  // namespace MMIP_NS
