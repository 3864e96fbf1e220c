// The AC of a batch as symbols: tokens of all entries, headers of all blocks, and how often each occurs.
// Values: modes and counts per cell (coding order), entries in the room of their cells; tokens, headers (class and symbol) and
// histograms out. One group = one superblock, all its stages. Implements FORMAT.md section 8.2 (contexts, symbols).
#pragma once

#include "rules/tokens/builtin_codes.h"
#include "rules/palette/palette.h"
#include "rules/tokens/symbols.h"
#include "device/kernels/atomics.h"
#include "device/kernels/items.h"

namespace mmip {

constexpr uint16_t kNoHeader = 0xffff;       // of a cell at which no header stands
constexpr int kHeaderSymbols = kHeaderClasses * kHeaderAlphabet;   // of a payload; its tokens follow

// Copies of the histograms keep groups that count at the same time apart; a later kernel adds them.
struct Histograms {
    uint32_t* bins;
    int64_t copies, symbols;

    MMIP_RULE uint32_t* of(const PayloadItem& payload, int64_t group) const { return bins + group % copies * symbols + payload.first_symbol; }

    MMIP_FIELDS(bins, copies, symbols)
};

struct ListTokensKernel {
    static constexpr int kLanes = 128, kPhases = 4;

    struct Params {
        int64_t groups;
        Batch batch;
        const uint8_t* modes;
        const uint16_t* counts;
        const uint16_t* positions;
        const int32_t* values;
        uint16_t* tokens;                    // out: class * kTokenAlphabet + symbol, in the entries' places
        uint16_t* nonzeros;                  // out: of the block that covers the cell, by stage
        uint32_t* densities;                 // out: raster order, by stage
        Histograms histograms;
        MMIP_FIELDS(groups, batch, modes, counts, positions, values, tokens, nonzeros, densities, histograms)
    };
    struct Shared {
        SuperblockCells cells;
        uint16_t ends[kMostCells][kMostStages + 1];   // entries of the block before the end of stage s + 1
        uint8_t magnitudes[4096];            // up to kEnoughMagnitude; a block's in scan order from its first cell's room on
    };

    // |q| of earlier positions of the same stage.
    struct NearMagnitudes {
        const uint8_t* magnitudes;
        int low, count;
        MMIP_RULE uint32_t operator[](int p) const { return p >= low && p < count ? magnitudes[p] : 0; }
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, p.modes, p.counts, group, lane);
            for (int i = lane; i < 4096; i += kLanes) s.magnitudes[i] = 0;
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const ChunkItem& chunk = p.batch.chunk_of(t);
            if constexpr (phase == 1) {
                if (lane <= kMostCells) s.cells.add_up(lane);
                for (int i = lane; i < kMostCells * (chunk.stages - 1); i += kLanes) find_end(p, s, t, chunk, i / (chunk.stages - 1), i % (chunk.stages - 1) + 1);
            } else {
                EntryWalk at;
                for (int e = lane; e < s.cells.total(); e += kLanes) {
                    at.move_to(s.cells, e);
                    if constexpr (phase == 2) scatter(p, s, t, chunk, at);
                    else list(p, s, t, chunk, at, group);
                }
            }
        }
    }

