// Sum and range of samples, and how far two arrays are apart, in one pass. Values: samples in, SampleStatistics and
// SampleDifference out. Home: host, per instruction set. One item of work = a piece of an array.
// The encoder's own: FORMAT.md section 1 stores what follows from them.
#pragma once

#include <type_traits>

#include "passes/kernels.h"

namespace MMIP_NS {

template <class T>
inline mmip::SampleStatistics statistics_of(const T* samples, int64_t count) {
    constexpr int64_t kRun = 1 << 14;   // of so many 16 bit samples an int32 holds the sum
    T low = samples[0], high = samples[0];
    int64_t sum = 0;
    for (int64_t first = 0; first < count; first += kRun) {
        const int64_t last = first + kRun < count ? first + kRun : count;
        if constexpr (sizeof(T) <= 2) {
            int32_t part = 0;
            for (int64_t i = first; i < last; ++i) part += samples[i];
            sum += part;
        } else {
            for (int64_t i = first; i < last; ++i) sum += samples[i];
        }
        for (int64_t i = first; i < last; ++i) {   // apart from the sum, in lanes of the samples' width
            low = samples[i] < low ? samples[i] : low;
            high = samples[i] > high ? samples[i] : high;
        }
    }
    return {sum, low, high};
}

// What Difference of rules/samples/statistics.h adds up to, in sums and maxima of as few bits as hold them.
template <class T>
inline mmip::SampleDifference difference_of(const T* a, const T* b, int64_t count) {
    constexpr int64_t kRun = 1 << 15;   // squares of so many 8 bit samples fit into 32 bits
    mmip::SampleDifference all{0, 0};
    for (int64_t first = 0; first < count; first += kRun) {
        const int64_t last = first + kRun < count ? first + kRun : count;
        std::conditional_t<sizeof(T) == 1, uint32_t, uint64_t> squares = 0;
        uint32_t largest = 0;
        for (int64_t i = first; i < last; ++i) {
            const uint32_t p = static_cast<uint32_t>(a[i]), q = static_cast<uint32_t>(b[i]);
            const uint32_t apart = a[i] < b[i] ? q - p : p - q;
            squares += static_cast<decltype(squares)>(apart) * apart;
            largest = apart > largest ? apart : largest;
        }
        all.squares += squares;
        all.largest = largest > all.largest ? largest : all.largest;
    }
    return all;
}

}  // namespace MMIP_NS
