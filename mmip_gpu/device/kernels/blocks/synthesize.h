// Indices to samples: dequantization, inverse transforms, offset, clip and padding, at full or reduced scale.
// Values: DecodeParams or CodedParams; indices and DCs of tiles in, samples in place of the items' output out. One group = one
// superblock of 2x2x2 or 1x8x8 cells; a lane transforms whole rows, then columns, then lines over z. Decoder side of FORMAT.md
// sections 2, 4 and 5. Each phase reads what others wrote only after a barrier.
#pragma once

#include "rules/palette/palette.h"
#include "rules/blocks/quantize.h"
#include "rules/blocks/transform.h"
#include "device/kernels/decoding.h"

namespace mmip {

template <int depth, bool scaled, class P = DecodeParams>
struct SynthesisKernel {
    static constexpr int kWidth = depth == 8 ? 16 : 64, kSlices = depth == 8 ? 16 : 1;   // samples of a superblock
    static constexpr int kCells = depth == 8 ? 8 : 64;
    static constexpr int kPitch = kWidth + 1, kSlice = kWidth * kPitch;                  // rows one apart in banks
    static constexpr int kRows = kSlices * kWidth, kLanes = kRows, kPhases = 7;
    static constexpr int kResident = depth == 8 ? 1024 / kLanes : 12;                    // by 64 registers a lane; by shared memory
    static constexpr int kLanesPerCell = kLanes / kCells;
    using Params = P;

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

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const int32_t at = p.group_tiles[group];
        const DecodeTile& tile = p.tiles[at];
        const DecodeItem& item = p.items[tile.item];
        const int superblock = static_cast<int>(group - tile.first_group);
        constexpr int corner_rows = depth == 8 ? kPhases : 3, rows = depth == 8 ? 3 : 4;   // those of 64 x 64 have a phase
        if constexpr (phase == 0) prepare(p, s, tile, item, superblock, lane, p.status(at));
        if constexpr (phase == 1) dequantize_cell(p, s, tile, item, lane);
        if constexpr (phase == 2) transform_parts(s, lane);
        if constexpr (phase == corner_rows) transform_corner_row(s, lane);
        if constexpr (phase == rows) transform_row(s, item, lane);
        if constexpr (phase == rows + 1) transform_column(s, item, lane);
        if constexpr (depth == 8 && phase == rows + 2) transform_depth(s, item, lane);
        if constexpr (phase == kPhases - 1) store(p, s, tile, item, superblock, lane);
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

    // Cells on an axis of a block that more than one cell share, 1 for the others.
    static MMIP_RULE int cells_along(const Cell& cell) { return cell.cells == 64 ? 8 : (cell.cells == 16 ? 4 : (cell.cells > 1 ? 2 : 1)); }

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
        const int mode = item.stages > 1 ? p.modes[tile.base + cell.coding] : kMode8;
        const int cells = block_shape(mode, depth).cells;
        cell.mode = static_cast<int8_t>(mode);
        cell.cells = static_cast<int8_t>(cells);
        cell.first = static_cast<int16_t>(lane & ~(cells - 1));
        cell.quality_class = p.classes[tile.base + cell.raster];
        cell.reversible = scaled || item.stages == 1 ? 0 : item.reversible[cell.quality_class];   // stage 1 alone: the DCT for all
    }

    static MMIP_RULE float step_of(const DecodeItem& item, const DecodeTile& tile, int quality_class) {
        return static_cast<float>(item.steps[quality_class][tile.component]) / kStepOne;
    }

    static MMIP_RULE float dc_value(const Params& p, const DecodeTile& tile, const DecodeItem& item, int raster) {
        int32_t dc;
        if (item.image != nullptr) {
            const int z = raster / (tile.size[1] * tile.size[2]), y = raster / tile.size[2] % tile.size[1], x = raster % tile.size[2];
            dc = item.image[sample_place(item.image_size, tile.plane, tile.cell[0] + z - item.image_origin[0],
                                         tile.cell[1] + y - item.image_origin[1], tile.cell[2] + x - item.image_origin[2])];
        } else {
            dc = p.dc[tile.base + raster];
        }
        return static_cast<float>(dc) * (step_of(item, tile, p.classes[tile.base + raster]) / static_cast<float>(item.dc_unit));
    }

    // Stage 1 alone: the two lowest AC of an axis as the DCs before and after the cell let expect.
    static MMIP_RULE void expect_low(const Params& p, const DecodeTile& tile, const DecodeItem& item, int raster, float* block) {
        const int sizes[3] = {tile.size[0], tile.size[1], tile.size[2]}, apart[3] = {tile.size[1] * tile.size[2], tile.size[2], 1}, strides[3] = {kSlice, kPitch, 1};
        const float own = dc_value(p, tile, item, raster);
        MMIP_UNROLL
        for (int axis = depth == 8 ? 0 : 1; axis < 3; ++axis) {
            const int at = raster / apart[axis] % sizes[axis];
            const float before = at > 0 ? dc_value(p, tile, item, raster - apart[axis]) : own;
            const float after = at + 1 < sizes[axis] ? dc_value(p, tile, item, raster + apart[axis]) : own;
            block[strides[axis]] = expected_slope(before, after);
            block[2 * strides[axis]] = expected_bend(before, own, after);
        }
    }

