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
        int16_t reversible;
    };
    struct Shared {
        float samples[kSlices * kSlice];
        Cell cells[kCells];
        PaletteValues values[kCells];        // of the palette cells
    };

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
