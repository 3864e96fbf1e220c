// Which cells of a tile other blocks are predicted from: of the others nobody needs R2.
// Values: SynthesizeJob with the predictions of all blocks of the tile in. Home: host, per instruction set. FORMAT.md section 4.5.
#pragma once

#include "rules/prediction/prediction.h"
#include "passes/blocks/placed_block.h"

namespace MMIP_NS {

class ReferencedCells {
public:
    explicit ReferencedCells(const mmip::SynthesizeJob& job) : t_(job.tile) {
        each_block(job, [&](const PlacedBlock& b) {
            const int prediction = job.predictions[b.first], m = cells_along(b.view.cells);
            if (prediction == kPredictSlice) mark(b.z - 1, b.y, b.x, m, m);
            else if (prediction != kPredictNone) mark_edge(b, m);
        });
    }

    bool has_any(const PlacedBlock& b) const {
        const int m = cells_along(b.view.cells);
        for (int y = 0; y < m; ++y)
            for (int x = 0; x < m; ++x)
                if (is_referenced_[place(b.z, b.y + y, b.x + x)]) return true;
        return false;
    }

private:
    int place(int z, int y, int x) const { return (z * t_.ay + y) * t_.ax + x; }

    void mark(int z, int y, int x, int rows, int columns) {
        for (int j = 0; j < rows; ++j)
            for (int i = 0; i < columns; ++i) is_referenced_[place(z, y + j, x + i)] = true;
    }

    // What find_edge takes samples from.
    void mark_edge(const PlacedBlock& b, int m) {
        const int above = samples_above(b.y, b.x, m * kCellSize, t_.ax) / kCellSize, corner = above > 0 && b.x > 0 ? 1 : 0;
        if (above > 0) mark(b.z, b.y - 1, b.x - corner, 1, above + corner);
        if (b.x > 0) mark(b.z, b.y, b.x - 1, m, 1);
    }

    const mmip::TileView& t_;
    bool is_referenced_[kMaxTileSamples / (kCellSize * kCellSize)] = {};
};

}  // namespace MMIP_NS
