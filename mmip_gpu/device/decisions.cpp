// What code lengths decide on blocks, in both forms: the plain one of rules/blocks/decide.h, which devices run, and the branch-free
// one of passes/blocks/decide_kernels.h; likewise predictions of blocks (rules/prediction/prediction.h, passes/blocks/block_predictor.h).
// Values: see decide_stages, predict_samples. Home: host. For tests that compare the two.
#define MMIP_NS mmip_decisions   // a copy of its own, for no instruction set in particular

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <vector>

#include "passes/blocks/block_predictor.h"
#include "passes/blocks/decide_kernels.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace MMIP_NS;

namespace {

template <class T>
using Array = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr int kRoom = mmip::kMaxBlockCount + 8;

struct Stages {
    std::vector<uint16_t> positions;
    std::vector<float> coefficients;
    Array<const int64_t> ends;
    float inverse;
    Segment segment;
    int rounds;
    int32_t* magnitudes;
    std::vector<Cost> costs;
};

void decide_plainly(Stages& s) {
    std::vector<uint32_t> held(kRoom + 1), place(kRoom + 1);
    std::vector<Entry> entries(kRoom);
    for (size_t i = 0, first = 0; i < s.ends.size(); first = s.ends.data()[i++]) {
        const int count = static_cast<int>(s.ends.data()[i] - first);
        for (int n = 0; n < count; ++n) {
            const int32_t scaled = scaled_magnitude(s.coefficients[first + n], s.inverse);
            entries[n] = {s.positions[first + n], 0, scaled, quantize_magnitude(scaled, kHalfUp)};
            place[s.positions[first + n]] = static_cast<uint32_t>(first + n);
        }
        const int left = decide_segment(entries.data(), count, s.segment, s.rounds, held.data(), s.costs[i]);
        for (int n = 0; n < left; ++n) s.magnitudes[place[entries[n].position]] = entries[n].magnitude;
    }
}

void decide_without_branches(Stages& s) {
    const auto decider = std::make_unique<Decider<kRoom>>();
    std::vector<uint16_t> kept(s.positions.size()), left(s.ends.size());
    for (size_t i = 0, first = 0; i < s.ends.size(); first = s.ends.data()[i++])
        decider->add({s.positions.data() + first, s.coefficients.data() + first, static_cast<int>(s.ends.data()[i] - first), s.inverse, s.segment, s.rounds,
                      kept.data() + first, &left[i], &s.costs[i]});
    decider->run();
    for (size_t i = 0, first = 0; i < s.ends.size(); first = s.ends.data()[i++])
        for (size_t n = first; n < first + left[i]; ++n) {
            const size_t at = first + kept[n] % kLoweredEntry;
            s.magnitudes[at] = quantize_magnitude(scaled_magnitude(s.coefficients[at], s.inverse), kHalfUp) - kept[n] / kLoweredEntry;
        }
}

// Decides on one stage of several blocks of a mode, whose entries end at `ends`: positions rising in each block, coefficients that
// round to an index; both with kOutputSlack more. `table`: BlockPosition of the mode; bits of tokens by class, of headers by count
// (the last for none). Out: |q| of every entry, zeros before; distortion and bits of every block.
void decide_stages(bool plain, Array<const uint16_t> positions, Array<const float> coefficients, Array<const int64_t> ends, float inverse, int low,
                   Array<const uint8_t> table, Array<const uint8_t> token_bits, Array<const uint8_t> header_bits, int rounds,
                   Array<int32_t> magnitudes, Array<int64_t> costs) {
    std::vector<uint8_t> tokens(token_bits.data(), token_bits.data() + token_bits.size());
    tokens.resize((kTokenClasses + 1) * kTokenAlphabet);   // see AnalyzeJob
    const Segment segment{low, reinterpret_cast<const mmip::BlockPosition*>(table.data()), tokens.data(), header_bits.data(), header_bits.data()[header_bits.size() - 1]};
    Stages s{{positions.data(), positions.data() + positions.size()}, {coefficients.data(), coefficients.data() + coefficients.size()}, ends, inverse,
             segment, rounds, magnitudes.data(), std::vector<Cost>(ends.size())};
    plain ? decide_plainly(s) : decide_without_branches(s);
    for (size_t i = 0; i < s.costs.size(); ++i) costs.data()[2 * i] = s.costs[i].distortion, costs.data()[2 * i + 1] = s.costs[i].bits;
}

// P of a block of n x n samples whose first cell is the `at`-th, in raster order, of a tile of az x ay x ax cells with these samples.
void predict_samples(bool plain, Array<const int32_t> samples, int az, int ay, int ax, int at, int n, int prediction, Array<int32_t> out) {
    const int stride = kCellSize * ax, slice = kCellSize * ay * stride;
    if (plain) {
        const BlockEdge edge = edge_of(samples.data() + at / (ay * ax) * slice, stride, at / ax % ay, at % ax, n, ax);
        for (int i = 0; i < n * n; ++i) out.data()[i] = prediction_at(edge, slice, prediction, i / n, i % n);
        return;
    }
    const uint16_t raster = static_cast<uint16_t>(at);
    mmip::TileView tile{};
    tile.az = az, tile.ay = ay, tile.ax = ax, tile.raster = &raster;
    BlockPredictor predictor;
    predictor.use(tile, samples.data());
    predictor.begin(0, n);
    alignas(64) F8 found[4096 / 8];
    predictor.predict(prediction, found);
    for (int i = 0; i < n * n; ++i) out.data()[i] = static_cast<int32_t>(found[i / 8][i % 8]);
}

}  // namespace

void bind_decisions(nb::module_& m) {
    m.def("decide_stages", &decide_stages, "plain"_a, "positions"_a, "coefficients"_a, "ends"_a, "inverse"_a, "low"_a, "table"_a, "token_bits"_a,
          "header_bits"_a, "rounds"_a, "magnitudes"_a, "costs"_a);
    m.def("predict_samples", &predict_samples, "plain"_a, "samples"_a, "az"_a, "ay"_a, "ax"_a, "at"_a, "n"_a, "prediction"_a, "out"_a);
}
