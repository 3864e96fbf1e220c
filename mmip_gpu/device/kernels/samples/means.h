// Arrays at a scale, of kinds that code samples and not blocks: the mean over windows.
// Values: MeanItem per array; samples in, samples of the same type out. A group takes kMeanSamples of one array. Implements a part
// of FORMAT.md section 5.1.
#pragma once

#include "device/kernels/samples/finish.h"
#include "rules/samples/sample_positions.h"

namespace mmip {

constexpr int kMeanSamples = 1024;

struct MeanItem {
    const void* from;
    void* to;
    int64_t count;                           // of the output
    int64_t size[3], scaled[3];              // of a plane before and after
    int64_t first_group;
    int32_t scale;
    int32_t type;                            // index of kSampleTypes; -1: floats
    MMIP_FIELDS(from, to, count, size, scaled, first_group, scale, type)
};

struct MeanWindowsKernel {
    static constexpr int kLanes = 256, kPhases = 1;
    struct Params {
        int64_t groups;
        const MeanItem* items;
        const int32_t* group_items;
        MMIP_FIELDS(groups, items, group_items)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const MeanItem& item = p.items[p.group_items[group]];
        const int64_t first = (group - item.first_group) * kMeanSamples, end = first + kMeanSamples < item.count ? first + kMeanSamples : item.count;
        for (int64_t i = first + lane; i < end; i += kLanes) put_mean(item, i);
    }

    static MMIP_RULE void put_mean(const MeanItem& item, int64_t i) {
        const int64_t nx = item.scaled[2], ny = item.scaled[1], nz = item.scaled[0];
        const int64_t at[4] = {i / (nx * ny * nz), i / (nx * ny) % nz, i / nx % ny, i % nx};
        if (item.type < 0) {
            const double sum = sum_of<float, double>(item, at);
            static_cast<float*>(item.to)[i] = static_cast<float>(sum / static_cast<double>(samples_of_window(item, at)));
            return;
        }
        put_sample(item.to, item.type, i, rounded(sum_of_type(item, at), samples_of_window(item, at)));
    }

    static MMIP_RULE int64_t end_of(const MeanItem& item, const int64_t* at, int axis) {
        const int64_t end = (at[axis + 1] + 1) * item.scale;
        return end < item.size[axis] ? end : item.size[axis];
    }

    static MMIP_RULE int64_t samples_of_window(const MeanItem& item, const int64_t* at) {
        int64_t count = 1;
        for (int a = 0; a < 3; ++a) count *= end_of(item, at, a) - at[a + 1] * item.scale;
        return count;
    }

    static MMIP_RULE int64_t sum_of_type(const MeanItem& item, const int64_t* at) {
        switch (item.type) {
            case kSampleU8: return sum_of<uint8_t, int64_t>(item, at);
            case kSampleI8: return sum_of<int8_t, int64_t>(item, at);
            case kSampleU16: return sum_of<uint16_t, int64_t>(item, at);
            case kSampleI16: return sum_of<int16_t, int64_t>(item, at);
            default: return sum_of<int32_t, int64_t>(item, at);
        }
    }

    // Of floats the sums have no more than 53 bits: indices of 19, products of 24, windows of up to 512.
    template <class T, class Sum>
    static MMIP_RULE Sum sum_of(const MeanItem& item, const int64_t* at) {
        const T* samples = static_cast<const T*>(item.from);
        Sum sum = 0;
        for (int64_t z = at[1] * item.scale; z < end_of(item, at, 0); ++z)
            for (int64_t y = at[2] * item.scale; y < end_of(item, at, 1); ++y)
                for (int64_t x = at[3] * item.scale; x < end_of(item, at, 2); ++x) sum += static_cast<Sum>(samples[sample_position(item.size, at[0], z, y, x)]);
        return sum;
    }

    // sum / count, half to even.
    static MMIP_RULE int32_t rounded(int64_t sum, int64_t count) {
        int64_t whole = sum / count, rest = sum % count;
        if (rest < 0) --whole, rest += count;
        if (2 * rest > count || (2 * rest == count && (whole & 1) != 0)) ++whole;
        return static_cast<int32_t>(whole);
    }
};

}  // namespace mmip
