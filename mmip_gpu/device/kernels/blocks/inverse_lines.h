// The inverse transforms of a superblock's blocks, line by line, in place: a lane takes whole rows, then columns, then lines over z.
// Values: coefficients of a superblock in shared memory in, samples out. Each phase reads what others wrote only after a barrier.
// Implements FORMAT.md sections 4.1 to 4.3, and 5.1 where `scaled`.
#pragma once

#include "rules/blocks/transform.h"
#include "device/kernels/blocks/synthesis_cells.h"

namespace mmip {

template <int depth, bool scaled>
struct InverseLines {
    using Cells = SynthesisCells<depth>;
    using Cell = typename Cells::Cell;
    using Shared = typename Cells::Shared;
    static constexpr int kWidth = Cells::kWidth, kSlices = Cells::kSlices, kCells = Cells::kCells;
    static constexpr int kLanesPerCell = Cells::kLanesPerCell, kSlice = Cells::kSlice, kPitch = Cells::kPitch;

    static MMIP_RULE void transform_corner_row(Shared& s, int lane) {
        if (s.cells[0].cells == 64 && lane < kCellSize) dct_line<8, float>(s.samples + lane * kPitch, 1);
    }

    // Split modes: the transform over the parts of a cell. Palette cells; the columns of the corner of 64 cells.
    static MMIP_RULE void transform_parts(Shared& s, int lane) {
        const int slot = lane / kLanesPerCell;
        if (s.cells[slot].cells > 0 && s.cells[slot].mode == kModePalette) paint_palette(s, slot, lane % kLanesPerCell);
        if constexpr (depth == 1)
            if (s.cells[0].cells == 64 && lane < kCellSize) dct_line<8, float>(s.samples + lane, kPitch);
        if (lane >= kCells || s.cells[lane].cells == 0) return;
        float* block = Cells::origin_of(s, lane);
        if (depth == 8 && s.cells[lane].mode == kModeZ1) idct_line<8, float>(block, kSlice);
        if (s.cells[lane].mode != kMode4) return;
        constexpr int parts = depth == 8 ? 2 : 1;
        float dc[4 * parts];
        MMIP_UNROLL
        for (int i = 0; i < 4 * parts; ++i) dc[i] = block[4 * (i >> 2) * kSlice + 4 * (i >> 1 & 1) * kPitch + 4 * (i & 1)];
        inverse_corner_lines<parts, 2, idct_line<2, float>>(dc);
        MMIP_UNROLL
        for (int i = 0; i < 4 * parts; ++i) block[4 * (i >> 2) * kSlice + 4 * (i >> 1 & 1) * kPitch + 4 * (i & 1)] = dc[i];
    }

    // The line of a cell, or of the block that begins with it, in place.
    static MMIP_RULE void transform_line(float* line, int stride, const Cell& cell, int scale) {
        if constexpr (scaled) {
            constexpr int longest = kWidth / 2;
            if (cell.mode == kMode4) {
                idct_any<2>(line, stride, 4 / scale);
                idct_any<2>(line + 4 * stride, stride, 4 / scale);
            } else {
                idct_any<longest>(line, stride, kCellSize * cells_along(cell.cells) / scale);
            }
        } else if (cell.reversible != 0) {
            inverse_reversible_line<float>(line, stride);
        } else if (cell.mode == kMode4) {
            idct_line<4, float>(line, stride);
            idct_line<4, float>(line + 4 * stride, stride);
        } else if (cell.mode == kMode16) {
            idct_line<16, float>(line, stride);
        } else if (depth == 1 && cell.mode == kMode32) {
            idct_line<32, float>(line, stride);
        } else if (depth == 1 && cell.mode == kMode64) {
            idct_long_line<64>(line, stride);
        } else {
            idct_line<8, float>(line, stride);
        }
    }

    // Whether the cell stands first in its block on an axis on which it stands at `place` in the superblock.
    static MMIP_RULE bool begins(const Cell& cell, int place) {
        return cell.cells != 0 && cell.mode != kModePalette && place % cells_along(cell.cells) == 0;
    }

    static MMIP_RULE void transform_row(Shared& s, const DecodeItem& item, int lane) {
        const int z = lane / kWidth, y = lane % kWidth;
        for (int x = 0; x < kWidth / kCellSize; ++x) {
            const Cell& cell = Cells::cell_at(s, z / depth, y / kCellSize, x);
            if (begins(cell, x)) transform_line(Cells::sample(s, z, y, x * kCellSize), 1, cell, item.scale);
        }
    }

    static MMIP_RULE void transform_column(Shared& s, const DecodeItem& item, int lane) {
        const int z = lane / kWidth, x = lane % kWidth;
        for (int y = 0; y < kWidth / kCellSize; ++y) {
            const Cell& cell = Cells::cell_at(s, z / depth, y, x / kCellSize);
            if (begins(cell, y)) transform_line(Cells::sample(s, z, y * kCellSize, x), kPitch, cell, item.scale);
        }
    }

    static MMIP_RULE void transform_depth(Shared& s, const DecodeItem& item, int lane) {
        if constexpr (depth == 8) {
            const int y = lane / kWidth, x = lane % kWidth;
            for (int z = 0; z < kSlices / depth; ++z) {
                const Cell& cell = Cells::cell_at(s, z, y / kCellSize, x / kCellSize);
                if (begins(cell, z) && cell.mode != kModeZ1) transform_line(Cells::sample(s, z * depth, y, x), kSlice, cell, item.scale);
            }
        }
    }

private:
    // Its samples, out of their colours.
    static MMIP_RULE void paint_palette(Shared& s, int slot, int index) {
        float* block = Cells::origin_of(s, slot);
        for (int i = index; i < 64 * depth; i += kLanesPerCell) {
            float& at = block[i / 64 * kSlice + i / 8 % 8 * kPitch + i % 8];
            at = s.values[slot].of[static_cast<int>(at)];
        }
    }
};

}  // namespace mmip
