// The blocks of a tile of which some are predicted: R2 of each, kept for the blocks after it, and its samples.
// Values: SynthesizeJob and blocks in coding order; float samples out, which are integers at full scale. Home: host, per instruction
// set. Its phases are prediction, its forward transform and those of block_synthesis.h. Implements FORMAT.md section 4.5.
#pragma once

#include "rules/prediction/prediction.h"
#include "passes/blocks/block_synthesis.h"

namespace MMIP_NS {

class PredictedBlocks {
public:
    PredictedBlocks(const mmip::SynthesizeJob& job, BlockSynthesis& blocks) : job_(job), t_(job.tile), blocks_(blocks) {}

    // Its samples at full scale, [y][x]; blocks are asked for in coding order, each once.
    const F8* full(const PlacedBlock& b) {
        F8* samples = restore(b);
        if (job_.stages == 2 || !BlockIndices{job_, b.view, b.first}.go_on()) return samples;
        return rounded(blocks_.predicted(b, spectrum_of(b), job_.stages), b);
    }

    // The same at scale 2 or 4.
    const float* reduced(const PlacedBlock& b) {
        restore(b);
        return blocks_.predicted_reduced(b, spectrum_of(b));
    }

private:
    int prediction(const PlacedBlock& b) const { return job_.predictions[b.first]; }
    const F8* spectrum_of(const PlacedBlock& b) const { return prediction(b) != kPredictNone ? spectrum_ : nullptr; }

    // Two slices are kept, in turns.
    int stride() const { return kCellSize * t_.ax; }
    int32_t* slice(int z) const { return job_.decoded + (z & 1) * slice_samples(); }
    int slice_samples() const { return kCellSize * t_.ay * stride(); }

    // R2 of the block, kept and as floats; what it is predicted from goes into spectrum_.
    F8* restore(const PlacedBlock& b) {
        if (prediction(b) != kPredictNone) predict(b);
        F8* samples = rounded(blocks_.predicted(b, spectrum_of(b), 2), b);
        const int vectors = cells_along(b.view.cells);
        int32_t* to = slice(b.z) + (b.y * stride() + b.x) * kCellSize;
        for (int j = 0; j < kCellSize * vectors; ++j, to += stride())
            for (int i = 0; i < vectors; ++i) {
                const I8 row = truncate(samples[j * vectors + i]);
                __builtin_memcpy(to + 8 * i, &row, sizeof row);
            }
        return samples;
    }

    F8* rounded(F8* samples, const PlacedBlock& b) const {
        const F8 high = F8{} + static_cast<float>(kPredictedLimit), low = -high;
        for (int i = 0; i < 8 * b.view.cells; ++i) {
            F8 v = samples[i] < low ? low : samples[i];
            v = v > high ? high : v;
            samples[i] = (v + 12582912.0f) - 12582912.0f;
        }
        return samples;
    }

    void predict(const PlacedBlock& b) {
        const int n = kCellSize * cells_along(b.view.cells);
        predict_block(slice(b.z), stride(), slice(b.z) < slice(b.z + 1) ? -slice_samples() : slice_samples(), b.y, b.x, n, t_.ax, prediction(b), scratch_, predicted_);
        for (int i = 0; i < n * n / 8; ++i) {
            I8 row;
            __builtin_memcpy(&row, predicted_ + 8 * i, sizeof row);
            samples_[i] = to_float(row);
        }
        if (b.view.mode == kMode4) forward_quarters<1>(samples_, planes_, spectrum_);
        else if (n == 8) forward_planes<1, 8>(samples_, planes_, spectrum_);
        else if (n == 16) forward_planes<1, 16>(samples_, planes_, spectrum_);
        else if (n == 32) forward_planes<1, 32>(samples_, planes_, spectrum_);
        else forward_planes<1, 64>(samples_, planes_, spectrum_);
    }

    const mmip::SynthesizeJob& job_;
    const mmip::TileView& t_;
    BlockSynthesis& blocks_;
    PredictionScratch scratch_;
    int32_t predicted_[4096];
    alignas(64) F8 samples_[4096 / 8], planes_[4096 / 8], spectrum_[4096 / 8];
};

}  // namespace MMIP_NS