private:
    static MMIP_RULE int64_t room(const SuperblockCells& cells, const TileItem& t, const ChunkItem& chunk, int k) {
        return t.first_entry + static_cast<int64_t>(cells.place[k]) * cell_coefficients(chunk.depth);
    }

    // Stage i + 1 of cell k: where its block's entries of that stage end, and how many there are.
    static MMIP_RULE void find_end(const Params& p, Shared& s, const TileItem& t, const ChunkItem& chunk, int k, int i) {
        if (s.cells.place[k] < 0) return;
        const BlockItem& block = p.batch.block(chunk.depth, s.cells.mode[k]);
        const int first = k - k % block.cells;
        const uint16_t* positions = p.positions + room(s.cells, t, chunk, first);
        int ends[2];
        for (int n = 0; n < 2; ++n) {
            const int limit = block.cells * chunk.cuts[i - 1 + n];
            int low = 0, high = s.cells.count[first];
            while (low < high) {
                const int middle = (low + high) / 2;
                if (positions[middle] < limit) low = middle + 1;
                else high = middle;
            }
            ends[n] = low;
        }
        if (first == k) s.ends[k][i] = static_cast<uint16_t>(ends[1]);
        uint32_t found = static_cast<uint32_t>(ends[1] - ends[0]);
        if (s.cells.mode[k] == kModePalette && i == 1) found = static_cast<uint32_t>(palette_gaps(positions, p.counts[t.first_cell + s.cells.place[k]]));
        const int64_t stages = chunk.stages - 1;
        p.nonzeros[t.first_span + s.cells.place[k] * stages + i - 1] = static_cast<uint16_t>(found);
        p.densities[t.first_span + s.cells.raster[k] * stages + i - 1] = density(found, block.cells);
    }

    static MMIP_RULE uint8_t* magnitudes_of(Shared& s, const ChunkItem& chunk, int k) { return s.magnitudes + k * 64 * chunk.depth; }

    static MMIP_RULE void scatter(const Params& p, Shared& s, const TileItem& t, const ChunkItem& chunk, const EntryWalk& at) {
        const int64_t entry = room(s.cells, t, chunk, at.k) + at.j;
        const uint32_t m = index_magnitude(p.values[entry]);
        magnitudes_of(s, chunk, at.k)[p.positions[entry]] = static_cast<uint8_t>(m < kEnoughMagnitude ? m : kEnoughMagnitude);
    }

    static MMIP_RULE void list(const Params& p, Shared& s, const TileItem& t, const ChunkItem& chunk, const EntryWalk& at, int64_t group) {
        const int64_t first = room(s.cells, t, chunk, at.k);
        const BlockItem& block = p.batch.block(chunk.depth, s.cells.mode[at.k]);
        const TokenPlace place = token_place_of(chunk, block.cells, p.positions + first, at.j);
        const int left = s.ends[at.k][place.stage - 1] - at.j, from = place.from;
        const NearMagnitudes near{magnitudes_of(s, chunk, at.k), place.low, block.count};
        const int gap = gap_class(count_log(static_cast<uint32_t>(place.high - from)), count_log(static_cast<uint32_t>(left)));
        const int context = token_context(gap, place_class(from, place.low, place.high), neighbour_sum(near, block.neighbours + 6 * from));
        const int run = p.positions[first + at.j] - from;
        const int token = kTokenClass[context] * kTokenAlphabet + 16 * count_symbol(static_cast<uint32_t>(run)) + token_size(index_magnitude(p.values[first + at.j]));
        p.tokens[first + at.j] = static_cast<uint16_t>(token);
        add_to(p.histograms.of(p.batch.payload(chunk, place.stage), group) + kHeaderSymbols + token, 1);
    }
};

// Class of a header at cell k of a superblock, from the densities of the cells beside it.
MMIP_RULE int header_class_at(const uint32_t* densities, const SuperblockCells& cells, const TileItem& t, const ChunkItem& chunk, int k, int stage) {
    const CellOffset o = superblock_cell(k, chunk.depth);
    const SuperblockPlace place = superblock_at(t, chunk.depth, cells.index);
    const int64_t cell = chunk.stages - 1, row = t.size[2] * cell, slice = t.size[1] * row;
    const uint32_t* at = densities + t.first_span + cells.raster[k] * cell + stage - 2;
    uint32_t sum = 0;
    int neighbours = 0;
    if (place.x + o.x > 0) sum += at[-cell], ++neighbours;
    if (place.y + o.y > 0) sum += at[-row], ++neighbours;
    if (place.z + o.z > 0) sum += at[-slice], ++neighbours;
    return header_class(header_context(sum, neighbours), cells.merges(k, chunk.depth));
}

// The class that a header would have at every cell, for a further analysis; after ListTokensKernel.
struct HeaderClassesKernel {
    static constexpr int kLanes = 64, kPhases = 2;

