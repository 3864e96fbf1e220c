// Sums of samples, from which an encoder takes the offset of a chunk.
// Values: SumItem per group, samples of 1, 2 or 4 bytes in; one int64 per group out. One group = one run of samples of a chunk.
// Encoder side of FORMAT.md section 2. Integer sums do not depend on their order.
#pragma once

#include "phases.h"

namespace mmip {

struct SumItem {
    const void* samples;
    int64_t count;
    int32_t type;                            // index of kSampleTypes
    int32_t reserved;
};

struct SumKernel {
    static constexpr int kLanes = 256, kPhases = 2;

    struct Params {
        int64_t groups;
        const SumItem* items;
        int64_t* sums;
    };
    struct Shared {
        int64_t part[kLanes];
    };

    template <class T>
    static MMIP_RULE int64_t strided_sum(const SumItem& item, int lane) {
        const T* samples = static_cast<const T*>(item.samples);
        int64_t sum = 0;
        for (int64_t i = lane; i < item.count; i += kLanes) sum += samples[i];
        return sum;
    }

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            const SumItem& item = p.items[group];
            switch (item.type) {
                case kSampleU8: s.part[lane] = strided_sum<uint8_t>(item, lane); break;
                case kSampleI8: s.part[lane] = strided_sum<int8_t>(item, lane); break;
                case kSampleU16: s.part[lane] = strided_sum<uint16_t>(item, lane); break;
                case kSampleI16: s.part[lane] = strided_sum<int16_t>(item, lane); break;
                default: s.part[lane] = strided_sum<int32_t>(item, lane);
            }
        } else if (lane == 0) {
            int64_t sum = 0;
            for (int i = 0; i < kLanes; ++i) sum += s.part[i];
            p.sums[group] = sum;
        }
    }
};

}  // namespace mmip
