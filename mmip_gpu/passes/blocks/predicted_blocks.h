// The blocks of a tile of which some are predicted: R2 of each that blocks after it need, and its samples.
// Values: SynthesizeJob and blocks in coding order; float samples out, which are integers at full scale. Home: host, per instruction
// set. Its phases are prediction, its forward transform and those of block_synthesis.h. Implements FORMAT.md section 4.5.
#pragma once

#include "passes/blocks/block_predictor.h"
#include "passes/blocks/block_synthesis.h"
#include "passes/blocks/referenced_cells.h"

namespace MMIP_NS {

class PredictedBlocks {
public:
    PredictedBlocks(const mmip::SynthesizeJob& job, BlockSynthesis& blocks) : job_(job), t_(job.tile), blocks_(blocks), referenced_(job) { predictor_.use(t_, job.decoded); }

    // Its samples at full scale, [y][x]; blocks are asked for in coding order, each once.
    const F8* full(const PlacedBlock& b) {
        predict(b);
        if (referenced_.has_any(b)) {
            F8* samples = restore(b);
            if (job_.stages == 2 || !BlockIndices{job_, b.view, b.first}.go_on()) return samples;
        }
        return rounded(blocks_.predicted(b, spectrum_of(b), job_.stages), b);
    }

    // The same at scale 2 or 4.
    const float* reduced(const PlacedBlock& b) {
        predict(b);
        if (referenced_.has_any(b)) restore(b);
        return blocks_.predicted_reduced(b, spectrum_of(b));
    }

private:
    int prediction(const PlacedBlock& b) const { return job_.predictions[b.first]; }
    const F8* spectrum_of(const PlacedBlock& b) const { return prediction(b) != kPredictNone ? spectrum_ : nullptr; }

    // R2 of the block, kept and as floats.
    F8* restore(const PlacedBlock& b) {
        F8* samples = rounded(blocks_.predicted(b, spectrum_of(b), 2), b);
        const int vectors = cells_along(b.view.cells), stride = kCellSize * t_.ax;
        int32_t* to = job_.decoded + (static_cast<int64_t>(b.z * t_.ay + b.y) * stride + b.x) * kCellSize;
        for (int j = 0; j < kCellSize * vectors; ++j, to += stride)
            for (int i = 0; i < vectors; ++i) {
                const I8 row = truncate(samples[j * vectors + i]);
                __builtin_memcpy(to + 8 * i, &row, sizeof row);
            }
        return samples;
    }

    F8* rounded(F8* samples, const PlacedBlock& b) const {
        for (int i = 0; i < 8 * b.view.cells; ++i) samples[i] = predicted_sample(samples[i]);
        return samples;
    }

    // What the block is predicted from, if anything, to spectrum_.
    void predict(const PlacedBlock& b) {
        if (prediction(b) == kPredictNone) return;
        predictor_.begin(b.first, kCellSize * cells_along(b.view.cells));
        predictor_.predict(prediction(b), samples_);
        transform_.run(b.view.mode, samples_, spectrum_);
    }

    const mmip::SynthesizeJob& job_;
    const mmip::TileView& t_;
    BlockSynthesis& blocks_;
    ReferencedCells referenced_;
    BlockPredictor predictor_;
    SpectrumTransform transform_;
    alignas(64) F8 samples_[4096 / 8], spectrum_[4096 / 8];
};

}  // namespace MMIP_NS
