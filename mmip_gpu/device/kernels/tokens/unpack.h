// Entropy decoding of sub-streams, a lane each: masks, classes and DCs of stage 1; tokens of the later stages.
// Values: DecodeParams; bytes of sub-streams in, indices and lists of tokens out, a status per tile. Decoder side of FORMAT.md
// section 8. Never reads outside a sub-stream's bytes, nor writes outside the tile's part of an array.
#pragma once

#include "rules/coding/crc.h"
#include "rules/dc/dc_reader.h"
#include "rules/padding/mask_reader.h"
#include "rules/tokens/substream_reader.h"
#include "device/kernels/decoding.h"

namespace mmip {

struct EntropyKernel {
    static constexpr int kLanes = 32, kPhases = 1;
    using Params = DecodeParams;
    struct Shared {};

    static MMIP_RULE void fail(DecodeState& state, int status, int64_t stage) {
        if (status == kOk) return;
        state.status = status;
        state.stage = static_cast<int32_t>(stage);
    }
};

// Sub-streams that share a crc, and the tiles of the launch among them.
struct CrcGroup {
    const uint8_t* data;
    uint64_t bytes;
    int64_t first_tile, stage;
    int32_t tiles;
    uint32_t crc;
    MMIP_FIELDS(data, bytes, first_tile, stage, tiles, crc)
};

// Several lanes take a piece of a group each; one joins what they found.
struct CrcKernel {
    static constexpr int kLanes = 32, kPhases = 2, kPieces = 8, kGroups = kLanes / kPieces;
    struct Params {
        int64_t groups;
        int64_t count;                       // of CrcGroup
        const CrcGroup* items;
        DecodeState* states;
        MMIP_FIELDS(groups, count, items, states)
    };
    struct Shared {
        uint32_t crcs[kLanes];
    };

    static MMIP_RULE uint64_t start_of(const CrcGroup& item, int piece) { return item.bytes / kPieces * static_cast<uint64_t>(piece); }
    static MMIP_RULE int64_t bytes_of(const CrcGroup& item, int piece) {
        return static_cast<int64_t>((piece + 1 < kPieces ? start_of(item, piece + 1) : item.bytes) - start_of(item, piece));
    }

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const int64_t i = group * kGroups + (phase == 0 ? lane / kPieces : lane);
        if (i >= p.count) return;
        const CrcGroup& item = p.items[i];
        if constexpr (phase == 0) {
            s.crcs[lane] = crc_of(item.data + start_of(item, lane % kPieces), bytes_of(item, lane % kPieces));
        } else if (lane < kGroups) {
            uint32_t crc = s.crcs[lane * kPieces];
            for (int k = 1; k < kPieces; ++k) crc = crc_joined(crc, s.crcs[lane * kPieces + k], bytes_of(item, k));
            if (crc == item.crc) return;
            for (int64_t t = item.first_tile; t < item.first_tile + item.tiles; ++t)
                if (p.states[t].status == kOk) EntropyKernel::fail(p.states[t], kStatusCrc, item.stage);
        }
    }
};

// Padding masks: the first part of stage 1. The models of a group's lanes share its scratch.
struct MaskKernel : EntropyKernel {
    struct Shared {
        MaskModel models[kLanes];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const int64_t i = group * kLanes + lane;
        if (i >= p.count || p.states[i].status != kOk || p.items[p.tiles[i].item].padded == 0) return;
        const DecodeTile& tile = p.tiles[i];
        BitReader bits(p.substreams[i].data, p.substreams[i].bytes);
        const int status = read_mask(bits, {p.items[tile.item].depth, tile.size[0], tile.size[1], tile.size[2]}, s.models[lane], p.frames + tile.frame,
                                     p.mask + 8 * tile.base);
        fail(p.states[i], status != kOk && bits.overrun() ? static_cast<int>(kStatusTruncated) : status, 1);
        p.states[i].bit = bits.position;
    }
};

