// See synthesize.h.
#include "passes/blocks/synthesize.h"

#include "passes/parallel.h"

namespace mmip {
namespace {

int64_t axis_scale(const Geometry& g, int axis, int scale) { return axis == 0 && g.depth == 1 ? 1 : scale; }

}  // namespace

Window box_window(const Geometry& g, const TileBox& box, int scale) {
    Window w{};
    for (int a = 0; a < 3; ++a) {
        const int64_t s = axis_scale(g, a, scale), cell = a == 0 ? g.depth : kCellSize;
        const int64_t plane = (g.shape[a] + s - 1) / s;
        w.origin[a] = (box.low[a] << g.tile_log2[a]) * cell / s;
        w.shape[a] = std::min((box.high[a] << g.tile_log2[a]) * cell / s, plane) - w.origin[a];
    }
    return w;
}

TileSynthesizer::TileSynthesizer(const Coefficients& c, const Quantizer& quantizer, int stages, int scale, const SampleRange& range, const Output& out)
    : c_(c), quantizer_(quantizer), out_(out) {
    for (int a = 0; a < 3; ++a) {
        job_.low[a] = out.window.origin[a];
        job_.high[a] = out.window.origin[a] + out.window.shape[a];
    }
    job_.slice = out.slice, job_.row = out.row;
    job_.sample_type = out.samples.type;
    job_.offset = range.offset, job_.minimum = range.minimum, job_.maximum = range.maximum;
    job_.scale = scale;
    job_.stages = stages;
    job_.dc_unit = c.dc_image ? kDcImageUnit : 1;
    job_.cut = c.cuts[stages - 1], job_.second_cut = c.cuts[1];
}

SynthesizeJob TileSynthesizer::job_of(const Tile& tile) const {
    SynthesizeJob job = job_;
    job.tile = tile_view(c_, tile);
    job.samples = static_cast<char*>(out_.samples.data) + (tile.plane - c_.box.planes[0]) * out_.plane * kSampleBytes[out_.samples.type];
    if (c_.predictions && job_.stages > 1 && job_.scale < 8) {
        thread_local std::vector<int32_t> decoded;   // kept from tile to tile
        decoded.resize(std::max(decoded.size(), static_cast<size_t>(kCellSize) * kCellSize * tile.order->cells()));
        job.predictions = c_.predictions.get() + tile.base;
        job.decoded = decoded.data();
    }
    for (int k = 0; k < kMaxClasses; ++k)
        job.classes[k] = quantizer_.class_step(k < static_cast<int>(quantizer_.steps.size()) ? k : 0, tile.plane);
    return job;
}

void TileSynthesizer::add_entries(const Tile& tile, SynthesizeJob& job) const {
    if (job.stages == 1 || c_.entries.empty()) return;
    const Entries& entries = c_.entries[&tile - c_.tiles.data()];
    job.positions = entries.position.data(), job.values = entries.value.data(), job.counts = entries.count.data();
}

void TileSynthesizer::run(const Tile& tile, const TokenSpan* spans) const {
    SynthesizeJob job = job_of(tile);
    job.spans = spans;
    if (spans == nullptr && job.predictions == nullptr) add_entries(tile, job);
    kernels().synthesize_tile(job);
}

void TileSynthesizer::measure(const Tile& tile, SampleDifference* sums) const {
    SynthesizeJob job = job_of(tile);
    add_entries(tile, job);
    if (c_.mask) job.mask = c_.mask.get() + tile.base * c_.geometry.depth;
    kernels().measure_tile(job, sums);
}

std::vector<Difference> measure(const Coefficients& c, const Quantizer& quantizer, const SampleRange& range, const Samples& samples, int threads) {
    const TileSynthesizer synthesizer(c, quantizer, c.stages(), 1, range, whole_output(samples, box_window(c.geometry, c.box, 1)));
    std::vector<SampleDifference> sums(c.tiles.size() * kMaxClasses, {0, 0});
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) { synthesizer.measure(c.tiles[i], &sums[i * kMaxClasses]); });
    std::vector<Difference> all(quantizer.steps.size(), {0, 0});
    for (size_t i = 0; i < sums.size(); ++i)
        if (i % kMaxClasses < all.size()) all[i % kMaxClasses].join({sums[i].squares, sums[i].largest});
    return all;
}

void synthesize(const Coefficients& c, const Quantizer& quantizer, int stages, int scale, const SampleRange& range, const Output& out, int threads) {
    const TileSynthesizer synthesizer(c, quantizer, stages, scale, range, out);
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) { synthesizer.run(c.tiles[i], nullptr); });
}

}  // namespace mmip