    // The colours of a palette cell, and by the first lane what they stand for.
    static MMIP_RULE void read_palette(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int slot, int index) {
        const Cell& cell = s.cells[slot];
        const auto list = p.list(tile, item, cell.coding, 0);
        float* block = origin_of(s, slot);
        for (uint32_t t = static_cast<uint32_t>(index); t < list.count; t += kLanesPerCell) {
            const Token token = list[t];
            for (int k = 0; k < kWordSamples && token.position >= kPaletteGaps; ++k) {
                const int i = (static_cast<int>(token.position) - kPaletteGaps) * kWordSamples + k;
                if (i < 64 * depth) block[i / 64 * kSlice + i / 8 % 8 * kPitch + i % 8] = static_cast<float>(token.value >> (2 * k) & 3);
            }
        }
        if (index > 0) return;
        int32_t gaps[kPaletteGaps] = {};
        uint32_t t = 0;
        for (; t < list.count && list[t].position < kPaletteGaps; ++t) gaps[list[t].position] = list[t].value;
        int64_t total = 0;
        for (; t < list.count; ++t) total += word_total(list[t].value, gaps);
        const float mean = dc_value(p, tile, item, cell.raster) * scale_factor(depth, kCellSize);
        s.values[slot] = palette_values(mean, gaps, total, 64 * depth, palette_unit(depth) * step_of(item, tile, cell.quality_class));
    }

    // Its samples, out of their colours.
    static MMIP_RULE void paint_palette(Shared& s, int slot, int index) {
        float* block = origin_of(s, slot);
        for (int i = index; i < 64 * depth; i += kLanesPerCell) {
            float& at = block[i / 64 * kSlice + i / 8 % 8 * kPitch + i % 8];
            at = s.values[slot].of[static_cast<int>(at)];
        }
    }

    // Lanes of a block's cells share its tokens; the first of them sets the DC or the corner.
    static MMIP_RULE void dequantize_cell(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int lane) {
        const int slot = lane / kLanesPerCell;
        const Cell& cell = s.cells[slot];
        if (cell.cells == 0) return;
        if (cell.mode == kModePalette) return read_palette(p, s, tile, item, slot, lane % kLanesPerCell);
        const int first = cell.first;
        const int index = lane - first * kLanesPerCell, sharing = cell.cells * kLanesPerCell;
        float* block = origin_of(s, first);
        if (index == 0) set_corner(p, s, tile, item, first, block);
        if (cell.cells == 64) set_corner_value(p, s, tile, item, slot, block);
        if (item.stages == 1 && index == 0) expect_low(p, tile, item, cell.raster, block);
        const int log2_size = cell.cells == 64 ? 6 : (cell.cells == 16 ? 5 : (cell.cells > 1 ? 4 : 3)), in_size = (1 << log2_size) - 1;
        const uint16_t* scan = item.tables->scan[cell.mode];
        const float unit = step_of(item, tile, cell.quality_class) / kReconUnit;
        for (int n = 0; n < p.lists(item); ++n) {
            const auto list = p.list(tile, item, s.cells[first].coding, n);
            for (uint32_t t = static_cast<uint32_t>(index); t < list.count; t += static_cast<uint32_t>(sharing)) {
                const Token token = list[t];
                const int place = scan[token.position];      // [kz][kx][ky]
                block[(place >> (2 * log2_size)) * kSlice + (place & in_size) * kPitch + (place >> log2_size & in_size)] =
                    dequantize(token.value, item.recon[cell.quality_class], unit);
            }
        }
    }

    static MMIP_RULE void set_corner(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int first, float* block) {
        const int many = s.cells[first].cells;
        if (many == 1) {
            block[0] = dc_value(p, tile, item, s.cells[first].raster);
        } else if constexpr (depth == 8) {
            corner_of<2, 2>(p, s, tile, item, first, block);
        } else {
            if (many == 16) corner_of<1, 4>(p, s, tile, item, first, block);
            else if (many == 4) corner_of<1, 2>(p, s, tile, item, first, block);
        }
    }

    // Of a block of 64 cells each lane sets the DC of its own; columns and rows of the corner are transformed in later phases.
    static MMIP_RULE void set_corner_value(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int slot, float* block) {
        const CellOffset o = superblock_cell(slot, depth);
        block[o.y * kPitch + o.x] = dc_value(p, tile, item, s.cells[slot].raster);
    }

    static MMIP_RULE void transform_corner_row(Shared& s, int lane) {
        if (s.cells[0].cells == 64 && lane < kCellSize) dct_line<8, float>(s.samples + lane * kPitch, 1);
    }