// Classes and DCs, from where the mask ends.
struct FirstStageKernel : EntropyKernel {
    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t i = group * kLanes + lane;
        if (i < p.count) read_tile(p, i);
    }

    static MMIP_RULE void read_tile(const Params& p, int64_t i) {
        const DecodeTile& tile = p.tiles[i];
        const DecodeItem& item = p.items[tile.item];
        DecodeState& state = p.states[i];
        const int cells = tile.cells();
        for (int k = 0; k < cells; ++k) p.classes[tile.base + k] = 0;
        if (tile.image >= 0) return fail(state, p.image_states[tile.image].status, 1);
        if (state.status != kOk) return;
        BitReader bits(p.substreams[i].data, p.substreams[i].bytes, state.bit);
        const StageCodes& codes = p.codes[tile.item];
        DcJob job{tile.size[0], tile.size[1], tile.size[2], item.class_count, item.steps[0] + tile.component, 3, codes.first, {}, p.classes + tile.base,
                  p.dc + tile.base, p.values + tile.base, p.errors + tile.base};
        for (int k = 0; k < kDcWeights; ++k) job.weights.of[k] = codes.weights[k];
        int status = read_dcs(job, bits);
        if (status != kOk && bits.overrun()) status = kStatusTruncated;
        if (status == kOk && item.continues == 0) status = bits.finish();
        fail(state, status, 1);
        state.bit = item.continues != 0 ? bits.position : 0;
    }
};

// Blocks in one phase, palette cells in the next: registers are those of the one that needs more. `predicted`: of sub-streams whose
// blocks may have a prediction, and of no others.
template <bool predicted>
struct TokenKernel : EntropyKernel {
    static constexpr int kPhases = 2;

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t i = group * kLanes + lane;
        if (i >= p.count) return;
        const DecodeTile& tile = p.tiles[i];
        const DecodeItem& item = p.items[tile.item];
        DecodeState& state = p.states[i];
        if (state.status != kOk || p.stage > item.stages || (p.stage == 2 && item.predicted != 0) != predicted) return;
        if (phase == 1 && state.bit == 0) return;
        UnpackJob job = job_of(p, i, tile, item, state);
        if constexpr (phase == 0) {
            BlockReader<predicted> reader(job);
            bool more = reader.next_block();
            while (more) more = reader.go_on(read_token(reader.source_, reader.cursor_));
        } else {
            job.status = read_palettes(job, p.palettes[i]);
        }
        fail(state, job.status, item.continues != 0 ? 1 : p.stage);
        state.tokens = job.tokens - (p.tokens + tile.tokens);
        state.bit = phase == 0 && job.palettes > 0 ? job.first_bit : 0;
    }

    static MMIP_RULE UnpackJob job_of(const Params& p, int64_t i, const DecodeTile& tile, const DecodeItem& item, const DecodeState& state) {
        const int stage = static_cast<int>(p.stage);
        const StageCodes& codes = p.codes[tile.item];
        Token* tokens = p.tokens + tile.tokens;
        UnpackJob job{};
        job.data = p.substreams[i].data, job.bytes = p.substreams[i].bytes, job.first_bit = state.bit;
        job.stage = stage, job.depth = item.depth, job.az = tile.size[0], job.ay = tile.size[1], job.ax = tile.size[2];
        job.low = item.cuts[stage - 2], job.high = item.cuts[stage - 1];
        job.raster = p.orders + tile.order, job.merges = p.merges + tile.order;
        job.blocks = item.tables->blocks;
        job.header_codes = &codes.headers, job.token_codes = &codes.tokens, job.token_places = p.places, job.left_offsets = p.left_offsets;
        const bool alone = item.class_count == 0;
        job.classes = p.classes + tile.base, job.reversible = alone ? nullptr : item.reversible;
        job.sets_modes = stage == 2 || alone ? 1 : 0;
        job.prediction_codes = &codes.first, job.predictions = p.predictions + tile.base, job.near_predictions = p.near_predictions + tile.base;
        job.modes = p.modes + tile.base, job.density = p.density + tile.base, job.magnitudes = p.magnitudes + kMagnitudeBytes * i;
        job.tokens = tokens + state.tokens, job.tokens_end = tokens + tile.room;
        job.spans = p.spans + tile.spans + static_cast<int64_t>(alone ? 0 : stage - 2) * tile.cells();
        return job;
    }
};

}  // namespace mmip
