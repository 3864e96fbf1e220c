// Indices to samples: dequantization, inverse transforms, offset, clip and padding, at full or reduced scale.
// Values: DecodeParams or CodedParams; indices and DCs of tiles in, samples in place of the items' output out; where blocks may be
// predicted, R2 of the tiles in. One group = one superblock of 2x2x2 or 1x8x8 cells. Decoder side of FORMAT.md sections 2, 4 and 5.
// Each phase reads what others wrote only after a barrier.
#pragma once

#include "device/kernels/blocks/dequantize_cells.h"
#include "device/kernels/blocks/inverse_lines.h"
#include "device/kernels/blocks/prediction_lines.h"

namespace mmip {

template <int depth, bool scaled, class P = DecodeParams, bool predicted = false>
struct SynthesisKernel {
    using Params = P;
    using Cells = SynthesisCells<depth>;
    using Cell = typename Cells::Cell;
    using Shared = typename Cells::Shared;
    using Lines = InverseLines<depth, scaled>;
    static constexpr int kWidth = Cells::kWidth, kSlices = Cells::kSlices, kSlice = Cells::kSlice, kPitch = Cells::kPitch;
    static constexpr int kCells = Cells::kCells, kLanes = Cells::kLanes;
    static constexpr int kBefore = predicted ? PredictionLines::kPhases : 0, kPhases = kBefore + 7;
    static constexpr int kResident = depth == 8 ? 1024 / kLanes : (predicted ? 8 : 12);  // by 64 registers a lane; by shared memory

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const int32_t at = p.group_tiles[group];
        const DecodeTile& tile = p.tiles[at];
        const DecodeItem& item = p.items[tile.item];
        const int superblock = static_cast<int>(group - tile.first_group);
        constexpr int corner_rows = depth == 8 ? kPhases : kBefore + 3, rows = kBefore + (depth == 8 ? 3 : 4);   // those of 64 x 64 have a phase
        if constexpr (phase == 0) prepare(p, s, tile, item, superblock, lane, p.status(at));
        if constexpr (phase > 0 && phase <= kBefore) PredictionLines::run<phase - 1>(p, s, tile, superblock, lane);
        if constexpr (phase == kBefore + 1) CellDequantizer<depth, P, predicted>::dequantize_cell(p, s, tile, item, lane);
        if constexpr (phase == kBefore + 2) Lines::transform_parts(s, lane);
        if constexpr (phase == corner_rows) Lines::transform_corner_row(s, lane);
        if constexpr (phase == rows) Lines::transform_row(s, item, lane);
        if constexpr (phase == rows + 1) Lines::transform_column(s, item, lane);
        if constexpr (depth == 8 && phase == rows + 2) Lines::transform_depth(s, item, lane);
        if constexpr (phase == kPhases - 1) store(p, s, tile, item, superblock, lane);
    }

private:
    static MMIP_RULE void prepare(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int superblock, int lane, int status) {
        constexpr int values = kSlices * kSlice;
        for (int i = lane; i < values; i += kLanes) s.samples[i] = 0.0f;
        if (lane >= kCells) return;
        Cell& cell = s.cells[lane];
        cell.cells = 0;
        if (status != kOk || superblock >= superblock_count(tile.size[0], tile.size[1], tile.size[2], depth)) return;
        const SuperblockBox box = superblock_at(superblock, tile.size[0], tile.size[1], tile.size[2], depth);
        const CellOffset o = superblock_cell(lane, depth);
        if (!superblock_has(box, o)) return;
        cell.coding = coding_index(box, lane, depth);
        cell.raster = ((box.z + o.z) * tile.size[1] + box.y + o.y) * tile.size[2] + box.x + o.x;
        Cells::template describe<predicted>(p, tile, item, scaled || item.stages == 1, lane, cell);   // stage 1 alone: the DCT for all
    }

