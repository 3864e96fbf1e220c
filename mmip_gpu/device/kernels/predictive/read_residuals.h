// Entropy decoding of the predictive codec: a lane reads the residuals of a tile, component after component.
// Values: BrickParams; bytes of sub-streams in, residuals and a status per sub-stream out. FORMAT.md section 8.6, for readers.
// Never reads outside a sub-stream's bytes, nor writes outside the tile.
#pragma once

#include "device/kernels/predictive/bricks.h"
#include "device/kernels/tokens/unpack.h"

namespace mmip {

// Past the end of the bytes it reads zeros.
struct CheckedResidualReader : WideResidualReader {
    uint64_t size;

    MMIP_RULE CheckedResidualReader(const SubstreamBytes& from, const uint32_t* entries) : WideResidualReader(from.data, entries, 0), size(from.bytes) {}

    MMIP_RULE int32_t next(int32_t e, int32_t& magnitude) {
        return next_of(BitReader::bits_at(bytes, size, static_cast<uint64_t>(position)), e, magnitude);
    }

    // Whether the residuals took all of the bytes.
    MMIP_RULE int end() const {
        if (run > 0) return kStatusPosition;
        BitReader rest(bytes, size, static_cast<uint64_t>(position));
        return rest.finish();
    }
};

struct ReadResidualsKernel {
    static constexpr int kLanes = 64, kPhases = 1;
    using Params = BrickParams;
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t i = group * kLanes + lane;
        if (i >= p.tile_count) return;
        const BrickPlace& brick = p.bricks[p.tile_bricks[p.first_tile + i]];
        const BrickChunk& chunk = p.chunks[brick.chunk];
        const int number = static_cast<int>(p.first_tile + i - brick.first_tile);
        const TileInBrick tile(brick, chunk.tile_log2, number);
        const TilePlace place{tile.size[0], tile.size[1], tile.size[2], brick.row(), brick.slice()};
        for (int c = 0; c < chunk.components; ++c) {
            const int64_t stream = brick.first_stream + c * brick.component_streams + number, start = tile.start(brick);
            const EarlierResiduals<int32_t> earlier{{c > 0 ? p.component_of(brick, 0) + start : nullptr, c > 1 ? p.component_of(brick, 1) + start : nullptr},
                                                    chunk.context[c]};
            DecodeState& state = p.states[stream];
            int32_t* out = p.component_of(brick, c) + start;
            if (state.status != kOk) {
                fill_zeros(place, out);
                continue;
            }
            CheckedResidualReader reader(p.substreams[stream], chunk.entries + c * kResidualEntries);
            read_residuals(reader, place, earlier, p.magnitudes + i * p.magnitude_room, out);
            EntropyKernel::fail(state, reader.end(), 1);
        }
    }

    static MMIP_RULE void fill_zeros(const TilePlace& tile, int32_t* out) {
        for (int z = 0; z < tile.z; ++z)
            for (int y = 0; y < tile.y; ++y)
                for (int x = 0; x < tile.x; ++x) out[z * tile.slice + y * tile.row + x] = 0;
    }
};

}  // namespace mmip