    template <int deep, int m>
    static MMIP_RULE void corner_of(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int first, float* block) {
        float corner[deep * m * m];
        MMIP_UNROLL
        for (int i = 0; i < deep * m * m; ++i) {
            const CellOffset o = superblock_cell(i, depth);
            corner[(o.z * m + o.y) * m + o.x] = dc_value(p, tile, item, s.cells[first + i].raster);
        }
        corner_lines<deep, m, dct_line<m, float>>(corner);
        MMIP_UNROLL
        for (int i = 0; i < deep * m * m; ++i) block[i / (m * m) * kSlice + i / m % m * kPitch + i % m] = corner[i];
    }

    // Split modes: the transform over the parts of a cell. Palette cells; the columns of the corner of 64 cells.
    static MMIP_RULE void transform_parts(Shared& s, int lane) {
        const int slot = lane / kLanesPerCell;
        if (s.cells[slot].cells > 0 && s.cells[slot].mode == kModePalette) paint_palette(s, slot, lane % kLanesPerCell);
        if constexpr (depth == 1)
            if (s.cells[0].cells == 64 && lane < kCellSize) dct_line<8, float>(s.samples + lane, kPitch);
        if (lane >= kCells || s.cells[lane].cells == 0) return;
        float* block = origin_of(s, lane);
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
                idct_any<longest>(line, stride, kCellSize * cells_along(cell) / scale);
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
        return cell.cells != 0 && cell.mode != kModePalette && place % cells_along(cell) == 0;
    }

    static MMIP_RULE void transform_row(Shared& s, const DecodeItem& item, int lane) {
        const int z = lane / kWidth, y = lane % kWidth;
        for (int x = 0; x < kWidth / kCellSize; ++x) {
            const Cell& cell = cell_at(s, z / depth, y / kCellSize, x);
            if (begins(cell, x)) transform_line(sample(s, z, y, x * kCellSize), 1, cell, item.scale);
        }
    }

    static MMIP_RULE void transform_column(Shared& s, const DecodeItem& item, int lane) {
        const int z = lane / kWidth, x = lane % kWidth;
        for (int y = 0; y < kWidth / kCellSize; ++y) {
            const Cell& cell = cell_at(s, z / depth, y, x / kCellSize);
            if (begins(cell, y)) transform_line(sample(s, z, y * kCellSize, x), kPitch, cell, item.scale);
        }
    }

    static MMIP_RULE void transform_depth(Shared& s, const DecodeItem& item, int lane) {
        if constexpr (depth == 8) {
            const int y = lane / kWidth, x = lane % kWidth;
            for (int z = 0; z < kSlices / depth; ++z) {
                const Cell& cell = cell_at(s, z, y / kCellSize, x / kCellSize);
                if (begins(cell, z) && cell.mode != kModeZ1) transform_line(sample(s, z * depth, y, x), kSlice, cell, item.scale);
            }
        }
    }

    // A sample of the reduced superblock, out of what the lines left of its block.
    static MMIP_RULE float reduced(Shared& s, const Cell& cell, int z, int y, int x, int scale) {
        const CellOffset o = superblock_cell(cell.first, depth);
        const int cell_size = kCellSize / scale, part = 4 / scale;
        z -= depth == 8 ? o.z * cell_size : 0, y -= o.y * cell_size, x -= o.x * cell_size;
        const bool quarters = cell.mode == kMode4 && part > 0;
        if (quarters) z = z / part * 4 + z % part, y = y / part * 4 + y % part, x = x / part * 4 + x % part;
        const float factor = scale_factor(cell.mode == kModeZ1 ? 1 : depth, scale);
        const float* first = sample(s, o.z * depth, o.y * kCellSize, o.x * kCellSize);
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
            const Cell& cell = cell_at(s, z * deep / depth, y / cell_size, x / cell_size);
            if (cell.cells == 0) continue;
            const SuperblockBox box = superblock_at(superblock, tile.size[0], tile.size[1], tile.size[2], depth);
            const int64_t from[3] = {(tile.cell[0] + box.z) * depth + z * deep, (tile.cell[1] + box.y) * kCellSize + y * scale,
                                     (tile.cell[2] + box.x) * kCellSize + x * scale};
            const int64_t at[3] = {from[0] / deep, from[1] / scale, from[2] / scale};
            if (at[0] >= item.scaled[0] || at[1] >= item.scaled[1] || at[2] >= item.scaled[2]) continue;
            const float value = scaled ? reduced(s, cell, z, y, x, scale) : *sample(s, z, y, x);
            int32_t v = to_sample(value) + item.offset;
            v = v < item.minimum ? item.minimum : (v > item.maximum ? item.maximum : v);
            if (item.padded != 0 && is_masked(p, tile, item, cell, from, scale)) v = item.padding;
            put_sample(item.samples, item.type, sample_place(item.size, tile.plane, at[0] - item.origin[0], at[1] - item.origin[1], at[2] - item.origin[2]), v);
        }
    }
};

}  // namespace mmip
