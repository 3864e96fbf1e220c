// The last steps of decoding that take samples one by one: the colour transform undone, indices to floats.
// Values: FinishItem per array; int32 components or indices in, samples out. A group takes kFinishSamples of one array. Decoder
// side of FORMAT.md section 2.
#pragma once

#include "rules/samples/colour.h"
#include "device/kernels/blocks/synthesize.h"

namespace mmip {

constexpr int kFinishSamples = 4096;

struct FinishItem {
    const int32_t* from;
    void* to;
    int64_t count;                           // samples; with colour, of one component of all
    int64_t plane;                           // samples of a plane
    int64_t first_group;
    double step;
    int32_t type;                            // index of kSampleTypes
    int32_t offset, minimum, maximum;
    MMIP_FIELDS(from, to, count, plane, first_group, step, type, offset, minimum, maximum)
};

struct FinishKernel {
    static constexpr int kLanes = 256, kPhases = 1;
    struct Params {
        int64_t groups;
        const FinishItem* items;
        const int32_t* group_items;
        MMIP_FIELDS(groups, items, group_items)
    };
    struct Shared {};

    // use(item, index) for the samples of a lane
    template <class Use>
    static MMIP_RULE void each(const Params& p, int64_t group, int lane, const Use& use) {
        const FinishItem& item = p.items[p.group_items[group]];
        const int64_t first = (group - item.first_group) * kFinishSamples, end = least(first + kFinishSamples, item.count);
        for (int64_t i = first + lane; i < end; i += kLanes) use(item, i);
    }
};

struct UndoColourKernel : FinishKernel {
    struct Place {
        MMIP_RULE void operator()(const FinishItem& item, int64_t i) const {
            const int64_t at = i / item.plane * (3 * item.plane) + i % item.plane;
            const Colour rgb = colour_inverse({item.from[at], item.from[at + item.plane], item.from[at + 2 * item.plane]});
            put(item, at, rgb.a);
            put(item, at + item.plane, rgb.b);
            put(item, at + 2 * item.plane, rgb.c);
        }
        static MMIP_RULE void put(const FinishItem& item, int64_t at, int32_t value) {
            const int32_t v = value + item.offset;
            put_sample(item.to, item.type, at, v < item.minimum ? item.minimum : (v > item.maximum ? item.maximum : v));
        }
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        each(p, group, lane, Place{});
    }
};

struct FloatKernel : FinishKernel {
    struct Place {
        MMIP_RULE void operator()(const FinishItem& item, int64_t i) const {
            static_cast<float*>(item.to)[i] = static_cast<float>(static_cast<double>(item.from[i]) * item.step);
        }
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        each(p, group, lane, Place{});
    }
};

}  // namespace mmip