    // A sample of the reduced superblock, out of what the lines left of its block.
    static MMIP_RULE float reduced(Shared& s, const Cell& cell, int z, int y, int x, int scale) {
        const CellOffset o = superblock_cell(cell.first, depth);
        const int cell_size = kCellSize / scale, part = 4 / scale;
        z -= depth == 8 ? o.z * cell_size : 0, y -= o.y * cell_size, x -= o.x * cell_size;
        const bool quarters = cell.mode == kMode4 && part > 0;
        if (quarters) z = z / part * 4 + z % part, y = y / part * 4 + y % part, x = x / part * 4 + x % part;
        const float factor = scale_factor(cell.mode == kModeZ1 ? 1 : depth, scale);
        const float* first = Cells::sample(s, o.z * depth, o.y * kCellSize, o.x * kCellSize);
        if (cell.mode == kModePalette) return window_mean(first, kSlice, kPitch, z, y, x, scale, depth == 8 ? scale : 1);
        const float* block = first + y * kPitch + x;
        if (cell.mode != kModeZ1) return block[z * kSlice] * factor;
        float sum = block[z * scale * kSlice] * factor;
        for (int k = 1; k < scale; ++k) sum = sum + block[(z * scale + k) * kSlice] * factor;
        return sum * factor;
    }

    // Of the window of full-scale samples from `from` on: whether half of those in the plane are masked.
    static MMIP_RULE bool is_masked(const Params& p, const DecodeTile& tile, const DecodeItem& item, const Cell& cell, const int64_t* from, int scale) {
        const uint64_t* words = p.mask_of(tile) + static_cast<int64_t>(cell.raster) * depth;
        const int deep = depth == 8 ? scale : 1;
        int masked = 0, inside = 0;
        for (int z = 0; z < deep; ++z)
            for (int y = 0; y < scale; ++y)
                for (int x = 0; x < scale; ++x) {
                    if (from[0] + z >= item.shape[0] || from[1] + y >= item.shape[1] || from[2] + x >= item.shape[2]) continue;
                    const int bit = static_cast<int>((from[1] + y) % kCellSize * kCellSize + (from[2] + x) % kCellSize);
                    masked += static_cast<int>(words[(from[0] + z) % depth] >> bit & 1);
                    ++inside;
                }
        return 2 * masked >= inside;
    }

    static MMIP_RULE void store(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int superblock, int lane) {
        const int scale = scaled ? item.scale : 1, deep = depth == 8 ? scale : 1;
        const int width = kWidth / scale, slices = kSlices / deep, each = slices * width * width;
        for (int i = lane; i < each; i += kLanes) {
            const int z = i / (width * width), y = i / width % width, x = i % width;
            const int cell_size = kCellSize / scale;
            const Cell& cell = Cells::cell_at(s, z * deep / depth, y / cell_size, x / cell_size);
            if (cell.cells == 0) continue;
            const SuperblockBox box = superblock_at(superblock, tile.size[0], tile.size[1], tile.size[2], depth);
            const int64_t from[3] = {(tile.cell[0] + box.z) * depth + z * deep, (tile.cell[1] + box.y) * kCellSize + y * scale,
                                     (tile.cell[2] + box.x) * kCellSize + x * scale};
            const int64_t at[3] = {from[0] / deep, from[1] / scale, from[2] / scale};
            if (at[0] >= item.scaled[0] || at[1] >= item.scaled[1] || at[2] >= item.scaled[2]) continue;
            const float value = scaled ? reduced(s, cell, z, y, x, scale) : *Cells::sample(s, z, y, x);
            int32_t v = to_sample(predicted && !scaled ? predicted_sample(value) : value) + item.offset;
            v = v < item.minimum ? item.minimum : (v > item.maximum ? item.maximum : v);
            if (item.padded != 0 && is_masked(p, tile, item, cell, from, scale)) v = item.padding;
            put_sample(item.samples, item.type, sample_position(item.size, tile.plane, at[0] - item.origin[0], at[1] - item.origin[1], at[2] - item.origin[2]), v);
        }
    }
};

}  // namespace mmip
