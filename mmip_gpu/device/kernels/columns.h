// Columns of stage arrays to coefficients, and back.
// Values: int32 (planes, z, y, x, columns) of chunks, C order; classes, DCs and masks per cell (raster order of the tile), modes
// and indices in coding order. Reading: one group = one superblock; writing: one group = one tile. Implements FORMAT.md section 10.
// What no chunk decodes to is marked, and read as something that is safe to go on with.
#pragma once

#include "rules/palette/palette.h"
#include "rules/prediction/prediction.h"
#include "rules/samples/sample_positions.h"
#include "device/kernels/atomics.h"
#include "device/kernels/decoding.h"
#include "device/kernels/padding/masks.h"

namespace mmip {

constexpr int kImageColumns = 2;             // class or mode, and DC: before a mask, or the AC of a DC image

struct ColumnsItem {
    const int32_t* columns;
    int64_t size[3];                         // cells of the array on z, y, x
    int32_t count, stage;                    // columns of a cell; stage 1: classes and DCs
    int32_t image, masked;                   // whether stage 1 is that of a DC image; has columns of a mask
    int32_t low, high;                       // AC positions of a cell
    MMIP_FIELDS(columns, size, count, stage, image, masked, low, high)
};

struct ReadColumnsKernel {
    static constexpr int kLanes = kMostCells, kPhases = 5;

    struct Params {
        int64_t groups;
        Batch batch;
        const ColumnsItem* items;            // by chunk
        uint8_t* modes;                      // out, as the further ones
        uint8_t* predictions;                // raster order; nullptr: no column shows one
        uint8_t* classes;
        int32_t* dcs;
        uint16_t* counts;
        uint16_t* positions;
        int32_t* values;
        uint64_t* mask;                      // a word a slice of a cell; hidden: 1 for cells that are masked as a whole
        uint8_t* hidden;
        uint8_t* refused;                    // by superblock, zeroed: 1 where no chunk decodes to the columns
        MMIP_FIELDS(groups, batch, items, modes, predictions, classes, dcs, counts, positions, values, mask, hidden, refused)
    };
    struct Shared {
        SuperblockCells cells;
        const int32_t* columns[kMostCells];  // of the cells
        int32_t counts[kLanes];              // nonzero indices in the part of a block that a lane reads
        int32_t wrong;
    };

    // The block that covers a cell: its first cell, its cells, the positions that a lane reads of it.
    struct Part {
        int first, many, low, high;
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane == 0) s.wrong = 0;
            s.cells.find(p.batch, nullptr, nullptr, group, lane);
        } else if constexpr (phase == 4) {
            if (lane == 0 && s.wrong != 0) p.refused[group] = 1;
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const ColumnsItem& item = p.items[t.chunk];
            const int depth = p.batch.chunk_of(t).depth, lanes = kLanes / superblock_cells(depth), k = lane / lanes;
            const bool has_ac = item.stage > 1 || item.image != 0;
            if constexpr (phase == 1) {
                if (s.cells.place[lane] < 0) return;
                const CellOffset cell = cell_of_superblock(t, depth, s.cells, lane);
                const int32_t* columns = item.columns + item.count * sample_position(item.size, t.plane, t.cell[0] + cell.z, t.cell[1] + cell.y, t.cell[2] + cell.x);
                s.columns[lane] = columns;
                if (item.stage == 1) read_first(p, s, t, item, columns, lane);
                const int32_t shown = has_ac ? columns[0] : 0, mode = item.stage == 2 ? shown % kPredictionUnit : shown;
                const bool there = mode >= 0 && mode < kModeCount && p.batch.block(depth, mode).cells > 0;
                s.cells.mode[lane] = there ? mode : kMode8;
                if (!there) raise_to(&s.wrong, 1);
            } else {
                if (s.cells.place[k] < 0) return;
                const Part part = part_of(p, s, item, depth, k, lane % lanes, lanes);
                if constexpr (phase == 2) s.counts[lane] = has_ac ? count(s, item, part) : 0;
                else read_block(p, s, t, item, depth, part, k, lane, lanes);
            }
        }
    }

