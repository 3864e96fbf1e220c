// Values for the samples under the padding mask, before the transform; what blocks that are masked everywhere become after it.
// Values: PaddedItem per chunk, words of the mask; filled planes, changed indices out. Levels: one lane = one cell of the level
// that is written. Planes and blocks: one group = one superblock. Encoder only: no part of FORMAT.md; equal to passes/padding/fill.cpp.
#pragma once

#include "device/kernels/blocks/block_lines.h"
#include "device/kernels/padding/masks.h"

namespace mmip {

// Two levels of the slices of a chunk.
struct LevelItem {
    float* values;
    float* weights;
    int64_t room;                            // of a slice with all its levels
    int64_t fine, coarse;                    // where the levels begin in a slice
    int64_t ny, nx;                          // cells of the finer one
    int64_t count, first_group;              // count: cells that are written, of all slices

    MMIP_RULE FillLevel level(int64_t slice, bool finer) const {
        const int64_t at = slice * room + (finer ? fine : coarse);
        return {values + at, weights + at, finer ? ny : (ny + 1) / 2, finer ? nx : (nx + 1) / 2};
    }

    MMIP_FIELDS(values, weights, room, fine, coarse, ny, nx, count, first_group)
};

// From the finer level to the coarser (pull), or back (push).
template <bool pull>
struct SpreadKernel {
    static constexpr int kLanes = 256, kPhases = 1;

    struct Params {
        int64_t groups, item_count;
        const LevelItem* items;
        MMIP_FIELDS(groups, item_count, items)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const LevelItem& item = p.items[item_at(p.items, p.item_count, &LevelItem::first_group, group)];
        const int64_t i = (group - item.first_group) * kLanes + lane;
        if (i >= item.count) return;
        const FillLevel written = item.level(0, !pull);
        const int64_t slice = i / (written.ny * written.nx), y = i / written.nx % written.ny, x = i % written.nx;
        if constexpr (pull) pull_cell(item.level(slice, true), item.level(slice, false), y, x);
        else push_cell(item.level(slice, true), item.level(slice, false), y, x);
    }
};

template <int depth>
struct FillKernel {
    using Lines = BlockLines<depth>;
    static constexpr int kLanes = 128, kCells = Lines::kCells, kPasses = 2 * Lines::kPasses, kPhases = 4 + kFillRounds * kPasses;

    struct Params {
        int64_t groups;
        Batch batch;
        const PaddedItem* items;
        const uint64_t* mask;
        MMIP_FIELDS(groups, batch, items, mask)
    };
    struct Shared {
        SuperblockCells cells;
        uint64_t mask[kMostCells];           // of the slices of the cells
        int32_t kind[kCells];
        float known[kCells], step[kCells];
        float samples[Lines::kFloats], work[Lines::kFloats];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, nullptr, nullptr, group, lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const PaddedItem& item = p.items[t.chunk];
            if (item.samples == nullptr) return;
            if constexpr (phase == 1) {
                find_cells(p, s, t, item, lane);
            } else if constexpr (phase == 2) {
                if (lane < kCells) s.kind[lane] = mask_kind(s.mask + lane * depth, depth);
                each_sample(s, t, item, lane, false);
            } else if constexpr (phase + 1 < kPhases) {
                project(s, (phase - 3) / kPasses, (phase - 3) % kPasses, lane);
            } else {
                each_sample(s, t, item, lane, true);
            }
        }
    }

private:
    static MMIP_RULE void find_cells(const Params& p, Shared& s, const TileItem& t, const PaddedItem& item, int lane) {
        if (lane < kMostCells) {
            const int k = lane / depth;
            s.mask[lane] = s.cells.place[k] < 0 ? 0 : p.mask[first_slice(t) + static_cast<int64_t>(s.cells.raster[k]) * depth + lane % depth];
        }
        if (lane >= kCells || s.cells.place[lane] < 0) return;
        const CellOffset cell = cell_of_superblock(t, depth, s.cells, lane);
        const int64_t at = ((t.plane * item.grid(0, depth) + t.cell[0] + cell.z) * item.grid(1, depth) + t.cell[1] + cell.y) * item.grid(2, depth) + t.cell[2] + cell.x;
        const int found = item.classes == nullptr ? 0 : item.classes[at];
        s.known[lane] = item.values[item.level_place(t, depth, cell)];
        s.step[lane] = ((item.reversible >> found) & 1) != 0 ? reversible_fill_step(item.type < kSampleU16 ? 1 : 2)
                                                            : static_cast<float>(p.batch.chunk_of(t).choice_steps[found][t.component]) / kStepOne;
    }

