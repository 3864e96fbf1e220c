// R2 of one block of a tile, out of its indices of stage 2, its DCs and its prediction: the phases, and where the block stands.
// Values: Params as DecodeParams has them (or CodedParams, with orders), R2 of the blocks before it in; that of the block out. One group
// = one block at a time, whose samples the lanes share. Implements FORMAT.md section 4.5.
#pragma once

#include "device/kernels/blocks/dequantize_cells.h"
#include "device/kernels/blocks/inverse_lines.h"
#include "device/kernels/blocks/prediction_lines.h"

namespace mmip {

template <class Params>
struct BlockRestorer {
    using Cells = SynthesisCells<1>;
    using Lines = InverseLines<1, false>;
    static constexpr int kLanes = Cells::kLanes, kPhases = 10;

    struct Shared {
        Cells::Shared superblock;            // of which one block is there
        int32_t next;                        // coding index of the block, and of the next one once all phases have run
        int32_t z, y, x;                     // of the block: its first cell in the tile
        int32_t slot, size;                  // the same in the superblock; samples along it
    };

    // The block that begins at the next cell, as the only one of its superblock: a phase before those of `run`.
    static MMIP_RULE void find(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int lane) {
        const uint16_t* order = p.orders + tile.order + s.next;
        const int at = order[0], y = at / tile.size[2] % tile.size[1], x = at % tile.size[2], width = superblock_width(1);
        const int slot = superblock_index({0, y % width, x % width}, 1), cells = block_shape(p.modes[tile.base + s.next], 1).cells;
        if (lane == 0) s.z = at / (tile.size[1] * tile.size[2]), s.y = y, s.x = x, s.slot = slot, s.size = kCellSize * cells_along(cells);
        Cells::Cell& cell = s.superblock.cells[lane];
        cell.cells = 0;
        if (lane < slot || lane >= slot + cells) return;
        cell.coding = s.next + lane - slot, cell.raster = order[lane - slot];
        Cells::describe<true>(p, tile, item, false, lane, cell);
    }

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int lane) {
        if constexpr (phase == 0) predict(p, s, tile, lane);
        if constexpr (phase > 0 && phase < 4) PredictionLines::transform<phase - 1>(s.superblock, lane);
        if constexpr (phase == 4) CellDequantizer<1, Params, true>::dequantize_block(p, s.superblock, tile, item, s.slot, lane, kLanes, 1);
        if constexpr (phase == 5) Lines::transform_parts(s.superblock, lane);
        if constexpr (phase == 6) Lines::transform_corner_row(s.superblock, lane);
        if constexpr (phase == 7) Lines::transform_row(s.superblock, item, lane);
        if constexpr (phase == 8) Lines::transform_column(s.superblock, item, lane);
        if constexpr (phase == 9) store(p, s, tile, lane);
    }

    // The i-th sample of the block.
    static MMIP_RULE float* sample(Shared& s, int i) {
        const CellOffset o = superblock_cell(s.slot, 1);
        return Cells::sample(s.superblock, 0, kCellSize * o.y + i / s.size, kCellSize * o.x + i % s.size);
    }

private:
    static MMIP_RULE void predict(const Params& p, Shared& s, const DecodeTile& tile, int lane) {
        const Cells::Cell& cell = s.superblock.cells[s.slot];
        const RestoredTile restored(p, tile);
        const BlockEdge edge = restored.edge(s.z, s.y, s.x, s.size);
        const bool predicted = PredictionLines::is_predicted(cell);
        for (int i = lane; i < s.size * s.size; i += kLanes) {
            const int32_t value = predicted ? prediction_at(edge, restored.slice_stride(), cell.prediction, i / s.size, i % s.size) : 0;
            *sample(s, i) = static_cast<float>(value);
        }
    }

    static MMIP_RULE void store(const Params& p, Shared& s, const DecodeTile& tile, int lane) {
        const RestoredTile restored(p, tile);
        int32_t* to = restored.slice(s.z) + kCellSize * (s.y * restored.stride() + s.x);
        for (int i = lane; i < s.size * s.size; i += kLanes)
            to[i / s.size * restored.stride() + i % s.size] = truncate(predicted_sample(*sample(s, i)));
        if (lane == 0) s.next += s.size * s.size / (kCellSize * kCellSize);
    }
};

}  // namespace mmip
