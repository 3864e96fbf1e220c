// See dc_image.h.
#include "passes/dc/dc_image.h"

#include <stdexcept>

#include "passes/parallel.h"

namespace mmip {
namespace {

constexpr int kGroupLog2 = 3;                // cells of the chunk on an axis of a cell of the DC image
constexpr int32_t kLargestDc = 1 << 28;
constexpr SampleRange kDcRange = {0, -kLargestDc, kLargestDc};

// Calls use(DC of the tile, its sample in the DC image of the box) for every cell of a tile.
template <class Use>
void for_each_dc(const Coefficients& c, const Window& window, const Tile& tile, int32_t* samples, const Use& use) {
    const TileOrder& order = *tile.order;
    int32_t* dc = c.dc.get() + tile.base;
    const int64_t plane = tile.plane - c.box.planes[0];
    for (int z = 0; z < order.az; ++z)
        for (int y = 0; y < order.ay; ++y) {
            const int64_t row = (plane * window.shape[0] + tile.cell[0] + z - window.origin[0]) * window.shape[1] + tile.cell[1] + y - window.origin[1];
            int32_t* sample = samples + row * window.shape[2] + tile.cell[2] - window.origin[2];
            for (int x = 0; x < order.ax; ++x) use(*dc++, *sample++);
        }
}

int64_t box_samples(const Coefficients& image, const Window& window) {
    return (image.box.planes[1] - image.box.planes[0]) * window.shape[0] * window.shape[1] * window.shape[2];
}

}  // namespace

void add_dc_image(Coefficients& c) {
    const Geometry& of = c.geometry;
    if (of.depth != 1 || of.tile_log2[1] < kGroupLog2 || of.tile_log2[2] < kGroupLog2) throw std::invalid_argument("tiles without a DC image");
    Geometry g;
    g.planes = of.planes;
    g.depth = 1;
    for (int a = 0; a < 3; ++a) {
        g.shape[a] = of.grid(a);
        g.tile_log2[a] = a == 0 ? of.tile_log2[a] : of.tile_log2[a] - kGroupLog2;
    }
    c.dc_image.reset(new Coefficients(g, c.box, {0, cell_coefficients(1)}));
}

Quantizer dc_image_quantizer(const Quantizer& quantizer) {
    Quantizer q;
    q.steps.assign(1, std::vector<uint32_t>(quantizer.steps[0].size(), kDcImageUnit * kStepOne));
    q.reversible.assign(1, 0);
    q.recon.assign(1, quantizer.dc_recon);
    return q;
}

double analyze_dc_image(Coefficients& c, Quantizer& quantizer, const AnalyzeOptions& options) {
    Coefficients& image = *c.dc_image;
    const Window window = box_window(image.geometry, image.box, 1);
    std::vector<int32_t> samples(box_samples(image, window)), decoded(samples.size());
    for (const Tile& tile : c.tiles) for_each_dc(c, window, tile, samples.data(), [](int32_t dc, int32_t& sample) { sample = dc; });
    Quantizer q = dc_image_quantizer(quantizer);
    AnalyzeOptions own = options;
    own.offset = 0;
    analyze(image, {samples.data(), kSampleI32}, nullptr, q, own);
    quantizer.dc_recon = q.recon[0];
    synthesize(image, q, 2, 1, kDcRange, whole_output({decoded.data(), kSampleI32}, window), options.threads);
    double error = 0;
    for (const Tile& tile : c.tiles) {
        const double unit = static_cast<double>(quantizer.class_step(0, tile.plane).step) / kDcImageUnit;
        int64_t squares = 0;
        for_each_dc(c, window, tile, decoded.data(), [&squares](int32_t& dc, int32_t sample) {
            const int64_t d = dc - static_cast<int64_t>(sample);
            squares += d * d;
            dc = sample;
        });
        error += static_cast<double>(squares) * unit * unit;
    }
    return error;
}

DcImageSynthesizer::DcImageSynthesizer(Coefficients& c, const Quantizer& quantizer)
    : c_(c), quantizer_(dc_image_quantizer(quantizer)), window_(box_window(c.dc_image->geometry, c.dc_image->box, 1)),
      samples_(box_samples(*c.dc_image, window_)), synthesizer_(*c.dc_image, quantizer_, 2, 1, kDcRange, whole_output({samples_.data(), kSampleI32}, window_)) {}

void DcImageSynthesizer::run(size_t tile, const TokenSpan* spans) {
    synthesizer_.run(c_.dc_image->tiles[tile], spans);
    for_each_dc(c_, window_, c_.tiles[tile], samples_.data(), [](int32_t& dc, int32_t sample) { dc = sample; });
}

}  // namespace mmip
