// What an encoder asks of all samples of a chunk: their sum and range, and how far two arrays are apart.
// Values: SampleRun per group in, the sums of the run out; the host joins those of a chunk. One group = one run of samples.
// Encoder side of FORMAT.md sections 1 and 2. Integers, which do not depend on the order in which they are added.
#pragma once

#include "rules/samples/statistics.h"
#include "device/kernels/phases.h"

namespace mmip {

struct SampleRun {
    const void* samples;
    const void* others;                      // of the same type, where two arrays are compared
    int64_t count;                           // at least 1
    int32_t type;                            // index of kSampleTypes
    int32_t reserved;
    MMIP_FIELDS(samples, others, count, type, reserved)
};

struct Statistics {
    int64_t sum;
    int32_t low, high;

    MMIP_RULE void join(const Statistics& other) {
        sum += other.sum;
        low = other.low < low ? other.low : low;
        high = other.high > high ? other.high : high;
    }

    MMIP_FIELDS(sum, low, high)
};

// Lanes take every kLanes-th sample; one joins what they found. Own has Sum, of<T>(run, lane).
template <class Own>
struct RunKernel {
    static constexpr int kLanes = 256, kPhases = 2;
    using Sum = typename Own::Sum;

    struct Params {
        int64_t groups;
        const SampleRun* items;
        Sum* sums;
        MMIP_FIELDS(groups, items, sums)
    };
    struct Shared {
        Sum part[kLanes];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const SampleRun& item = p.items[group];
        if constexpr (phase == 0) {
            if (lane >= item.count) return;
            switch (item.type) {
                case kSampleU8: s.part[lane] = Own::template of<uint8_t>(item, lane, kLanes); break;
                case kSampleI8: s.part[lane] = Own::template of<int8_t>(item, lane, kLanes); break;
                case kSampleU16: s.part[lane] = Own::template of<uint16_t>(item, lane, kLanes); break;
                case kSampleI16: s.part[lane] = Own::template of<int16_t>(item, lane, kLanes); break;
                default: s.part[lane] = Own::template of<int32_t>(item, lane, kLanes);
            }
        } else if (lane == 0) {
            Sum all = s.part[0];
            for (int i = 1; i < kLanes && i < item.count; ++i) all.join(s.part[i]);
            p.sums[group] = all;
        }
    }
};

struct StatisticsOfRun {
    using Sum = Statistics;

    template <class T>
    static MMIP_RULE Statistics of(const SampleRun& run, int lane, int lanes) {
        const T* samples = static_cast<const T*>(run.samples);
        Statistics found{samples[lane], samples[lane], samples[lane]};
        for (int64_t i = lane + lanes; i < run.count; i += lanes) found.join({samples[i], samples[i], samples[i]});
        return found;
    }
};

struct DifferenceOfRun {
    using Sum = Difference;

    template <class T>
    static MMIP_RULE Difference of(const SampleRun& run, int lane, int lanes) {
        const T* a = static_cast<const T*>(run.samples);
        const T* b = static_cast<const T*>(run.others);
        Difference found{0, 0};
        for (int64_t i = lane; i < run.count; i += lanes) found.add(a[i], b[i]);
        return found;
    }
};

using StatisticsKernel = RunKernel<StatisticsOfRun>;
using DifferenceKernel = RunKernel<DifferenceOfRun>;

}  // namespace mmip
