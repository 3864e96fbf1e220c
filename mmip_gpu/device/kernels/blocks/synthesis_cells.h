// A superblock while it is synthesized: its samples and what is known of its cells.
// Values: floats [z][y][x] in shared memory, a row of cells. One group = one superblock of 2x2x2 or 1x8x8 cells. FORMAT.md section 3.
#pragma once

#include "rules/palette/palette.h"
#include "device/kernels/decoding.h"

namespace mmip {

template <int depth>
struct SynthesisCells {
    static constexpr int kWidth = depth == 8 ? 16 : 64, kSlices = depth == 8 ? 16 : 1;   // samples of a superblock
    static constexpr int kCells = depth == 8 ? 8 : 64;
    static constexpr int kPitch = kWidth + 1, kSlice = kWidth * kPitch;                  // rows one apart in banks
    static constexpr int kRows = kSlices * kWidth, kLanes = kRows;
    static constexpr int kLanesPerCell = kLanes / kCells;

    struct Cell {
        int32_t coding, raster;              // in the tile
        int16_t first;                       // Z order index of its block's first cell
        int8_t mode, cells;                  // of the block; cells == 0: outside the tile, or not decoded
        int16_t quality_class;
        int8_t reversible, prediction;       // prediction: where blocks may have one
    };
    struct Shared {
        float samples[kSlices * kSlice];
        Cell cells[kCells];
        PaletteValues values[kCells];        // of the palette cells
    };

    // Of a cell in the tile, whose place is set. `plain`: the DCT for reversible classes, too.
    template <bool predicted, class Params>
    static MMIP_RULE void describe(const Params& p, const DecodeTile& tile, const DecodeItem& item, bool plain, int slot, Cell& cell) {
        const int mode = item.stages > 1 ? p.modes[tile.base + cell.coding] : kMode8, cells = block_shape(mode, depth).cells;
        cell.mode = static_cast<int8_t>(mode);
        cell.cells = static_cast<int8_t>(cells);
        cell.first = static_cast<int16_t>(slot & ~(cells - 1));
        cell.quality_class = p.classes[tile.base + cell.raster];
        cell.reversible = plain ? 0 : static_cast<int8_t>(item.reversible[cell.quality_class]);
        if constexpr (predicted) cell.prediction = static_cast<int8_t>(p.predictions[tile.base + cell.coding]);
    }

    static MMIP_RULE float* sample(Shared& s, int z, int y, int x) {
        return s.samples + z * kSlice + y * kPitch + x;
    }

    static MMIP_RULE const Cell& cell_at(const Shared& s, int z, int y, int x) {
        return s.cells[superblock_index({z, y, x}, depth)];
    }

    static MMIP_RULE float* origin_of(Shared& s, int slot) {
        const CellOffset o = superblock_cell(slot, depth);
        return sample(s, o.z * depth, o.y * kCellSize, o.x * kCellSize);
    }
};

}  // namespace mmip
