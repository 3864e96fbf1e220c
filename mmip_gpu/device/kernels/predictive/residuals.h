// Residuals of bricks: the set that serves each best is chosen, and its residuals are made, less what earlier components say.
// Values: SourceParams; values of components in, numbers of sets and residuals out. Encoder side of FORMAT.md sections 8.6 and 8.7.
#pragma once

#include "device/kernels/predictive/source.h"
#include "rules/predictive/cross.h"
#include "rules/predictive/set_cost.h"

namespace mmip {

// The residual of a sample of a component whose values stand at `values`.
MMIP_RULE int32_t residual_at(const int32_t* values, const BrickPlace& b, const Predictor<int32_t>& set, int bits, int z, int y, int x) {
    const BrickRows<int32_t> rows = rows_around(values, b.row(), b.slice(), z, y, b.extent[1]);
    const int32_t* here = values + z * b.slice() + y * b.row();
    const int32_t first = y > 0 ? rows.north[0] : (z > 0 ? rows.previous[0] : 0);
    const int32_t west = x > 0 ? here[x - 1] : first, west2 = x > 1 ? here[x - 2] : first;
    int32_t n[kNeighbours3d];
    int32_t p;
    if (z > 0 && set.bound_p != 0) {
        if (y > 0) neighbours_of<int32_t, true, true>(rows, x, b.extent[2], west, west2, n);
        else neighbours_of<int32_t, false, true>(rows, x, b.extent[2], west, west2, n);
        p = predicted<int32_t, int64_t, kNeighbours3d>(n, set.later, set.bound_ne, set.bound_p);
    } else {
        if (y > 0) neighbours_of<int32_t, true, false>(rows, x, b.extent[2], west, west2, n);
        else neighbours_of<int32_t, false, false>(rows, x, b.extent[2], west, west2, n);
        p = predicted<int32_t, int64_t, kNeighbours2d>(n, z > 0 ? set.later : set.first, set.bound_ne, set.bound_p);
    }
    return wrapped(here[x] - p, bits);
}

// One group = one brick of one component; those of component 0 come first.
struct ChooseSetsKernel {
    static constexpr int kLanes = 128, kPhases = 3;
    using Params = SourceParams;
    struct Shared {
        int64_t part[kMaxSets][kLanes], sums[kMaxSets];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const int c = static_cast<int>(group / p.brick_count);
        const BrickPlace& brick = p.bricks[group % p.brick_count];
        const SourceChunk& chunk = p.chunks[brick.chunk];
        if (c >= chunk.components) return;
        const int sets = chunk.set_count[c];
        if constexpr (phase == 0) {
            for (int k = 0; k < sets; ++k) s.part[k][lane] = cost_of_lane(chunk, brick, p.values + p.start_of(brick, c), c, k, lane);
        } else if constexpr (phase == 1) {
            if (lane >= sets) return;
            int64_t sum = 0;
            for (int i = 0; i < kLanes; ++i) sum += s.part[lane][i];
            s.sums[lane] = sum;
        } else if (lane == 0) {
            int best = 0;
            for (int k = 1; k < sets; ++k)
                if (s.sums[k] < s.sums[best]) best = k;
            chunk.set_of_brick[c * chunk.bricks + brick.number] = static_cast<uint8_t>(best);
        }
    }

    static MMIP_RULE int64_t cost_of_lane(const SourceChunk& chunk, const BrickPlace& brick, const int32_t* values, int c, int k, int lane) {
        const Predictor<int32_t>& set = chunk.sets[c * kMaxSets + k];
        const int step = cost_row_step(brick.extent[0]), height = brick.extent[1], width = brick.extent[2], first = first_cost_row(step, height);
        const int rows = (height - first + step - 1) / step;
        int64_t sum = 0;
        for (int i = lane; i < brick.extent[0] * rows * width; i += kLanes)
            sum += residual_cost(residual_at(values, brick, set, chunk.bits_of(c), i / (rows * width), first + i / width % rows * step, i % width));
        return sum;
    }
};

// One group = one brick.
struct BrickResidualsKernel {
    static constexpr int kLanes = 128, kPhases = 1;
    using Params = SourceParams;
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const BrickPlace& brick = p.bricks[group];
        const SourceChunk& chunk = p.chunks[brick.chunk];
        each_number<kLanes>(brick, lane, [&](int z, int y, int x, int64_t at) {
            int32_t r[kCodedComponents] = {};
            for (int c = 0; c < chunk.components; ++c) {
                const Predictor<int32_t>& set = chunk.sets[c * kMaxSets + chunk.set_of_brick[c * chunk.bricks + brick.number]];
                r[c] = residual_at(p.values + p.start_of(brick, c), brick, set, chunk.bits_of(c), z, y, x);
                const int32_t* w = chunk.cross[c];
                p.residuals[p.start_of(brick, c) + at] = chunk.has_cross(c) ? without_cross(r[c], r[0], r[1], w[0], c > 1 ? w[1] : 0, chunk.bits_of(c)) : r[c];
            }
        });
    }
};

}  // namespace mmip
