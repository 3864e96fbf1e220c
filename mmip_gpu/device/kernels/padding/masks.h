// The padding masks of a batch: found in the samples, coded, and written to the front of the sub-streams of stage 1.
// Values: PaddedItem per chunk; 64 bits a slice of a cell (raster order of the tile), the mean of what each cell knows, bytes of a
// tile's code, then the code at its place, out. Coding: one group = one tile.
// Implements FORMAT.md section 8.1 (mask).
#pragma once

#include "rules/padding/fill.h"
#include "rules/lanes.h"
#include "rules/padding/mask_writer.h"
#include "device/kernels/dc/dc_streams.h"
#include "device/kernels/coding/range_bytes.h"

namespace mmip {

// What padding needs of a chunk.
struct PaddedItem {
    const void* samples;                     // planes, C order; nullptr: the chunk has no mask
    void* filled;                            // the same with other samples under the mask
    const uint8_t* classes;                  // as in SampleItem
    float* values;                           // of the cells: planes x slices of the grid, each with all its levels
    float* weights;
    int64_t level_room;                      // cells of a slice with all its levels
    int64_t shape[3];                        // of a plane, in samples
    int32_t type, padding, reversible, reserved;

    MMIP_RULE int64_t grid(int axis, int depth) const { return (shape[axis] + (axis == 0 ? depth : kCellSize) - 1) / (axis == 0 ? depth : kCellSize); }

    // Cell (z, y, x) of the tile, at the finest level.
    MMIP_RULE int64_t level_place(const TileItem& t, int depth, const CellOffset& cell) const {
        return (t.plane * grid(0, depth) + t.cell[0] + cell.z) * level_room + (t.cell[1] + cell.y) * grid(2, depth) + t.cell[2] + cell.x;
    }

    MMIP_FIELDS(samples, filled, classes, values, weights, level_room, shape, type, padding, reversible, reserved)
};

// A cell of n slices has 64 n - 1 AC and a DC.
MMIP_RULE int64_t first_slice(const TileItem& t) { return (t.first_entry + t.first_cell) / 64; }

MMIP_RULE CellOffset cell_of_superblock(const TileItem& t, int depth, const SuperblockCells& cells, int k) {
    const SuperblockPlace place = superblock_at(t, depth, cells.index);
    const CellOffset o = superblock_cell(k, depth);
    return {place.z + o.z, place.y + o.y, place.x + o.x};
}

// Places past the plane repeat its last samples. One group = one superblock, one lane = a slice of a cell.
struct FindMasksKernel {
    static constexpr int kLanes = kMostCells, kPhases = 3;

    struct Params {
        int64_t groups;
        Batch batch;
        const PaddedItem* items;
        uint64_t* mask;                      // out
        uint8_t* hidden;                     // out: 1 for cells that are masked as a whole, raster order of the tile
        MMIP_FIELDS(groups, batch, items, mask, hidden)
    };
    struct Shared {
        SuperblockCells cells;
        int64_t sums[kMostCells], counts[kMostCells];   // of the samples that are not masked
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            s.cells.find(p.batch, nullptr, nullptr, group, lane);
            s.sums[lane] = s.counts[lane] = 0;
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const PaddedItem& item = p.items[t.chunk];
            if (item.samples == nullptr) return;
            if constexpr (phase == 1) {
                switch (item.type) {
                    case kSampleU8: return find<uint8_t>(p, s, t, item, lane);
                    case kSampleI8: return find<int8_t>(p, s, t, item, lane);
                    case kSampleU16: return find<uint16_t>(p, s, t, item, lane);
                    default: return find<int16_t>(p, s, t, item, lane);
                }
            } else if (s.cells.place[lane] >= 0) {
                const int depth = p.batch.chunk_of(t).depth;
                const int64_t at = item.level_place(t, depth, cell_of_superblock(t, depth, s.cells, lane));
                item.values[at] = s.counts[lane] > 0 ? fill_mean(s.sums[lane], s.counts[lane]) : 0.0f;
                item.weights[at] = s.counts[lane] > 0 ? 1.0f : 0.0f;
                p.hidden[t.first_cell + s.cells.raster[lane]] = s.counts[lane] > 0 ? 0 : 1;
            }
        }
    }

private:
    template <class T>
    static MMIP_RULE void find(const Params& p, Shared& s, const TileItem& t, const PaddedItem& item, int lane) {
        const int depth = p.batch.chunk_of(t).depth, k = lane / depth, slice = lane % depth;
        if (s.cells.place[k] < 0) return;
        const CellOffset cell = cell_of_superblock(t, depth, s.cells, k);
        const int64_t nz = item.shape[0], ny = item.shape[1], nx = item.shape[2];
        const int64_t z = least((t.cell[0] + cell.z) * depth + slice, nz - 1), y0 = (t.cell[1] + cell.y) * kCellSize, x0 = (t.cell[2] + cell.x) * kCellSize;
        const T* first = static_cast<const T*>(item.samples) + ((t.plane * nz + z) * ny + y0) * nx + x0;
        const int last_row = static_cast<int>(least(ny - y0, kCellSize)) - 1, last = static_cast<int>(least(nx - x0, kCellSize)) - 1;
        uint64_t word = 0;
        int32_t sum = 0, count = 0;
        for (int j = 0; j < kCellSize; ++j) {
            const T* row = first + smaller_of(j, last_row) * nx;
            uint32_t equal = 0;
            for (int i = 0; i < kCellSize; ++i) {
                const int32_t v = row[smaller_of(i, last)];
                const bool masked = v == item.padding;
                equal |= (masked ? 1u : 0u) << i;
                sum += masked ? 0 : v;
                count += masked ? 0 : 1;
            }
            word |= static_cast<uint64_t>(equal) << (kCellSize * j);
        }
        p.mask[first_slice(t) + static_cast<int64_t>(s.cells.raster[k]) * depth + slice] = word;
        add_to(&s.sums[k], int64_t{sum});
        add_to(&s.counts[k], int64_t{count});
    }
};

