// The AC indices of one block, as tokens of its stages or in place, and their coefficients.
// Values: SynthesizeJob and a block in; float coefficients out. Home: host, per instruction set. Implements FORMAT.md section 5.
#pragma once

#include "rules/blocks/quantize.h"
#include "passes/blocks/placed_block.h"
#include "passes/kernels.h"

namespace MMIP_NS {

// What dequantizing one index after the other needs; values, so that they stay in registers.
struct Dequantizer {
    float* block;                        // transposed layout
    const uint16_t* scan;
    int32_t recon[4];
    float unit;
    uint32_t reach;                      // places or-ed together

    template <bool added>
    MMIP_RULE void put(uint32_t position, int32_t index) {
        const uint32_t place = scan[position];
        reach |= place;
        if constexpr (added) block[place] = block[place] + dequantize(index, recon, unit);
        else block[place] = dequantize(index, recon, unit);
    }
};

struct BlockIndices {
    const mmip::SynthesizeJob& job;
    const mmip::BlockView& view;
    int first;

    // Those of stages 2 .. `stages` to where their coefficients stand, which is zero unless they are `added`; returns the places
    // or-ed together.
    template <bool added>
    MMIP_RULE uint32_t dequantize(int stages, const int32_t* recon, float unit, float* block) const {
        Dequantizer to{block, view.scan, {}, unit, 0};
        for (int d = 0; d < 4; ++d) to.recon[d] = recon[d];
        if (job.spans != nullptr) {
            for (int stage = 2; stage <= stages; ++stage) {
                const mmip::TokenSpan span = span_of(stage);
                for (const mmip::Token* t = span.first; t < span.first + span.count; ++t) to.put<added>(t->position, t->value);
            }
        } else {
            const int32_t* q = in_place();
            const uint32_t limit = static_cast<uint32_t>(view.cells * (stages == job.stages ? job.cut : job.second_cut));
            for (uint32_t p = 0; p < limit; ++p)
                if (q[p] != 0) to.put<added>(p, q[p]);
        }
        return to.reach;
    }

    // Whether stages from 3 on have any.
    bool go_on() const {
        if (job.spans != nullptr) {
            for (int stage = 3; stage <= job.stages; ++stage)
                if (span_of(stage).count > 0) return true;
            return false;
        }
        const int32_t* q = in_place();
        for (int p = view.cells * job.second_cut; p < view.cells * job.cut; ++p)
            if (q[p] != 0) return true;
        return false;
    }

private:
    const int32_t* in_place() const { return job.tile.ac + static_cast<int64_t>(first) * job.tile.per_cell; }
    MMIP_RULE mmip::TokenSpan span_of(int stage) const {
        return job.spans[(stage - 2) * job.tile.az * job.tile.ay * job.tile.ax + first];
    }
};

}  // namespace MMIP_NS
