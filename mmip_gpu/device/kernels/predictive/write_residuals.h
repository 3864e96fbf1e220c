// Entropy coding of the predictive codec: a lane counts, and later writes, the tokens of a tile, component after component.
// Values: SourceParams; residuals in; counts of symbols, then bytes and size of every sub-stream out. FORMAT.md section 8.6, for
// writers. A last kernel moves the sub-streams together.
#pragma once

#include "device/kernels/atomics.h"
#include "device/kernels/predictive/source.h"
#include "rules/coding/bitstream.h"
#include "rules/predictive/residual_writer.h"

namespace mmip {

constexpr int kTileLanes = 64;               // of the groups that SourceParams::tile_groups lists

// work(component, residuals of the tile, its place, earlier components, stream) for a tile of a group.
template <class Work>
MMIP_RULE void each_component(const SourceParams& p, const TileGroup& tiles, int lane, const Work& work) {
    const BrickPlace& brick = p.bricks[p.tile_bricks[tiles.first_tile + lane]];
    const SourceChunk& chunk = p.chunks[tiles.chunk];
    const int number = static_cast<int>(tiles.first_tile + lane - brick.first_tile);
    const TileInBrick tile(brick, chunk.tile_log2, number);
    const TilePlace place{tile.size[0], tile.size[1], tile.size[2], brick.row(), brick.slice()};
    for (int c = 0; c < chunk.components; ++c) {
        const int64_t start = tile.start(brick);
        const EarlierResiduals<int32_t> earlier{{c > 0 ? p.residuals + p.start_of(brick, 0) + start : nullptr,
                                                 c > 1 ? p.residuals + p.start_of(brick, 1) + start : nullptr},
                                                chunk.context[c]};
        work(c, p.residuals + p.start_of(brick, c) + start, place, earlier, brick.first_stream + c * brick.component_streams + number);
    }
}

// Tokens of a tile to `out`. Its residuals are written again as they are.
template <class Out>
MMIP_RULE void put_tokens(const SourceParams& p, int64_t tile, int32_t* residuals, const TilePlace& place, const EarlierResiduals<int32_t>& earlier, Out& out) {
    ResidualWriter<Out> writer(residuals, place, out);
    read_residuals(writer, place, earlier, p.magnitudes + tile * p.magnitude_room, residuals);
    writer.finish();
}

struct CountResidualsKernel {
    static constexpr int kLanes = kTileLanes, kPhases = 3;
    using Params = SourceParams;
    struct Shared {
        uint32_t counts[kCodedComponents * kResidualCodes];
    };
    struct Counter {
        uint32_t* counts;
        MMIP_RULE void put(int of_class, int symbol, uint32_t, int) { add_to(counts + of_class * kResidualAlphabet + symbol, 1u); }
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const TileGroup& tiles = p.tile_groups[group];
        const SourceChunk& chunk = p.chunks[tiles.chunk];
        const int symbols = chunk.components * kResidualCodes;
        if constexpr (phase == 0) {
            for (int i = lane; i < symbols; i += kLanes) s.counts[i] = 0;
        } else if constexpr (phase == 1) {
            if (lane >= tiles.tiles) return;
            each_component(p, tiles, lane, [&](int c, int32_t* residuals, const TilePlace& place, const EarlierResiduals<int32_t>& earlier, int64_t) {
                Counter counter{s.counts + c * kResidualCodes};
                put_tokens(p, tiles.first_tile + lane, residuals, place, earlier, counter);
            });
        } else {
            for (int i = lane; i < symbols; i += kLanes)
                if (s.counts[i] != 0) add_to(chunk.counts + i, s.counts[i]);
        }
    }
};

struct WriteResidualsKernel {
    static constexpr int kLanes = kTileLanes, kPhases = 1;
    using Params = SourceParams;
    struct Shared {};
    struct Writer {
        const uint32_t* codes;
        BitWriter bits;
        MMIP_RULE void put(int of_class, int symbol, uint32_t raw, int raw_bits) {
            const uint32_t code = codes[of_class * kResidualAlphabet + symbol];
            bits.put(static_cast<uint64_t>(code >> 4) << raw_bits | raw, static_cast<int>(code & 15) + raw_bits);
        }
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const TileGroup& tiles = p.tile_groups[group];
        if (lane >= tiles.tiles) return;
        each_component(p, tiles, lane, [&](int c, int32_t* residuals, const TilePlace& place, const EarlierResiduals<int32_t>& earlier, int64_t stream) {
            uint8_t* to = p.streams + stream * p.stream_room;
            Writer writer{p.chunks[tiles.chunk].codes + c * kResidualCodes, BitWriter(to)};
            put_tokens(p, tiles.first_tile + lane, residuals, place, earlier, writer);
            int64_t bytes = writer.bits.finish() - to;
            if (bytes == 0) to[bytes++] = 0;
            p.sizes[stream] = static_cast<uint32_t>(bytes);
        });
    }
};

// Sub-streams one after the other. One group = one of them.
struct GatherStreamsKernel {
    static constexpr int kLanes = 64, kPhases = 1;
    struct Params {
        int64_t groups, stream_room;
        const uint8_t* streams;
        const uint32_t* sizes;
        const int64_t* offsets;
        uint8_t* output;
        MMIP_FIELDS(groups, stream_room, streams, sizes, offsets, output)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        for (int64_t i = lane; i < p.sizes[group]; i += kLanes) p.output[p.offsets[group] + i] = p.streams[group * p.stream_room + i];
    }
};

}  // namespace mmip
