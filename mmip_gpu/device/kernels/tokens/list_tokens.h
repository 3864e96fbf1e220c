// The AC of a batch as tokens, and how often each occurs.
// Values: modes and counts per cell (coding order), entries in the room of their cells; tokens (class and symbol) and histograms
// out, and what the headers need: nonzeros and densities by cell and stage. One group = one superblock, all its stages. Implements
// FORMAT.md section 8.2 (contexts, symbols).
#pragma once

#include "rules/tokens/builtin_codes.h"
#include "rules/palette/palette.h"
#include "rules/tokens/symbols.h"
#include "device/kernels/atomics.h"
#include "device/kernels/tokens/histograms.h"

namespace mmip {

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

}  // namespace mmip