private:
    static MMIP_RULE bool is_index(int32_t v) { return v > -kMaxIndex && v < kMaxIndex; }

    // Class, DC and mask of a cell.
    static MMIP_RULE void read_first(const Params& p, Shared& s, const TileItem& t, const ColumnsItem& item, const int32_t* columns, int k) {
        const ChunkItem& chunk = p.batch.chunk_of(t);
        const int64_t cell = t.first_cell + s.cells.raster[k];
        const bool has_class = item.image != 0 || (columns[0] >= 0 && columns[0] < chunk.classes);
        if (!has_class || !is_index(columns[1])) raise_to(&s.wrong, 1);
        p.classes[cell] = static_cast<uint8_t>(item.image == 0 && has_class ? columns[0] : 0);
        p.dcs[cell] = is_index(columns[1]) ? columns[1] : 0;
        if (item.masked == 0) return;
        uint64_t* words = p.mask + first_slice(t) + static_cast<int64_t>(s.cells.raster[k]) * chunk.depth;
        bool hidden = true;
        for (int z = 0; z < chunk.depth; ++z) {
            words[z] = static_cast<uint32_t>(columns[2 + 2 * z]) | static_cast<uint64_t>(static_cast<uint32_t>(columns[3 + 2 * z])) << 32;
            hidden = hidden && words[z] == ~uint64_t{0};
        }
        p.hidden[cell] = hidden ? 1 : 0;
    }

    // Cells that are no block as they stand are one of their own.
    static MMIP_RULE Part part_of(const Params& p, const Shared& s, const ColumnsItem& item, int depth, int k, int q, int lanes) {
        const int many = is_block(p, s, depth, k) ? p.batch.block(depth, s.cells.mode[k]).cells : 1;
        const int parts = many * lanes, part = k % many * lanes + q, length = many * (item.high - item.low);
        return {k - k % many, many, many * item.low + length * part / parts, many * item.low + length * (part + 1) / parts};
    }

    static MMIP_RULE bool is_block(const Params& p, const Shared& s, int depth, int k) {
        const int many = p.batch.block(depth, s.cells.mode[k]).cells, first = k - k % many;
        bool equal = s.cells.fits(first, many);
        for (int i = 0; i < many && equal; ++i) equal = s.cells.mode[first + i] == s.cells.mode[k];
        return equal;
    }

    // The index at a position of a block.
    static MMIP_RULE int32_t index_at(const Shared& s, const ColumnsItem& item, const Part& part, int position) {
        const int first = item.image != 0 ? kImageColumns : 1;
        return s.columns[part.first + position % part.many][first + position / part.many - item.low];
    }

    static MMIP_RULE int32_t count(Shared& s, const ColumnsItem& item, const Part& part) {
        int32_t found = 0;
        for (int position = part.low; position < part.high; ++position) {
            const int32_t v = index_at(s, item, part, position);
            if (!is_index(v)) raise_to(&s.wrong, 1);
            found += v != 0 ? 1 : 0;
        }
        return found;
    }

    static MMIP_RULE void read_block(const Params& p, Shared& s, const TileItem& t, const ColumnsItem& item, int depth, const Part& part, int k, int lane, int lanes) {
        const int64_t cell = t.first_cell + s.cells.place[k];
        int before = 0, all = 0;
        for (int i = part.first * lanes; i < (part.first + part.many) * lanes; ++i) {
            before += i < lane ? s.counts[i] : 0;
            all += s.counts[i];
        }
        const int64_t room = t.first_entry + static_cast<int64_t>(s.cells.place[part.first]) * cell_coefficients(depth);
        for (int position = part.low; position < part.high && s.counts[lane] > 0; ++position) {
            const int32_t v = index_at(s, item, part, position);
            if (v == 0) continue;
            p.positions[room + before] = static_cast<uint16_t>(position);
            p.values[room + before++] = is_index(v) ? v : 1;
        }
        if (lane % lanes != 0) return;
        const int mode = is_block(p, s, depth, k) ? s.cells.mode[k] : static_cast<int>(kMode8);
        const bool wrong = mode != s.cells.mode[k] || (item.stage > 2 && mode != kMode8 && all == 0) || (mode == kModePalette && !holds_palette(s, item, depth, k)) ||
                           (item.stage == 2 && !holds_prediction(s, t, depth, part, k));
        if (p.predictions != nullptr) p.predictions[t.first_cell + s.cells.raster[k]] = static_cast<uint8_t>(wrong ? 0 : s.columns[k][0] / kPredictionUnit);
        p.modes[cell] = static_cast<uint8_t>(wrong ? static_cast<int>(kMode8) : mode);
        p.counts[cell] = static_cast<uint16_t>(k == part.first ? all : 0);
        if (wrong) raise_to(&s.wrong, 1);
    }

    // That of a cell is that of its block, which may have it where it stands.
    static MMIP_RULE bool holds_prediction(const Shared& s, const TileItem& t, int depth, const Part& part, int k) {
        const int32_t prediction = s.columns[k][0] / kPredictionUnit;
        const int at = s.cells.raster[part.first], z = at / (t.size[1] * t.size[2]), y = at / t.size[2] % t.size[1], x = at % t.size[2];
        const bool fits = depth == 1 && s.cells.mode[k] != kModePalette && prediction_fits(prediction, part.many, z, y, x);
        return s.columns[k][0] == s.columns[part.first][0] && (prediction == kPredictNone || fits);
    }

    // Those of DC images, which no encoder makes, are refused too.
    static MMIP_RULE bool holds_palette(const Shared& s, const ColumnsItem& item, int depth, int k) {
        return item.stage == 2 && is_palette(s.columns[k] + 1, depth, item.high);
    }
};

