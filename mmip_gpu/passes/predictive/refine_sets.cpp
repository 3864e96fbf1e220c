// See refine_sets.h. Bricks go to the set that serves them best; then each set has the weights moved that gain on its bricks.
#include "passes/predictive/refine_sets.h"

#include <algorithm>
#include <vector>

#include "passes/parallel.h"

namespace mmip {
namespace {

constexpr int64_t kSamplesLookedAt = 1 << 19;
constexpr int kRounds = 2, kSweeps = 2, kRowStep = 2;
constexpr int kSteps[] = {32, 16, 8, 4};             // of a weight, in 1/256
constexpr int kMostWeight = (1 << (kWeightBits - 1)) - 1;

class Refinement {
public:
    Refinement(const BrickResiduals& residuals, const PredictiveForm& form, int threads, Parameters& parameters)
        : residuals_(residuals), threads_(threads), parameters_(parameters) {
        int64_t brick = 1;
        for (int a = 0; a < 3; ++a) brick *= std::min(int64_t{1} << form.layout.brick_log2[a], form.layout.shape[a]);
        for (const int64_t item : residuals.some(std::max<int64_t>(1, kSamplesLookedAt / brick))) {
            bricks_.emplace_back(form.layout, form.components());
            residuals.load(item, bricks_.back());
        }
    }

    void run(int component) {
        auto& sets = parameters_.components[component].sets;
        for (int round = 0; round < kRounds; ++round) {
            std::vector<std::vector<BrickMemory*>> own(sets.size());
            for (BrickMemory& m : bricks_) own[best_of(costs({&m}, component, sets))].push_back(&m);
            parallel_for(static_cast<int64_t>(sets.size()), threads_, [&](int64_t s, int) { descend(own[s], component, sets[s]); });
        }
    }

private:
    using Bricks = std::vector<BrickMemory*>;

    std::vector<int64_t> costs(const Bricks& bricks, int component, const std::vector<PredictorSet>& sets) const {
        std::vector<int64_t> total(sets.size(), 0), found(sets.size());
        for (BrickMemory* m : bricks) {
            residuals_.costs(*m, component, sets.data(), static_cast<int>(sets.size()), kRowStep, found.data());
            for (size_t s = 0; s < sets.size(); ++s) total[s] += found[s];
        }
        return total;
    }

    static size_t best_of(const std::vector<int64_t>& costs) { return static_cast<size_t>(std::min_element(costs.begin(), costs.end()) - costs.begin()); }

    void descend(const Bricks& bricks, int component, PredictorSet& set) const {
        const int count = set.with_previous ? kNeighbours3d : kNeighbours2d;
        int64_t least = costs(bricks, component, {set})[0];
        for (const int step : kSteps)
            for (int sweep = 0; sweep < kSweeps; ++sweep)
                for (int k = 1; k < count; k += kMaxSets / 2) {
                    std::vector<PredictorSet> tried;
                    for (int i = k; i < std::min(count, k + kMaxSets / 2); ++i)
                        for (const int by : {step, -step}) tried.push_back(moved(set, i, by));
                    const std::vector<int64_t> found = costs(bricks, component, tried);
                    const size_t best = best_of(found);
                    if (found[best] < least) least = found[best], set = tried[best];
                }
    }

    // One weight more, that of W as much less.
    static PredictorSet moved(PredictorSet set, int weight, int by) {
        int16_t* weights = set.with_previous ? set.later.data() : set.first.data();
        by = std::clamp(weights[weight] + by, -kMostWeight, kMostWeight) - weights[weight];
        weights[weight] = static_cast<int16_t>(weights[weight] + by);
        weights[0] = static_cast<int16_t>(weights[0] - by);
        if (!set.with_previous) std::copy(set.first.begin(), set.first.end(), set.later.begin());
        return set;
    }

    const BrickResiduals& residuals_;
    const int threads_;
    Parameters& parameters_;
    std::vector<BrickMemory> bricks_;
};

}  // namespace

void refine_sets(const BrickResiduals& residuals, const PredictiveForm& form, int threads, Parameters& parameters) {
    Refinement refinement(residuals, form, threads, parameters);
    for (int i = 0; i < form.components(); ++i) refinement.run(i);
}

}  // namespace mmip
