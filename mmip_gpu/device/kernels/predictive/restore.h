// From residuals to samples: what earlier components say is added, a lane predicts a brick, lanes side by side store its samples.
// Values: BrickParams; residuals in, samples of any type out. Decoder side of FORMAT.md sections 2.1, 8.6 and 8.7.
#pragma once

#include "device/kernels/predictive/bricks.h"
#include "rules/predictive/colour_forms.h"
#include "rules/predictive/cross.h"
#include "rules/samples/sample_positions.h"

namespace mmip {

// One group = one brick; of chunks of three components.
struct AddCrossKernel {
    static constexpr int kLanes = 128, kPhases = 1;
    using Params = BrickParams;
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const BrickPlace& brick = p.bricks[p.first_brick + group];
        const BrickChunk& chunk = p.chunks[brick.chunk];
        if (chunk.components < kCodedComponents) return;
        int32_t *first = p.component_of(brick, 0), *second = p.component_of(brick, 1), *third = p.component_of(brick, 2);
        each_number<kLanes>(brick, lane, [&](int, int, int, int64_t at) {
            const int32_t r0 = first[at], r1 = with_cross<int32_t>(second[at], r0, 0, chunk.cross[1][0], 0, chunk.bits_of(1));
            second[at] = r1;
            third[at] = with_cross<int32_t>(third[at], r0, r1, chunk.cross[2][0], chunk.cross[2][1], chunk.bits_of(2));
        });
    }
};

// Residuals become values. One lane = one brick of one component; those of component 0 come first.
struct RestoreBricksKernel {
    static constexpr int kLanes = 64, kPhases = 1;
    using Params = BrickParams;
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t i = group * kLanes + lane;
        if (i >= p.brick_count * kCodedComponents) return;
        const int c = static_cast<int>(i / p.brick_count);
        const BrickPlace& brick = p.bricks[p.first_brick + i % p.brick_count];
        const BrickChunk& chunk = p.chunks[brick.chunk];
        if (c >= chunk.components) return;
        const Predictor<int32_t> set = chunk.sets[c * kMaxSets + chunk.set_of_brick[c * chunk.bricks + brick.number]];
        const int32_t mask = (1 << chunk.bits_of(c)) - 1;
        restore_slices<int32_t, int64_t>(p.component_of(brick, c), brick.row(), brick.slice(), 0, brick.extent[0], brick.extent[1], brick.extent[2], set,
                                         set.bound_p != 0, mask);
    }
};

// One group = one brick.
struct StoreBricksKernel {
    static constexpr int kLanes = 128, kPhases = 1;
    using Params = BrickParams;
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const BrickPlace& brick = p.bricks[p.first_brick + group];
        const BrickChunk& chunk = p.chunks[brick.chunk];
        int64_t low[3];
        for (int a = 0; a < 3; ++a) low[a] = brick.origin[a] - chunk.origin[a];
        each_number<kLanes>(brick, lane, [&](int z, int y, int x, int64_t at) {
            int32_t v[kCodedComponents] = {};
            for (int c = 0; c < chunk.components; ++c) v[c] = p.component_of(brick, c)[at];
            if (chunk.components == kCodedComponents) to_channels(chunk.colour_form, chunk.bits, v[0], v[1], v[2]);
            for (int channel = 0; channel < chunk.channels; ++channel)
                put_sample(chunk.samples, chunk.type, sample_position(chunk.size, brick.plane + channel, low[0] + z, low[1] + y, low[2] + x),
                           sample_of(chunk, channel, v[chunk.components == 1 ? 0 : channel]));
        });
    }

    static MMIP_RULE int32_t sample_of(const BrickChunk& chunk, int channel, int32_t v) {
        int32_t sample = 0;
        if (chunk.values == nullptr) {
            sample = v * chunk.step + chunk.offset;
        } else {
            const uint32_t last = static_cast<uint32_t>(chunk.value_count) - 1, at = static_cast<uint32_t>(v) < last ? static_cast<uint32_t>(v) : last;
            sample = chunk.values[(chunk.components < chunk.channels ? channel * chunk.value_count : 0) + static_cast<int32_t>(at)];
        }
        return least(greatest(sample, chunk.minimum), chunk.maximum);
    }
};

}  // namespace mmip
