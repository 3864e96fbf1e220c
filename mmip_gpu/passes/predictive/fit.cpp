// See fit.h. Sets are fitted to samples of some bricks, first for bricks of several slices, and again for flat ones where depth gains little.
#include "passes/predictive/fit.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "passes/parallel.h"
#include "passes/predictive/fit_contexts.h"
#include "passes/predictive/fit_sets.h"
#include "passes/predictive/refine_sets.h"

namespace mmip {
namespace {

struct Effort {
    int samples, bricks, rounds;             // of a fit: samples of a component, bricks they are from, rounds of grouping
};
constexpr Effort kEfforts[] = {{4000, 64, 1}, {12000, 64, 1}, {40000, 256, 1}};
constexpr int kBricksPerSet = 6;             // fewer bricks do not pay for another set
constexpr int kResidualBits = 256;           // of a residual that is not 0, above its logarithm, in 1/256
constexpr int kUsualDecay = 2;               // of contexts
constexpr int kDepthBricks = 32, kDepthRows = 8;   // of so many rows one is looked at
constexpr double kDepthGain = 0.013, kBitsAboveLogarithm = 1.5;   // share of the bits; those of a residual above log2(1 + |r|)

int log2_over(int64_t n, int most) {
    int k = 0;
    while (k < most && (int64_t{1} << k) < n) ++k;
    return k;
}

// Tiles of kMaxResidualTile samples, as near to 1x32x64 or 8x16x16 as the shape allows; bricks of one tile in 2D, of 16x32x32 in 3D.
void choose_tiles(BrickLayout& layout, bool deep) {
    constexpr int total = 11;
    int* tile = layout.tile_log2;
    tile[0] = deep ? log2_over(layout.shape[0], 3) : 0;
    tile[1] = log2_over(layout.shape[1], deep ? 4 : 5);
    tile[2] = log2_over(layout.shape[2], total - tile[0] - tile[1]);
    tile[1] = log2_over(layout.shape[1], total - tile[0] - tile[2]);
    const int brick[3] = {deep ? 4 : 0, 5, 5};
    for (int a = 0; a < 3; ++a) layout.brick_log2[a] = deep ? std::max(tile[a], log2_over(layout.shape[a], brick[a])) : tile[a];
}

class Fit {
public:
    Fit(const SourceBricks& source, int effort, int threads, PredictiveForm& form, Parameters& parameters)
        : effort_(kEfforts[std::clamp(effort, 1, 3) - 1]), effort_number_(effort), threads_(threads), source_(source), form_(form), parameters_(parameters), residuals_(source, form, parameters) {}

    void run() {
        choose_form(kFormPlain);
        begin(form_.layout.shape[0] > 1);
        if (form_.layout.shape[0] > 1 && !gains_by_depth()) begin(false);
        if (effort_number_ > 2) refine_sets(residuals_, form_, threads_, parameters_);
        if (form_.components() > 1) fit_cross(64);
        fit_contexts(residuals_, form_, effort_number_, parameters_);
    }

private:
    // Tiles of one slice or of several, the colour form, and sets for them.
    void begin(bool deep) {
        choose_tiles(form_.layout, deep);
        choose_colour();
        fit();
    }

    // work(k, brick k of these, loaded), in any order.
    template <class Work>
    void for_bricks(const std::vector<int64_t>& bricks, const Work& work) const {
        std::vector<std::unique_ptr<BrickMemory>> memories(static_cast<size_t>(std::max(threads_, 1)));
        parallel_for(static_cast<int64_t>(bricks.size()), threads_, [&](int64_t k, int worker) {
            if (!memories[worker]) memories[worker] = std::make_unique<BrickMemory>(form_.layout, form_.components());
            residuals_.load(bricks[k], *memories[worker]);
            work(k, *memories[worker]);
        });
    }