    static MMIP_RULE bool masked(const Shared& s, int k, int z, int y, int x) { return ((s.mask[k * depth + z] >> (kCellSize * y + x)) & 1) != 0; }

    static MMIP_PART void each_sample(Shared& s, const TileItem& t, const PaddedItem& item, int lane, bool store) {
        switch (item.type) {
            case kSampleU8: return move<uint8_t>(s, t, item, lane, store);
            case kSampleI8: return move<int8_t>(s, t, item, lane, store);
            case kSampleU16: return move<uint16_t>(s, t, item, lane, store);
            default: return move<int16_t>(s, t, item, lane, store);
        }
    }

    // Samples to where they are worked on, or from there to the filled plane.
    template <class T>
    static MMIP_RULE void move(Shared& s, const TileItem& t, const PaddedItem& item, int lane, bool store) {
        const SuperblockPlace first = superblock_at(t, depth, s.cells.index);
        const int64_t nz = item.shape[0], ny = item.shape[1], nx = item.shape[2], plane = t.plane * nz * ny * nx;
        const int64_t z0 = (t.cell[0] + first.z) * depth, y0 = (t.cell[1] + first.y) * kCellSize, x0 = (t.cell[2] + first.x) * kCellSize;
        for (int i = lane; i < Lines::kSlices * Lines::kWidth * Lines::kWidth; i += kLanes) {
            const int z = i / (Lines::kWidth * Lines::kWidth), y = i / Lines::kWidth % Lines::kWidth, x = i % Lines::kWidth;
            const int k = superblock_index({z / depth, y / kCellSize, x / kCellSize}, depth);
            if (s.cells.place[k] < 0) continue;
            const int64_t pz = least(z0 + z, nz - 1), py = least(y0 + y, ny - 1), px = least(x0 + x, nx - 1);
            const int64_t at = plane + (pz * ny + py) * nx + px;
            const bool under = masked(s, k, z % depth, y % kCellSize, x % kCellSize);
            float& value = s.samples[Lines::at(z, y, x)];
            if (!store) {
                value = under ? s.known[k] : static_cast<float>(static_cast<const T*>(item.samples)[at]);
            } else if (z0 + z < nz && y0 + y < ny && x0 + x < nx) {
                static_cast<T*>(item.filled)[at] = under ? filled_sample<T>(value) : static_cast<const T*>(item.samples)[at];
            }
        }
    }

