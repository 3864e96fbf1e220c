// Sum and range of samples in one pass. Values: samples in, SampleStatistics out. Home: host, per instruction set.
// One item of work = a piece of an array. The encoder's own: FORMAT.md section 1 stores what follows from them.
#pragma once

#include "kernels.h"

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

}  // namespace MMIP_NS