    // Whether sets that see the slice before serve bricks of several slices so much better that their smaller tiles pay: by the mean
    // of log2(1 + |r|) over some rows of some bricks, each by the set that serves it best.
    bool gains_by_depth() {
        const std::vector<int64_t> bricks = residuals_.some(kDepthBricks);
        std::vector<std::vector<PredictorSet>> deep_sets, flat_sets;
        for (const ComponentParameters& c : parameters_.components) {
            deep_sets.push_back(c.sets);
            flat_sets.push_back(c.sets);
            for (PredictorSet& set : flat_sets.back()) {
                set.with_previous = false;
                set.later = {};
                std::copy(set.first.begin(), set.first.end(), set.later.begin());
            }
        }
        std::vector<int64_t> deep_costs(bricks.size(), 0), flat_costs(bricks.size(), 0), counts(bricks.size(), 0);
        for_bricks(bricks, [&](int64_t k, BrickMemory& m) {
            for (int i = 0; i < form_.components(); ++i) {
                deep_costs[k] += least_cost(m, i, deep_sets[i]);
                flat_costs[k] += least_cost(m, i, flat_sets[i]);
                counts[k] += static_cast<int64_t>(m.brick.extent[0]) * m.brick.extent[2] * std::max(1, m.brick.extent[1] / kDepthRows);
            }
        });
        const auto sum = [](const std::vector<int64_t>& of) { return static_cast<double>(std::accumulate(of.begin(), of.end(), int64_t{0})); };
        const double deep = sum(deep_costs) / 256 / sum(counts), flat = sum(flat_costs) / 256 / sum(counts);
        return flat - deep > kDepthGain * (flat + kBitsAboveLogarithm);
    }

    int64_t least_cost(BrickMemory& m, int component, const std::vector<PredictorSet>& sets) const {
        int64_t found[kMaxSets];
        residuals_.costs(m, component, sets.data(), static_cast<int>(sets.size()), kDepthRows, found);
        return *std::min_element(found, found + sets.size());
    }

    void choose_form(int colour_form) {
        const int64_t planes = form_.layout.planes / form_.components() * form_.channels;
        form_.colour_form = colour_form;
        form_.set_planes(planes);
        form_.bits = source_.bits(colour_form);
        parameters_.components.assign(static_cast<size_t>(form_.components()), {});
        for (ComponentParameters& c : parameters_.components) c.context = context_form(0, kUsualDecay, 0);
    }

    // The form whose components MED, and the residuals of those before, predict best.
    void choose_colour() {
        if (form_.channels == 1) return;
        int64_t least = INT64_MAX;
        int best = 0;
        for (int colour = 0; colour < kColourForms - (source_.palette().empty() ? 1 : 0); ++colour) {
            choose_form(colour);
            for (auto& c : parameters_.components) c.sets = {median_set()};
            if (form_.components() > 1) fit_cross(24);
            BrickMemory m(form_.layout, form_.components());
            int64_t cost = 0;
            for (const int64_t item : residuals_.some(24)) {
                uint8_t sets[kMaxComponents];
                residuals_.find(item, m, sets);
                for (int i = 0; i < form_.components(); ++i) {
                    if (i > 0) residuals_.subtract_cross(m, i);
                    const int32_t* coded = residuals_.coded(m, i);
                    for_residuals(m, [&](int64_t at) { cost += coded[at] == 0 ? 0 : logarithm(std::abs(coded[at]) + 1) + kResidualBits; });
                }
            }
            if (cost < least) least = cost, best = colour;
        }
        choose_form(best);
    }

    void fit() {
        const std::vector<int64_t> bricks = residuals_.some(effort_.bricks);
        std::vector<std::vector<BrickSamples>> samples(static_cast<size_t>(form_.components()), std::vector<BrickSamples>(bricks.size()));
        for_bricks(bricks, [&](int64_t k, BrickMemory& m) {
            for (int i = 0; i < form_.components(); ++i) samples[i][k] = take_samples(m, i, effort_.samples / static_cast<int>(bricks.size()) + 1, static_cast<uint32_t>(k));
        });
        const int most = static_cast<int>(std::clamp<int64_t>(residuals_.bricks() / kBricksPerSet, 1, kMaxSets - 1));
        for (int i = 0; i < form_.components(); ++i) {
            auto& sets = parameters_.components[i].sets;
            sets = fit_sets(samples[i], form_.layout.brick_log2[0] > 0, most, effort_.rounds, threads_);
            if (residuals_.bricks() >= kBricksPerSet) sets.push_back(median_set());
        }
    }