// The kinds of the tiles' masks; the samples of mixed ones as their coder takes them. One group = one tile.
struct FrameMasksKernel {
    static constexpr int kLanes = 128, kPhases = 3;

    struct Params {
        int64_t groups;
        Batch batch;
        const int64_t* places;               // of the tiles' frames; negative: the chunk has no mask
        const uint64_t* mask;
        uint8_t* frames;
        MaskCode* codes;                     // out: without the bytes
        MMIP_FIELDS(groups, batch, places, mask, frames, codes)
    };
    struct Shared {
        int32_t kinds[kLanes];               // of a part of the words, -1: none
        int32_t kind;
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const TileItem& t = p.batch.tiles[group];
        const MaskTile tile{p.batch.chunk_of(t).depth, t.size[0], t.size[1], t.size[2]};
        const bool masked = p.places[group] >= 0;
        const uint64_t* words = p.mask + first_slice(t);
        if constexpr (phase == 0) {
            const int low = tile.words() * lane / kLanes, high = tile.words() * (lane + 1) / kLanes;
            s.kinds[lane] = masked && low < high ? mask_kind(words + low, high - low) : -1;
        } else if constexpr (phase == 1) {
            if (lane != 0) return;
            s.kind = kMaskAbsent;
            for (int i = 0; i < kLanes; ++i)
                if (s.kinds[i] >= 0) s.kind = s.kind == kMaskAbsent || s.kind == s.kinds[i] ? s.kinds[i] : kMaskMixed;
            p.codes[group] = {s.kind, 0};
        } else if (s.kind == kMaskMixed) {
            const MaskBuffer frame = tile.buffer(p.frames + p.places[group]);
            for (int i = lane; i < tile.words(); i += kLanes) put_mask_word(tile, frame, i, words[i]);
        }
    }
};

struct MaskCodingKernel : RangeCodingKernel {
    struct Shared {
        MaskModel model;
    };

    static MMIP_RULE MaskBuffer frame_of(const Batch& batch, const TileItem& t, uint8_t* frame) {
        return MaskTile{batch.chunk_of(t).depth, t.size[0], t.size[1], t.size[2]}.buffer(frame);
    }
};

struct CountMasksKernel : MaskCodingKernel {
    struct Params {
        int64_t groups;
        Batch batch;
        const int64_t* places;
        uint8_t* frames;
        MaskCode* codes;                     // out: bytes of the code
        MMIP_FIELDS(groups, batch, places, frames, codes)
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t tile, int) {
        if (p.codes[tile].kind != kMaskMixed) return;
        CountedBytes sink;
        encode_mask(frame_of(p.batch, p.batch.tiles[tile], p.frames + p.places[tile]), s.model, sink);
        p.codes[tile].bytes = sink.kept;
    }
};

struct WriteMasksKernel : MaskCodingKernel {
    struct Params {
        int64_t groups;
        Batch batch;
        const int64_t* places;
        uint8_t* frames;
        const MaskCode* codes;
        const int64_t* offsets;
        uint32_t* output;                    // zeroed
        MMIP_FIELDS(groups, batch, places, frames, codes, offsets, output)
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t tile, int) {
        if (p.codes[tile].kind == kMaskAbsent) return;
        const TileItem& t = p.batch.tiles[tile];
        const PayloadItem& payload = p.batch.payload(p.batch.chunk_of(t), 1);
        PlacedBits out(p.output, 8 * (payload.body + p.offsets[payload.first_stream + t.stream]));
        SymbolBits<PlacedBits> head{nullptr, out};
        put_mask_head(p.codes[tile], head);
        if (p.codes[tile].kind == kMaskMixed) {
            PlacedBytes sink{out, p.codes[tile].bytes};
            encode_mask(frame_of(p.batch, t, p.frames + p.places[tile]), s.model, sink);
        }
        out.finish();
    }
};

}  // namespace mmip