// What a launch decoded of one stage, as columns of the items' outputs, which are zeroed.
struct WriteColumnsKernel {
    static constexpr int kLanes = 128, kPhases = 1;
    using Params = DecodeParams;
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const DecodeTile& tile = p.tiles[group];
        const DecodeItem& item = p.items[tile.item];
        if (p.states[group].status != kOk) return;
        const Columns at = columns_of(p, item);
        const int cells = tile.cells();
        for (int i = lane; i < cells; i += kLanes) {
            if (p.stage == 1) write_first(p, item, tile, at, i);
            if (at.count > at.first) write_block(p, item, tile, at, i);
        }
    }

private:
    // Columns of a cell, where their AC begin, and with which position.
    struct Columns {
        int32_t* to;
        int count, first, low;
    };

    static MMIP_RULE Columns columns_of(const Params& p, const DecodeItem& item) {
        const bool has_ac = p.stage > 1 || item.continues != 0;
        const int stage = p.stage > 1 ? static_cast<int>(p.stage) : 2, low = item.cuts[stage - 2];
        const int first = p.stage > 1 ? 1 : kImageColumns + (item.padded != 0 ? 2 * item.depth : 0);
        return {static_cast<int32_t*>(item.samples), first + (has_ac ? item.cuts[stage - 1] - low : 0), first, low};
    }

    // DC, class and mask of cell i in raster order.
    static MMIP_RULE void write_first(const Params& p, const DecodeItem& item, const DecodeTile& tile, const Columns& at, int i) {
        int32_t* to = at.to + at.count * place(item, tile, i);
        if (item.continues == 0) to[0] = p.classes[tile.base + i];
        to[1] = p.dc[tile.base + i];
        for (int z = 0; z < item.depth && item.padded != 0; ++z) {
            const uint64_t word = p.mask_of(tile)[i * item.depth + z];
            to[2 + 2 * z] = static_cast<int32_t>(static_cast<uint32_t>(word));
            to[3 + 2 * z] = static_cast<int32_t>(static_cast<uint32_t>(word >> 32));
        }
    }

    // Mode of cell i in coding order, and the indices of the block that starts there.
    static MMIP_RULE void write_block(const Params& p, const DecodeItem& item, const DecodeTile& tile, const Columns& at, int i) {
        const uint16_t* raster = p.orders + tile.order + i;
        const int mode = p.modes[tile.base + i], many = item.tables->blocks[mode].cells;
        const int prediction = item.predicted != 0 ? p.predictions[tile.base + i] : kPredictNone;
        at.to[at.count * place(item, tile, raster[0])] = mode + kPredictionUnit * prediction;
        const TokenSpan tokens = p.spans[tile.spans + i];
        for (uint32_t n = 0; n < tokens.count; ++n) {
            const Token token = tokens[n];
            const int position = static_cast<int>(token.position);
            at.to[at.count * place(item, tile, raster[position % many]) + at.first + position / many - at.low] = token.value;
        }
    }

    static MMIP_RULE int64_t place(const DecodeItem& item, const DecodeTile& tile, int raster) {
        const int slice = tile.size[1] * tile.size[2];
        return sample_position(item.size, tile.plane, tile.cell[0] + raster / slice - item.origin[0],
                            tile.cell[1] + raster / tile.size[2] % tile.size[1] - item.origin[1], tile.cell[2] + raster % tile.size[2] - item.origin[2]);
    }
};

}  // namespace mmip
