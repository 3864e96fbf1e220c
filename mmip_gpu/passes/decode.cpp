// See decode.h.
#include "passes/decode.h"

#include <algorithm>
#include <chrono>

#include "passes/dc/dc_image.h"
#include "passes/parallel.h"

namespace mmip {
namespace {

// Adds the time since its last call to what it is given.
class Stopwatch {
public:
    void add_to(double& seconds) {
        const auto now = std::chrono::steady_clock::now();
        seconds += std::chrono::duration<double>(now - last_).count();
        last_ = now;
    }

private:
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// What one thread keeps from tile to tile.
struct Worker {
    std::vector<TileTokens> tokens;
    DecodeTimes times;
};

DecodeTimes sum_of(const std::vector<Worker>& workers) {
    DecodeTimes sum;
    for (const Worker& w : workers) {
        sum.checks += w.times.checks;
        sum.stage_1 += w.times.stage_1;
        sum.later_stages += w.times.later_stages;
        sum.synthesis += w.times.synthesis;
    }
    return sum;
}

}  // namespace

DecodeTimes decode_tiles(Coefficients& c, const Quantizer& quantizer, const std::vector<PayloadBytes>& payloads, const UnpackOptions& options,
                  const SampleRange& range, int scale, const Output& out) {
    std::vector<StagePayload> stages;
    for (const PayloadBytes& p : payloads) {
        const int stage = static_cast<int>(stages.size()) + 1;
        stages.push_back(read_payload(p.bytes, p.size, c.geometry.substreams(), stage, stage_families(stage, c.dc_image != nullptr), options.check_crc));
        expect_prediction(c, stages.back());
    }
    const std::vector<int64_t> groups = tile_groups(c);
    const TileUnpacker unpacker(c, options);
    const TileSynthesizer synthesizer(c, quantizer, static_cast<int>(stages.size()), scale, range, out);
    std::unique_ptr<DcImageSynthesizer> dc_synthesizer;
    if (c.dc_image) dc_synthesizer.reset(new DcImageSynthesizer(c, quantizer));
    std::vector<Worker> workers(std::max(options.threads, 1));
    parallel_for(static_cast<int64_t>(groups.size()) - 1, options.threads, [&](int64_t g, int index) {
        std::vector<TileTokens>& tokens = workers[index].tokens;
        DecodeTimes& times = workers[index].times;
        while (tokens.size() < 2) tokens.emplace_back(c);
        Stopwatch watch;
        for (const StagePayload& stage : stages) check_groups(c, groups[g], groups[g + 1], stage);
        watch.add_to(times.checks);
        for (int64_t i = groups[g]; i < groups[g + 1]; i += 2) {
            const int count = static_cast<int>(std::min<int64_t>(2, groups[g + 1] - i));
            for (int k = 0; k < count; ++k) tokens[k].start(c, i + k);
            for (const StagePayload& stage : stages) {
                unpacker.unpack(stage, i, count, tokens.data());
                for (int k = 0; stage.stage == 1 && dc_synthesizer && k < count; ++k) dc_synthesizer->run(static_cast<size_t>(i + k), tokens[k].image_spans());
                watch.add_to(stage.stage == 1 ? times.stage_1 : times.later_stages);
            }
            for (int k = 0; k < count; ++k) synthesizer.run(c.tiles[i + k], tokens[k].spans());
            watch.add_to(times.synthesis);
        }
    });
    return sum_of(workers);
}

}  // namespace mmip
