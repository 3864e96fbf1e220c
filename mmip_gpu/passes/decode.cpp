// See decode.h.
#include "decode.h"

#include <algorithm>

#include "parallel.h"

namespace mmip {

void decode_tiles(Coefficients& c, const Quantizer& quantizer, const std::vector<PayloadBytes>& payloads, const UnpackOptions& options,
                  const SampleRange& range, int scale, const Samples& out) {
    std::vector<StagePayload> stages;
    for (const PayloadBytes& p : payloads)
        stages.push_back(read_payload(p.bytes, p.size, c.geometry.substreams(), static_cast<int>(stages.size()) + 1, options.check_crc));
    const std::vector<int64_t> groups = tile_groups(c);
    const TileUnpacker unpacker(c, options);
    const TileSynthesizer synthesizer(c, quantizer, static_cast<int>(stages.size()), scale, range, out);
    std::vector<std::vector<TileTokens>> scratch(std::max(options.threads, 1));
    parallel_for(static_cast<int64_t>(groups.size()) - 1, options.threads, [&](int64_t g, int worker) {
        std::vector<TileTokens>& tokens = scratch[worker];
        while (tokens.size() < 2) tokens.emplace_back(c);
        for (const StagePayload& stage : stages) stage.check_group(c.tiles[groups[g]].substream / kGroupSubstreams);
        for (int64_t i = groups[g]; i < groups[g + 1]; i += 2) {
            const int count = static_cast<int>(std::min<int64_t>(2, groups[g + 1] - i));
            for (int k = 0; k < count; ++k) tokens[k].start(c.tiles[i + k].order->cells());
            for (const StagePayload& stage : stages) unpacker.unpack(stage, i, count, tokens.data());
            for (int k = 0; k < count; ++k) synthesizer.run(c.tiles[i + k], tokens[k].spans());
        }
    });
}

}  // namespace mmip