    // A pass over the lines of the mixed cells: forward on y, x, z, small coefficients dropped, back on x, y, z.
    static MMIP_PART void project(Shared& s, int round, int pass, int lane) {
        const int axes = Lines::kPasses, axis = pass < axes ? (pass < 2 ? pass + 1 : 0) : (pass < axes + 2 ? axes + 2 - pass : 0);
        for (int i = lane; i < kCells * Lines::kCellLines; i += kLanes) {
            const int k = i / Lines::kCellLines, low = i % kCellSize, high = i % Lines::kCellLines / kCellSize;
            if (s.kind[k] != kMaskMixed) continue;
            const CellOffset o = Lines::origin(k), first{axis == 0 ? 0 : high, axis == 0 ? high : (axis == 1 ? 0 : low), axis == 2 ? 0 : low};
            const int start = Lines::at(o.z + first.z, o.y + first.y, o.x + first.x);
            const int stride = axis == 0 ? Lines::kWidth * Lines::kRow : (axis == 1 ? Lines::kRow : 1);
            float* line = s.work + start;
            if (pass >= axes) {
                idct_line<kCellSize, float>(line, stride);
            } else {
                float x[kCellSize];
                for (int n = 0; n < kCellSize; ++n) x[n] = (pass == 0 ? s.samples : s.work)[start + n * stride];
                dct_forward<kCellSize, kCellSize, float>(x, line, stride);
            }
            if (pass == axes - 1) {
                const float limit = fill_limit(s.step[k], round);
                for (int n = low + high > 0 ? 0 : 1; n < kCellSize; ++n) line[n * stride] = kept_above(line[n * stride], limit);
            } else if (pass == kPasses - 1) {
                for (int n = 0; n < kCellSize; ++n)
                    if (masked(s, k, first.z + (axis == 0 ? n : 0), first.y + (axis == 1 ? n : 0), first.x + (axis == 2 ? n : 0)))
                        s.samples[start + n * stride] = line[n * stride];
            }
        }
    }
};

// Blocks that are masked everywhere get no AC.
struct SettleBlocksKernel {
    static constexpr int kLanes = kMostCells, kPhases = 2;

    struct Params {
        int64_t groups;
        Batch batch;
        const uint8_t* hidden;               // of the cells, raster order
        uint8_t* modes;
        uint16_t* counts;
        uint8_t* settled;                    // out: whether a cell is one of such a block, raster order
        MMIP_FIELDS(groups, batch, hidden, modes, counts, settled)
    };
    struct Shared {
        SuperblockCells cells;
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int k) {
        if constexpr (phase == 0) {
            s.cells.find(p.batch, p.modes, nullptr, group, k);
        } else if (s.cells.place[k] >= 0) {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const int mode = s.cells.mode[k], many = block_shape(mode, p.batch.chunk_of(t).depth).cells;
            bool all = true;
            for (int i = k - k % many; i < k - k % many + many; ++i) all = all && p.hidden[t.first_cell + s.cells.raster[i]] != 0;
            p.settled[t.first_cell + s.cells.raster[k]] = all ? 1 : 0;
            if (!all) return;
            p.counts[t.first_cell + s.cells.place[k]] = 0;
            if (mode == kModePalette) p.modes[t.first_cell + s.cells.place[k]] = kMode8;
        }
    }
};

// And the DCs that cost least: what is predicted from those before, one after the other. One group = one tile.
struct SettleDcsKernel {
    static constexpr int kLanes = 64, kPhases = 2;

    struct Params {
        int64_t groups;
        Batch batch;
        const uint8_t* settled;
        const DcWeights* weights;            // by chunk
        const uint8_t* classes;
        int64_t* values;                     // scratch: DCs in 1/256
        int32_t* dcs;
        MMIP_FIELDS(groups, batch, settled, weights, classes, values, dcs)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const TileItem& t = p.batch.tiles[group];
        const ChunkItem& chunk = p.batch.chunk_of(t);
        const int cells = t.cells();
        for (int i = lane; i < cells; i += phase == 0 ? kLanes : 1) {
            const int64_t cell = t.first_cell + i, step = chunk.steps[p.classes[cell]][t.component];
            if constexpr (phase == 0) {
                p.values[cell] = p.dcs[cell] * step;
            } else {
                if (lane > 0) return;
                if (p.settled[cell] == 0) continue;
                const CellPlace at{i / (t.size[2] * t.size[1]), i / t.size[2] % t.size[1], i % t.size[2], t.size[1], t.size[2]};
                p.dcs[cell] = static_cast<int32_t>(dc_prediction(p.values + cell, at, step, p.weights[t.chunk]));
                p.values[cell] = p.dcs[cell] * step;
            }
        }
    }
};

}  // namespace mmip
