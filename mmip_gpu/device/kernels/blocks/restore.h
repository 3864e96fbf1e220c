// R2 of tiles whose blocks may be predicted: what stages 1 and 2 give, block after block in coding order.
// Values: DecodeParams; indices of stage 2, DCs and predictions in, R2 of the tiles out. One group = one tile; the phases repeat for
// each of its blocks, whose samples the lanes share. Decoder side of FORMAT.md section 4.5.
#pragma once

#include "device/kernels/blocks/dequantize_cells.h"
#include "device/kernels/blocks/inverse_lines.h"
#include "device/kernels/blocks/prediction_lines.h"

namespace mmip {

struct RestoreKernel {
    using Params = DecodeParams;
    using Cells = SynthesisCells<1>;
    using Lines = InverseLines<1, false>;
    static constexpr int kLanes = Cells::kLanes, kPhases = 11, kResident = 8;

    struct Shared {
        Cells::Shared superblock;            // of which one block is there
        int32_t next;                        // coding index of the next block
        int32_t z, y, x;                     // of the block: its first cell in the tile
        int32_t slot, size;                  // the same in the superblock; samples along it
    };

    static MMIP_RULE void start(const Params& p, Shared& s, int64_t group, int lane) {
        const int32_t at = p.group_tiles[group];
        if (lane == 0) s.next = p.status(at) == kOk ? 0 : p.tiles[at].cells();
    }

    static MMIP_RULE bool more(const Params& p, const Shared& s, int64_t group) { return s.next < p.tiles[p.group_tiles[group]].cells(); }

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const DecodeTile& tile = p.tiles[p.group_tiles[group]];
        const DecodeItem& item = p.items[tile.item];
        if constexpr (phase == 0) find_block(p, s, tile, item, lane);
        if constexpr (phase == 1) predict(p, s, tile, lane);
        if constexpr (phase > 1 && phase < 5) PredictionLines::transform<phase - 2>(s.superblock, lane);
        if constexpr (phase == 5) CellDequantizer<1, Params, true>::dequantize_block(p, s.superblock, tile, item, s.slot, lane, kLanes, 1);
        if constexpr (phase == 6) Lines::transform_parts(s.superblock, lane);
        if constexpr (phase == 7) Lines::transform_corner_row(s.superblock, lane);
        if constexpr (phase == 8) Lines::transform_row(s.superblock, item, lane);
        if constexpr (phase == 9) Lines::transform_column(s.superblock, item, lane);
        if constexpr (phase == 10) store(p, s, tile, lane);
    }

private:
    // The block that begins at the next cell, as the only one of its superblock.
    static MMIP_RULE void find_block(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int lane) {
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

    static MMIP_RULE float* sample(Shared& s, int i) {
        const CellOffset o = superblock_cell(s.slot, 1);
        return Cells::sample(s.superblock, 0, kCellSize * o.y + i / s.size, kCellSize * o.x + i % s.size);
    }

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
