// Listed AC symbols to bits: how many each superblock takes, then the bits themselves at their place in the output.
// Values: tokens and headers of list_tokens.h and list_headers.h, words of the chosen codes. One group = one superblock, all its stages.
// Implements FORMAT.md section 8.2. Both kernels call the same rules, so that places and bits cannot disagree.
#pragma once

#include "rules/tokens/tokens.h"
#include "device/kernels/tokens/list_headers.h"
#include "device/kernels/coding/placed_bits.h"

namespace mmip {

// What both kernels read.
struct ListedSymbols {
    const uint8_t* modes;
    const uint16_t* counts;
    const uint16_t* positions;
    const int32_t* values;
    const uint16_t* tokens;
    const uint16_t* nonzeros;
    const uint16_t* headers;
    const uint16_t* listed;                  // predictions (coding order); nullptr: no block of the batch may have one
    const uint32_t* words;                   // in the order of the histograms

    template <class Writer>
    MMIP_RULE void token(Writer& out, const PayloadItem& payload, int64_t entry, int from) const {
        const int32_t q = values[entry];
        const uint32_t run = static_cast<uint32_t>(positions[entry] - from);
        const int size = token_size(index_magnitude(q));
        put_token(out, words[payload.first_symbol + kHeaderSymbols + tokens[entry]], run, count_extra_bits(count_symbol(run)), size, q);
    }

    // Of the cell of a tile that comes at this place in coding order, with the prediction of the block that begins there.
    template <class Writer>
    MMIP_RULE void header(Writer& out, const Batch& b, const TileItem& t, int place, int stage) const {
        const ChunkItem& chunk = b.chunk_of(t);
        const PayloadItem& payload = b.payload(chunk, stage);
        const int64_t span = t.first_span + static_cast<int64_t>(place) * (chunk.stages - 1) + stage - 2;
        const int header = headers[span];
        if (header == kNoHeader) return;
        put_header(out, words[payload.first_symbol + header], header % kHeaderAlphabet, nonzeros[span]);
        if (stage == 2 && listed != nullptr) put_prediction(out, words + payload.first_symbol - kPredictionSymbols, listed[t.first_cell + place]);
    }

    MMIP_FIELDS(modes, counts, positions, values, tokens, nonzeros, headers, listed, words)
};

struct CountTokenBitsKernel {
    static constexpr int kLanes = 128, kPhases = 4;

    struct Params {
        int64_t groups;
        Batch batch;
        ListedSymbols symbols;
        uint32_t* runs;                      // out: bits of the superblock by stage
        MMIP_FIELDS(groups, batch, symbols, runs)
    };
    struct Shared {
        SuperblockCells cells;
        uint32_t bits[kMostStages];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, p.symbols.modes, p.symbols.counts, group, lane);
            if (lane < kMostStages) s.bits[lane] = 0;
        } else if constexpr (phase == 1) {
            if (lane <= kMostCells) s.cells.add_up(lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const ChunkItem& chunk = p.batch.chunk_of(t);
            const int stages = chunk.stages - 1;
            if constexpr (phase == 3) {
                if (lane < stages) p.runs[t.first_run + static_cast<int64_t>(s.cells.index) * stages + lane] = s.bits[lane];
                return;
            }
            EntryWalk at;
            for (int e = lane; e < s.cells.total(); e += kLanes) {
                at.move_to(s.cells, e);
                const int64_t first = t.first_entry + static_cast<int64_t>(s.cells.place[at.k]) * cell_coefficients(chunk.depth);
                const TokenPlace place = token_place_of(chunk, p.batch.block(chunk.depth, s.cells.mode[at.k]).cells, p.symbols.positions + first, at.j);
                BitCounter counter;
                p.symbols.token(counter, p.batch.payload(chunk, place.stage), first + at.j, place.from);
                add_to(&s.bits[place.stage - 2], counter.count);
            }
            for (int i = lane; i < kMostCells * stages; i += kLanes) {
                const int k = i / stages, stage = i % stages + 2;
                if (s.cells.place[k] < 0) continue;
                BitCounter counter;
                p.symbols.header(counter, p.batch, t, s.cells.place[k], stage);
                add_to(&s.bits[stage - 2], counter.count);
            }
        }
    }
};

struct WriteTokensKernel {
    static constexpr int kLanes = 128, kPhases = 6;

    struct Params {
        int64_t groups;
        Batch batch;
        ListedSymbols symbols;
        const uint32_t* runs;                // bits of the sub-stream before the superblock, by stage
        const int64_t* offsets;              // of the sub-streams from their body
        uint32_t* output;                    // zeroed
        MMIP_FIELDS(groups, batch, symbols, runs, offsets, output)
    };
    struct Shared {
        SuperblockCells cells;
        uint32_t lane_bits[kLanes];          // of the lane's entries, then of those of the lanes before
        uint32_t before[kLanes];
        uint32_t segment[kMostCells][kMostStages];   // bits of the tokens of a block in a stage
        uint32_t header[kMostCells][kMostStages];
        int64_t base[kMostCells][kMostStages];       // where the block's part of the stage begins; then less the token bits before it
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, p.symbols.modes, p.symbols.counts, group, lane);
            for (int i = lane; i < kMostCells * kMostStages; i += kLanes) s.segment[i / kMostStages][i % kMostStages] = 0;
        } else if constexpr (phase == 1) {
            if (lane <= kMostCells) s.cells.add_up(lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const ChunkItem& chunk = p.batch.chunk_of(t);
            if constexpr (phase == 2) measure(p, s, t, chunk, lane);
            else if constexpr (phase == 3) place(p, s, t, chunk, lane);
            else if constexpr (phase == 4) write_headers(p, s, t, chunk, lane);
            else write_tokens(p, s, t, chunk, lane);
        }
    }

