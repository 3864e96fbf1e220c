// The fill kernel: makes the masked samples of a cell cheap to code, by projections.
// Values: FillJob. Home: host, per instruction set. One item of work = one cell. Encoder only: no part of FORMAT.md.
// Each round transforms the cell, drops its small coefficients, and takes the masked samples from what they leave.
#pragma once

#include "rules/padding/fill.h"
#include "passes/blocks/block_kernels.h"
#include "passes/kernels.h"

namespace MMIP_NS {

template <int depth>
void project_cell_depth(const mmip::FillJob& job) {
    constexpr int rows = depth * 8;
    alignas(64) F8 samples[rows], scratch[rows], coefficients[rows];
    __builtin_memcpy(samples, job.samples, sizeof samples);
    const I8 lane_bits = {1, 2, 4, 8, 16, 32, 64, 128};
    for (int round = 0; round < kFillRounds; ++round) {
        const float limit = fill_limit(job.step, round);
        forward_planes<depth, 8>(samples, scratch, coefficients);
        if constexpr (depth == 8) slice_phase<8, 8, dct_line<8, Lanes>>(coefficients);
        const float dc = reinterpret_cast<const float*>(coefficients)[0];
        for (F8& c : coefficients) c = kept_above(c, limit);
        reinterpret_cast<float*>(coefficients)[0] = dc;
        inverse_block<depth, 8>(coefficients, scratch, depth, 8, 8);
        for (int row = 0; row < rows; ++row) {
            const I8 bits = I8{} + static_cast<int32_t>(job.mask[row / 8] >> (8 * (row % 8)) & 255);
            samples[row] = (bits & lane_bits) != 0 ? scratch[row] : samples[row];
        }
    }
    __builtin_memcpy(job.samples, samples, sizeof samples);
}

}  // namespace MMIP_NS