    struct Params {
        int64_t groups;
        Batch batch;
        const uint32_t* densities;
        uint8_t* header_classes;             // out: coding order, by stage
        MMIP_FIELDS(groups, batch, densities, header_classes)
    };
    struct Shared {
        SuperblockCells cells;
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, nullptr, nullptr, group, lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const ChunkItem& chunk = p.batch.chunk_of(t);
            const int stages = chunk.stages - 1;
            for (int i = lane; i < kMostCells * stages; i += kLanes) {
                const int k = i / stages;
                if (s.cells.place[k] < 0) continue;
                const int64_t span = t.first_span + static_cast<int64_t>(s.cells.place[k]) * stages + i % stages;
                p.header_classes[span] = static_cast<uint8_t>(header_class_at(p.densities, s.cells, t, chunk, k, i % stages + 2));
            }
        }
    }
};

// Needs the densities of neighbouring superblocks, so it comes after ListTokensKernel.
struct ListHeadersKernel {
    static constexpr int kLanes = 64, kPhases = 2;

    struct Params {
        int64_t groups;
        Batch batch;
        const uint8_t* modes;
        const uint16_t* nonzeros;
        const uint32_t* densities;
        uint16_t* headers;                   // out: class * kHeaderAlphabet + symbol by stage, or kNoHeader
        Histograms histograms;
        MMIP_FIELDS(groups, batch, modes, nonzeros, densities, headers, histograms)
    };
    struct Shared {
        SuperblockCells cells;
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, p.modes, nullptr, group, lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const ChunkItem& chunk = p.batch.chunk_of(t);
            const int stages = chunk.stages - 1;
            for (int i = lane; i < kMostCells * stages; i += kLanes)
                if (s.cells.place[i / stages] >= 0) list(p, s.cells, t, chunk, i / stages, i % stages + 2, group);
        }
    }

private:
    static MMIP_RULE uint32_t nonzeros_at(const Params& p, const SuperblockCells& cells, const TileItem& t, int stages, int k, int stage) {
        return p.nonzeros[t.first_span + static_cast<int64_t>(cells.place[k]) * stages + stage - 2];
    }

    // Later stages cover empty regions with the largest blocks that fit.
    static MMIP_RULE int cover(const Params& p, const SuperblockCells& cells, const TileItem& t, const ChunkItem& chunk, int k, int stage) {
        int mode = kMode8;
        for (int larger = kMode16; larger <= kMode64; ++larger) {
            const int many = block_shape(larger, chunk.depth).cells;
            bool fits = many > 0;
            for (int i = 0; i < many && fits; ++i) {
                const int other = k - k % many + i;
                fits = cells.place[other] >= 0 && nonzeros_at(p, cells, t, chunk.stages - 1, other, stage) == 0;
            }
            if (fits) mode = larger;
        }
        return mode;
    }

    static MMIP_RULE void list(const Params& p, const SuperblockCells& cells, const TileItem& t, const ChunkItem& chunk, int k, int stage, int64_t group) {
        const int stages = chunk.stages - 1;
        const int64_t span = t.first_span + static_cast<int64_t>(cells.place[k]) * stages + stage - 2;
        const uint32_t nonzeros = p.nonzeros[span];
        const int mode = stage == 2 || nonzeros > 0 ? cells.mode[k] : cover(p, cells, t, chunk, k, stage);
        if (k % block_shape(mode, chunk.depth).cells != 0) {
            p.headers[span] = kNoHeader;
            return;
        }
        const int header = header_class_at(p.densities, cells, t, chunk, k, stage) * kHeaderAlphabet + 32 * mode + count_symbol(nonzeros);
        p.headers[span] = static_cast<uint16_t>(header);
        add_to(p.histograms.of(p.batch.payload(chunk, stage), group) + header, 1);
    }
};

// Adds up the copies of the histograms. One group = kLanes symbols.
struct SumHistogramsKernel {
    static constexpr int kLanes = 256, kPhases = 1;

    struct Params {
        int64_t groups;
        Histograms histograms;
        uint32_t* sums;
        MMIP_FIELDS(groups, histograms, sums)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t symbol = group * kLanes + lane;
        if (symbol >= p.histograms.symbols) return;
        uint32_t sum = 0;
        for (int64_t copy = 0; copy < p.histograms.copies; ++copy) sum += p.histograms.bins[copy * p.histograms.symbols + symbol];
        p.sums[symbol] = sum;
    }
};

}  // namespace mmip