private:
    // Entries that a lane writes, one after the other.
    static MMIP_RULE int first_entry(const Shared& s, int lane) { return static_cast<int>(static_cast<int64_t>(s.cells.total()) * lane / kLanes); }

    static MMIP_RULE void measure(const Params& p, Shared& s, const TileItem& t, const ChunkItem& chunk, int lane) {
        uint32_t all = 0;
        EntryWalk at;
        for (int e = first_entry(s, lane); e < first_entry(s, lane + 1); ++e) {
            at.move_to(s.cells, e);
            const int64_t first = t.first_entry + static_cast<int64_t>(s.cells.place[at.k]) * cell_coefficients(chunk.depth);
            const TokenPlace place = token_place_of(chunk, p.batch.block(chunk.depth, s.cells.mode[at.k]).cells, p.symbols.positions + first, at.j);
            BitCounter counter;
            p.symbols.token(counter, p.batch.payload(chunk, place.stage), first + at.j, place.from);
            add_to(&s.segment[at.k][place.stage - 2], counter.count);
            all += counter.count;
        }
        s.lane_bits[lane] = all;
        const int stages = chunk.stages - 1;
        for (int i = lane; i < kMostCells * stages; i += kLanes) {
            const int k = i / stages, stage = i % stages + 2;
            BitCounter counter;
            if (s.cells.place[k] >= 0) p.symbols.header(counter, p.batch, t, s.cells.place[k], stage);
            s.header[k][stage - 2] = counter.count;
        }
    }

    // Lane i < stages: where the blocks' parts of stage i + 2 begin. All lanes: the token bits before their own.
    static MMIP_RULE void place(const Params& p, Shared& s, const TileItem& t, const ChunkItem& chunk, int lane) {
        uint32_t before = 0;
        for (int i = 0; i < lane; ++i) before += s.lane_bits[i];
        s.before[lane] = before;
        const int stages = chunk.stages - 1;
        if (lane >= stages) return;
        const PayloadItem& payload = p.batch.payload(chunk, lane + 2);
        int64_t at = 8 * (payload.body + p.offsets[payload.first_stream + t.stream]) + p.runs[t.first_run + static_cast<int64_t>(s.cells.index) * stages + lane];
        int64_t tokens = 0;                  // of the blocks before in all stages, and of this one in the stages before
        for (int k = 0; k < kMostCells; ++k) {
            at += s.header[k][lane];
            for (int i = 0; i < lane; ++i) tokens += s.segment[k][i];
            s.base[k][lane] = at - tokens;
            at += s.segment[k][lane];
            for (int i = lane; i < stages; ++i) tokens += s.segment[k][i];
        }
    }

    static MMIP_RULE void write_headers(const Params& p, Shared& s, const TileItem& t, const ChunkItem& chunk, int lane) {
        const int stages = chunk.stages - 1;
        for (int i = lane; i < kMostCells * stages; i += kLanes) {
            const int k = i / stages, stage = i % stages + 2;
            if (s.cells.place[k] < 0) continue;
            int64_t tokens = 0;
            for (int n = 0; n < k * stages + stage - 2; ++n) tokens += s.segment[n / stages][n % stages];
            PlacedBits out(p.output, s.base[k][stage - 2] + tokens - s.header[k][stage - 2]);
            p.symbols.header(out, p.batch, t, s.cells.place[k], stage);
            out.finish();
        }
    }

    static MMIP_RULE void write_tokens(const Params& p, Shared& s, const TileItem& t, const ChunkItem& chunk, int lane) {
        const int end = first_entry(s, lane + 1);
        int64_t tokens = s.before[lane];
        EntryWalk at;
        for (int e = first_entry(s, lane); e < end;) {
            at.move_to(s.cells, e);
            const int k = at.k, cells = p.batch.block(chunk.depth, s.cells.mode[k]).cells;
            const int64_t first = t.first_entry + static_cast<int64_t>(s.cells.place[k]) * cell_coefficients(chunk.depth);
            TokenPlace place = token_place_of(chunk, cells, p.symbols.positions + first, at.j);
            const int stage = place.stage;
            const PayloadItem& payload = p.batch.payload(chunk, stage);
            const int64_t base = s.base[k][stage - 2];
            PlacedBits out(p.output, base + tokens);
            do {
                p.symbols.token(out, payload, first + at.j, place.from);
                if (++e == end) break;
                at.move_to(s.cells, e);
                if (at.k == k) place = token_place_of(chunk, cells, p.symbols.positions + first, at.j);
            } while (at.k == k && place.stage == stage);
            tokens = out.position(p.output) - base;
            out.finish();
        }
    }
};

}  // namespace mmip
