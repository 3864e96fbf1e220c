// The coefficients of a superblock out of its DCs and lists of tokens, a palette cell's colours, and what stage 1 alone lets expect.
// Values: DecodeParams or CodedParams in; coefficients in place of the samples out. One phase: lanes share the tokens of a block.
// Implements FORMAT.md sections 4.3 (corners) and 5.
#pragma once

#include "rules/blocks/quantize.h"
#include "rules/blocks/transform.h"
#include "device/kernels/blocks/synthesis_cells.h"

namespace mmip {

// `added`: to what stands there.
template <int depth, class Params, bool added = false>
struct CellDequantizer {
    using Cells = SynthesisCells<depth>;
    using Cell = typename Cells::Cell;
    using Shared = typename Cells::Shared;
    static constexpr int kLanesPerCell = Cells::kLanesPerCell, kSlice = Cells::kSlice, kPitch = Cells::kPitch;

    // On the lanes of the block's cells.
    static MMIP_RULE void dequantize_cell(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int lane) {
        const Cell& cell = s.cells[lane / kLanesPerCell];
        if (cell.cells == 0) return;
        dequantize_block(p, s, tile, item, cell.first, lane - cell.first * kLanesPerCell, cell.cells * kLanesPerCell, p.lists(item));
    }

    // Lane `index` of those that share the block whose first cell this is; the first of them sets the DC or the corner. The indices
    // are those of so many lists.
    static MMIP_RULE void dequantize_block(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int first, int index, int sharing, int lists) {
        const Cell& cell = s.cells[first];
        if (cell.mode == kModePalette) return read_palette(p, s, tile, item, first, index, sharing);
        float* block = Cells::origin_of(s, first);
        if (index == 0) set_corner(p, s, tile, item, first, block);
        if (cell.cells == 64) set_corner_value(p, s, tile, item, index, block);
        if (item.stages == 1 && index == 0) expect_low(p, tile, item, cell.raster, block);
        const int log2_size = cell.cells == 64 ? 6 : (cell.cells == 16 ? 5 : (cell.cells > 1 ? 4 : 3)), in_size = (1 << log2_size) - 1;
        const uint16_t* scan = item.tables->scan[cell.mode];
        const float unit = step_of(item, tile, cell.quality_class) / kReconUnit;
        for (int n = 0; n < lists; ++n) {
            const auto list = p.list(tile, item, cell.coding, n);
            for (uint32_t t = static_cast<uint32_t>(index); t < list.count; t += static_cast<uint32_t>(sharing)) {
                const Token token = list[t];
                const int place = scan[token.position];      // [kz][kx][ky]
                float& at = block[(place >> (2 * log2_size)) * kSlice + (place & in_size) * kPitch + (place >> log2_size & in_size)];
                const float value = dequantize(token.value, item.recon[cell.quality_class], unit);
                at = added ? at + value : value;
            }
        }
    }

private:
    static MMIP_RULE float step_of(const DecodeItem& item, const DecodeTile& tile, int quality_class) {
        return static_cast<float>(item.steps[quality_class][tile.component]) / kStepOne;
    }

    static MMIP_RULE float dc_value(const Params& p, const DecodeTile& tile, const DecodeItem& item, int raster) {
        int32_t dc;
        if (item.image != nullptr) {
            const int z = raster / (tile.size[1] * tile.size[2]), y = raster / tile.size[2] % tile.size[1], x = raster % tile.size[2];
            dc = item.image[sample_position(item.image_size, tile.plane, tile.cell[0] + z - item.image_origin[0],
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
    static MMIP_RULE void read_palette(const Params& p, Shared& s, const DecodeTile& tile, const DecodeItem& item, int slot, int index, int sharing) {
        const Cell& cell = s.cells[slot];
        const auto list = p.list(tile, item, cell.coding, 0);
        float* block = Cells::origin_of(s, slot);
        for (uint32_t t = static_cast<uint32_t>(index); t < list.count; t += static_cast<uint32_t>(sharing)) {
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
};

}  // namespace mmip
