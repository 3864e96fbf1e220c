// Predictions of the blocks of a superblock, and their forward transforms in place, line by line.
// Values: R2 of the tile in; coefficients of P in place of the samples out, whose DC or corner others replace. One group = one
// superblock of 1x8x8 cells, or one block of it. Each phase reads what others wrote only after a barrier. FORMAT.md section 4.5.
#pragma once

#include "rules/prediction/prediction.h"
#include "device/kernels/blocks/block_lines.h"
#include "device/kernels/blocks/synthesis_cells.h"

namespace mmip {

// R2 of a tile.
struct RestoredTile {
    int32_t* first;
    int ay, ax;                              // cells

    template <class Params>
    MMIP_RULE RestoredTile(const Params& p, const DecodeTile& tile) : first(p.restored + tile.restored), ay(tile.size[1]), ax(tile.size[2]) {}

    MMIP_RULE int stride() const { return kCellSize * ax; }
    MMIP_RULE int slice_stride() const { return kCellSize * ay * stride(); }
    MMIP_RULE int32_t* slice(int z) const { return first + static_cast<int64_t>(z) * slice_stride(); }

    // Of a block whose first cell this is.
    MMIP_RULE BlockEdge edge(int z, int y, int x, int n) const { return edge_of(slice(z), stride(), y, x, n, ax); }
};

struct PredictionLines {
    static constexpr int kPhases = 4;
    using Cells = SynthesisCells<1>;
    using Cell = Cells::Cell;
    using Shared = Cells::Shared;
    using Lines = BlockLines<1>;
    static_assert(Lines::kRow == Cells::kPitch, "they share the samples");

    template <int phase, class Params>
    static MMIP_RULE void run(const Params& p, Shared& s, const DecodeTile& tile, int superblock, int lane) {
        if constexpr (phase == 0) predict(p, s, tile, superblock, lane);
        else transform<phase - 1>(s, lane);
    }

    // The forward transform, a phase each: columns, rows, the parts of mode 4.
    template <int phase>
    static MMIP_RULE void transform(Shared& s, int lane) {
        if constexpr (phase < Lines::kPasses) {
            for (int i = lane; i < Cells::kCells * Lines::kCellLines; i += Cells::kLanes) {
                const int k = i / Lines::kCellLines;
                if (is_predicted(s.cells[k])) Lines::pass(phase, s.cells[k].mode, false, s.samples, s.samples, k, i % Lines::kCellLines);
            }
        } else if (is_predicted(s.cells[lane]) && s.cells[lane].mode == kMode4) {
            Lines::join_parts(s.samples, Lines::origin(lane));
        }
    }

    static MMIP_RULE bool is_predicted(const Cell& cell) { return cell.cells > 0 && cell.prediction != kPredictNone; }

private:
    template <class Params>
    static MMIP_RULE void predict(const Params& p, Shared& s, const DecodeTile& tile, int superblock, int lane) {
        const SuperblockBox box = superblock_at(superblock, tile.size[0], tile.size[1], tile.size[2], 1);
        const RestoredTile restored(p, tile);
        for (int i = lane; i < Cells::kWidth * Cells::kWidth; i += Cells::kLanes) {
            const int y = i / Cells::kWidth, x = i % Cells::kWidth;
            const Cell& cell = Cells::cell_at(s, 0, y / kCellSize, x / kCellSize);
            if (!is_predicted(cell)) continue;
            const CellOffset o = superblock_cell(cell.first, 1);
            const BlockEdge edge = restored.edge(box.z, box.y + o.y, box.x + o.x, kCellSize * cells_along(cell.cells));
            const int32_t value = prediction_at(edge, restored.slice_stride(), cell.prediction, y - kCellSize * o.y, x - kCellSize * o.x);
            *Cells::sample(s, 0, y, x) = static_cast<float>(value);
        }
    }
};

}  // namespace mmip
