// Where everything stands in the output: superblocks in their sub-streams, sub-streams in the body of their payload; group crcs.
// Values: bits counted by write_tokens.h in; sizes, offsets and crcs out. Sums are exclusive prefix sums in the format's order.
// Implements FORMAT.md section 6 (sub-streams, group crcs).
#pragma once

#include "rules/coding/crc.h"
#include "device/kernels/items.h"

namespace mmip {

// A sub-stream has at least one byte.
MMIP_RULE uint32_t stream_bytes(uint32_t bits, uint32_t bytes_after = 0) {
    const uint32_t bytes = (bits + 7) / 8 + bytes_after;
    return bytes == 0 ? 1 : bytes;
}

// Bits of superblocks to bits before them; sizes of the sub-streams. One group = one tile, one lane a stage.
struct PlaceSuperblocksKernel {
    static constexpr int kLanes = 32, kPhases = 1;

    struct Params {
        int64_t groups;
        Batch batch;
        uint32_t* runs;                      // changed in place
        const uint32_t* palettes;            // bytes after the bits of stage 2, by tile; nullptr: none anywhere
        uint32_t* sizes;                     // out: bytes of the sub-streams; of DC images the bits before come in
        MMIP_FIELDS(groups, batch, runs, palettes, sizes)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const TileItem& t = p.batch.tiles[group];
        const ChunkItem& chunk = p.batch.chunk_of(t);
        const int stages = chunk.stages - 1, superblocks = superblocks_of(t, chunk.depth);
        if (lane >= stages) return;
        uint32_t& size = p.sizes[p.batch.payload(chunk, lane + 2).first_stream + t.stream];
        uint32_t sum = p.batch.is_dc_image(chunk) ? size : 0;
        for (int i = 0; i < superblocks; ++i) {
            uint32_t& bits = p.runs[t.first_run + static_cast<int64_t>(i) * stages + lane];
            const uint32_t own = bits;
            bits = sum;
            sum += own;
        }
        size = stream_bytes(sum, lane == 0 && p.palettes != nullptr ? p.palettes[group] : 0);
    }
};

// Offsets of the sub-streams of a payload from its body. One group = one payload.
struct PlaceStreamsKernel {
    static constexpr int kLanes = 256, kPhases = 2;

    struct Params {
        int64_t groups;
        Batch batch;
        const uint32_t* sizes;
        int64_t* offsets;                    // out
        int64_t* totals;                     // out: bytes of the payload's sub-streams
        MMIP_FIELDS(groups, batch, sizes, offsets, totals)
    };
    struct Shared {
        int64_t part[kLanes];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const PayloadItem& payload = p.batch.payloads[group];
        const int64_t each = (payload.streams + kLanes - 1) / kLanes, first = each * lane;
        const int64_t end = first + each < payload.streams ? first + each : payload.streams;
        const uint32_t* sizes = p.sizes + payload.first_stream;
        int64_t sum = 0;
        if constexpr (phase == 0) {
            for (int64_t i = first; i < end; ++i) sum += sizes[i];
            s.part[lane] = sum;
        } else {
            for (int i = 0; i < lane; ++i) sum += s.part[i];
            for (int64_t i = first; i < end; ++i) {
                p.offsets[payload.first_stream + i] = sum;
                sum += sizes[i];
            }
            if (lane == kLanes - 1) p.totals[group] = sum;
        }
    }
};

// The crc of every group of sub-streams. One group of lanes = one of them.
struct GroupCrcsKernel {
    static constexpr int kLanes = 64, kPhases = 2;

    struct Params {
        int64_t groups, payload_count;
        Batch batch;
        const uint32_t* sizes;
        const int64_t* offsets;
        const uint8_t* output;
        uint32_t* crcs;                      // out
        MMIP_FIELDS(groups, payload_count, batch, sizes, offsets, output, crcs)
    };
    struct Shared {
        uint32_t crc[kLanes];
        int64_t bytes[kLanes];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            const PayloadItem& payload = p.batch.payloads[item_at(p.batch.payloads, p.payload_count, &PayloadItem::first_group, group)];
            const int64_t first = (group - payload.first_group) * kGroupSubstreams;
            const int64_t last = (first + kGroupSubstreams < payload.streams ? first + kGroupSubstreams : payload.streams) - 1;
            const int64_t from = p.offsets[payload.first_stream + first];
            const int64_t bytes = p.offsets[payload.first_stream + last] + p.sizes[payload.first_stream + last] - from;
            const int64_t low = bytes * lane / kLanes, high = bytes * (lane + 1) / kLanes;
            s.crc[lane] = crc_of(p.output + payload.body + from + low, high - low);
            s.bytes[lane] = high - low;
        } else if (lane == 0) {
            uint32_t crc = s.crc[0];
            for (int i = 1; i < kLanes; ++i) crc = crc_joined(crc, s.crc[i], s.bytes[i]);
            p.crcs[group] = crc;
        }
    }
};

}  // namespace mmip