    // Neighbours of up to `most` samples of a component, at places drawn by `seed`; all where there are no more.
    BrickSamples take_samples(BrickMemory& m, int component, int most, uint32_t seed) const {
        const int* e = m.brick.extent;
        const int count = e[0] * e[1] * e[2];
        const int step = std::max(1, count / most);
        BrickSamples found;
        const size_t room = static_cast<size_t>((count + step - 1) / step);
        found.neighbours.reserve(room * kNeighbours3d);
        found.targets.reserve(room);
        found.has_previous.reserve(room);
        uint32_t state = seed * 2654435761u + 12345u;
        for (int i = 0; i < count; i += step) {
            state = state * 1664525u + 1013904223u;
            const int at = std::min(count - 1, i + static_cast<int>((state >> 8) % static_cast<uint32_t>(step)));
            const int z = at / (e[1] * e[2]), y = at / e[2] % e[1], x = at % e[2];
            const int32_t* brick = m.of(component);
            const BrickRows<int32_t> rows = rows_around(brick, m.strides.row, m.strides.slice, z, y, e[1]);
            const int32_t* here = brick + z * m.strides.slice + y * m.strides.row;
            const int32_t first = y > 0 ? rows.north[0] : (z > 0 ? rows.previous[0] : 0);
            const int32_t west = x > 0 ? here[x - 1] : first, west2 = x > 1 ? here[x - 2] : first;
            int32_t n[kNeighbours3d] = {};
            if (y > 0 && z > 0) neighbours_of<int32_t, true, true>(rows, x, e[2], west, west2, n);
            else if (y > 0) neighbours_of<int32_t, true, false>(rows, x, e[2], west, west2, n);
            else if (z > 0) neighbours_of<int32_t, false, true>(rows, x, e[2], west, west2, n);
            else neighbours_of<int32_t, false, false>(rows, x, e[2], west, west2, n);
            found.neighbours.insert(found.neighbours.end(), n, n + kNeighbours3d);
            found.targets.push_back(here[x]);
            found.has_previous.push_back(z > 0);
        }
        return found;
    }

    // Weights of earlier residuals by least squares over some bricks, large residuals counting less.
    void fit_cross(int bricks) {
        double of_first = 0, first = 0;                       // component 1 by 0
        double a00 = 0, a01 = 0, a11 = 0, b0 = 0, b1 = 0;     // component 2 by 0 and 1
        BrickMemory m(form_.layout, form_.components());
        for (const int64_t item : residuals_.some(bricks)) {
            uint8_t sets[kMaxComponents];
            residuals_.find(item, m, sets);
            for_residuals(m, [&](int64_t at) {
                const double r0 = m.residuals_of(0)[at], r1 = m.residuals_of(1)[at], r2 = m.residuals_of(2)[at];
                const double w1 = 1 / (1 + std::fabs(r1)), w2 = 1 / (1 + std::fabs(r2));
                of_first += w1 * r0 * r1, first += w1 * r0 * r0;
                a00 += w2 * r0 * r0, a01 += w2 * r0 * r1, a11 += w2 * r1 * r1, b0 += w2 * r0 * r2, b1 += w2 * r1 * r2;
            });
        }
        const auto weight = [](double w) { return static_cast<int8_t>(std::clamp(std::floor(64 * w + 0.5), -127.0, 127.0)); };
        auto& components = parameters_.components;
        if (first > 0) components[1].cross[0] = weight(of_first / first);
        const double determinant = a00 * a11 - a01 * a01;
        if (determinant > 1e-6 * a00 * a11) {
            components[2].cross = {weight((b0 * a11 - b1 * a01) / determinant), weight((b1 * a00 - b0 * a01) / determinant)};
        } else if (a00 > 0) {
            components[2].cross = {weight(b0 / a00), 0};
        }
        components[1].context = components[2].context = context_form(1, kUsualDecay, 0);
    }

    const Effort effort_;
    const int effort_number_;
    const int threads_;
    const SourceBricks& source_;
    PredictiveForm& form_;
    Parameters& parameters_;
    const BrickResiduals residuals_;
};

}  // namespace

void fit_parameters(const SourceBricks& source, int effort, int threads, PredictiveForm& form, Parameters& parameters) {
    Fit(source, effort, threads, form, parameters).run();
}

}  // namespace mmip
