// Where the blocks of a tile stand, in coding order. Values: SynthesizeJob in. Home: host, per instruction set. FORMAT.md section 3.
#pragma once

#include "rules/format.h"
#include "passes/kernels.h"

namespace MMIP_NS {

// A block of the tile: the coding index and the place of its first cell.
struct PlacedBlock {
    const mmip::BlockView& view;
    int first, z, y, x;
};

// Calls use(block) for the blocks of a tile in coding order; for stage 1 alone cells.
template <class Use>
[[gnu::always_inline]] inline void each_block(const mmip::SynthesizeJob& job, const Use& use) {
    const mmip::TileView& t = job.tile;
    const int cells = t.az * t.ay * t.ax;
    for (int i = 0; i < cells;) {
        const mmip::BlockView& view = t.blocks[job.stages > 1 ? t.modes[i] : kMode8];
        const int at = t.raster[i];
        use(PlacedBlock{view, i, at / (t.ay * t.ax), at / t.ax % t.ay, at % t.ax});
        i += view.cells;
    }
}

}  // namespace MMIP_NS
