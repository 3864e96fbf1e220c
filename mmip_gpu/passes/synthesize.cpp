// See synthesize.h.
#include "synthesize.h"

#include "parallel.h"

namespace mmip {
namespace {

constexpr int kSampleBytes[] = {1, 1, 2, 2, 4};

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

void synthesize(const Coefficients& c, const Quantizer& quantizer, int stages, int scale, int32_t offset, int32_t minimum,
                int32_t maximum, const Samples& out, int threads) {
    const Window window = box_window(c.geometry, c.box, scale);
    const int64_t plane_samples = window.shape[0] * window.shape[1] * window.shape[2];
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) {
        const Tile& tile = c.tiles[i];
        SynthesizeJob job{};
        job.tile = tile_view(c, tile);
        job.samples = static_cast<char*>(out.data) + (tile.plane - c.box.planes[0]) * plane_samples * kSampleBytes[out.type];
        job.sample_type = out.type;
        for (int a = 0; a < 3; ++a) {
            const int64_t s = axis_scale(c.geometry, a, scale);
            job.origin[a] = window.origin[a];
            job.shape[a] = window.shape[a];
            job.plane_shape[a] = (c.geometry.shape[a] + s - 1) / s;
        }
        job.offset = offset, job.minimum = minimum, job.maximum = maximum;
        job.scale = scale;
        job.stages = stages;
        job.cut = c.cuts[stages - 1];
        for (int k = 0; k < kMaxClasses; ++k)
            job.classes[k] = quantizer.class_step(k < static_cast<int>(quantizer.steps.size()) ? k : 0, tile.plane);
        kernels().synthesize_tile(job);
    });
}

}  // namespace mmip
