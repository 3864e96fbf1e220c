// Stage 1: residuals and contexts of all DCs, then the sub-streams of class map and DCs.
// Values: DC indices and classes per cell (raster order of the tile), prediction weights per chunk. Residuals: one group = one
// tile; sub-streams: one lane = one tile, since runs follow one another. Implements FORMAT.md section 8.1.
#pragma once

#include "rules/dc/dc_walk.h"
#include "rules/padding/mask_writer.h"
#include "rules/tokens/tokens.h"
#include "device/kernels/tokens/list_tokens.h"
#include "device/kernels/coding/substream_offsets.h"
#include "device/kernels/coding/placed_bits.h"

namespace mmip {

struct DcResidualsKernel {
    static constexpr int kLanes = 128, kPhases = 3;

    struct Params {
        int64_t groups;
        Batch batch;
        const DcWeights* weights;            // by chunk
        const int32_t* dcs;
        const uint8_t* classes;
        int64_t* values;                     // scratch: DCs in 1/256
        uint32_t* errors;                    // scratch
        int32_t* residuals;                  // out
        uint8_t* contexts;                   // out
        MMIP_FIELDS(groups, batch, weights, dcs, classes, values, errors, residuals, contexts)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const TileItem& t = p.batch.tiles[group];
        const ChunkItem& chunk = p.batch.chunk_of(t);
        const int cells = t.cells();
        for (int i = lane; i < cells; i += kLanes) {
            const int64_t cell = t.first_cell + i, step = chunk.steps[p.classes[cell]][t.component];
            const CellPlace at{i / (t.size[2] * t.size[1]), i / t.size[2] % t.size[1], i % t.size[2], t.size[1], t.size[2]};
            if constexpr (phase == 0) {
                p.values[cell] = p.dcs[cell] * step;
            } else if constexpr (phase == 1) {
                const int32_t r = static_cast<int32_t>(p.dcs[cell] - dc_prediction(p.values + cell, at, step, p.weights[t.chunk]));
                p.residuals[cell] = r;
                p.errors[cell] = index_magnitude(r);
            } else {
                p.contexts[cell] = static_cast<uint8_t>(dc_residual_context(p.errors + cell, at));
            }
        }
    }
};

// Where the symbols of a walk go: into a histogram, or as bits into a writer.
struct SymbolCounts {
    uint32_t* counts;

    MMIP_RULE void reserve(int64_t) {}
    MMIP_RULE void symbol(int, int c, int s) { add_to(counts + c * kDcAlphabet + s, 1); }
    MMIP_RULE void raw(uint32_t, int) {}
    MMIP_RULE void gamma(uint32_t) {}
};

template <class Writer>
struct SymbolBits {
    const uint32_t* words;
    Writer& out;

    MMIP_RULE void reserve(int64_t) {}
    MMIP_RULE void symbol(int, int c, int s) { put_word(out, words[c * kDcAlphabet + s], 0, 0); }
    MMIP_RULE void raw(uint32_t value, int bits) { out.put(value, bits); }
    MMIP_RULE void gamma(uint32_t value) { put_gamma(out, value); }
};

// Bits of a mask, its head included.
MMIP_RULE uint32_t mask_bits(const MaskCode& code) {
    BitCounter counter;
    SymbolBits<BitCounter> head{nullptr, counter};
    put_mask_head(code, head);
    return counter.count + 8 * code.bytes;
}

// What the three kernels of sub-streams read.
struct DcSymbols {
    const uint8_t* classes;
    const int32_t* residuals;
    const uint8_t* contexts;

    template <class Sink>
    MMIP_RULE void walk(const TileItem& t, const ChunkItem& chunk, Sink& sink) const {
        const int cells = t.cells();
        if (chunk.classes > 1) walk_classes(classes + t.first_cell, t.size[1], t.size[2], cells, chunk.classes, sink);
        walk_dcs(residuals + t.first_cell, contexts + t.first_cell, cells, sink);
    }

    MMIP_FIELDS(classes, residuals, contexts)
};

struct CountDcsKernel {
    static constexpr int kLanes = 32, kPhases = 1;

    struct Params {
        int64_t groups;
        Batch batch;
        DcSymbols symbols;
        Histograms histograms;
        MMIP_FIELDS(groups, batch, symbols, histograms)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t tile = group * kLanes + lane;
        if (tile >= p.batch.tile_count) return;
        const TileItem& t = p.batch.tiles[tile];
        const ChunkItem& chunk = p.batch.chunk_of(t);
        SymbolCounts sink{p.histograms.of(p.batch.payload(chunk, 1), group)};
        p.symbols.walk(t, chunk, sink);
    }
};

struct CountDcBitsKernel {
    static constexpr int kLanes = 32, kPhases = 1;

    struct Params {
        int64_t groups;
        Batch batch;
        DcSymbols symbols;
        const uint32_t* words;
        const MaskCode* codes;               // of the masks, which come first, by tile; nullptr: none anywhere
        uint32_t* sizes;                     // out: bytes of the sub-streams; of DC images bits, which others follow
        MMIP_FIELDS(groups, batch, symbols, words, codes, sizes)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t tile = group * kLanes + lane;
        if (tile >= p.batch.tile_count) return;
        const TileItem& t = p.batch.tiles[tile];
        const ChunkItem& chunk = p.batch.chunk_of(t);
        const PayloadItem& payload = p.batch.payload(chunk, 1);
        BitCounter counter;
        SymbolBits<BitCounter> sink{p.words + payload.first_symbol, counter};
        p.symbols.walk(t, chunk, sink);
        if (p.codes != nullptr) counter.count += mask_bits(p.codes[tile]);
        p.sizes[payload.first_stream + t.stream] = p.batch.is_dc_image(chunk) ? counter.count : stream_bytes(counter.count);
    }
};

struct WriteDcsKernel {
    static constexpr int kLanes = 32, kPhases = 1;

    struct Params {
        int64_t groups;
        Batch batch;
        DcSymbols symbols;
        const uint32_t* words;
        const MaskCode* codes;               // as above
        const int64_t* offsets;
        uint32_t* output;                    // zeroed
        MMIP_FIELDS(groups, batch, symbols, words, codes, offsets, output)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t tile = group * kLanes + lane;
        if (tile >= p.batch.tile_count) return;
        const TileItem& t = p.batch.tiles[tile];
        const ChunkItem& chunk = p.batch.chunk_of(t);
        const PayloadItem& payload = p.batch.payload(chunk, 1);
        const int64_t before = p.codes != nullptr ? mask_bits(p.codes[tile]) : 0;
        PlacedBits out(p.output, 8 * (payload.body + p.offsets[payload.first_stream + t.stream]) + before);
        SymbolBits<PlacedBits> sink{p.words + payload.first_symbol, out};
        p.symbols.walk(t, chunk, sink);
        out.finish();
    }
};

}  // namespace mmip
