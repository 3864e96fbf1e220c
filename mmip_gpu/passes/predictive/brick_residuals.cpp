// See brick_residuals.h.
#include "passes/predictive/brick_residuals.h"

#include <algorithm>

#include "rules/predictive/set_cost.h"

namespace mmip {
namespace {

SetOfWeights weights_of(const PredictorSet& set) { return {set.first.data(), set.later.data(), set.bound_ne, set.with_previous}; }

}  // namespace

std::vector<int64_t> BrickResiduals::some(int64_t most) const {
    std::vector<int64_t> found;
    const int64_t all = bricks(), count = std::min(all, most);
    uint32_t state = 1;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t first = i * all / count, size = (i + 1) * all / count - first;
        state = state * 1664525u + 1013904223u;
        found.push_back(first + (state >> 8) % size);
    }
    return found;
}

ResidualJob BrickResiduals::job_of(BrickMemory& m, int component, int row_step) const {
    const int* extent = m.brick.extent;
    return {m.of(component), m.strides, extent[0], extent[1], extent[2], bits(component), row_step, m.residuals_of(component)};
}

void BrickResiduals::costs(BrickMemory& m, int component, const PredictorSet* sets, int count, int row_step, int64_t* found) const {
    SetOfWeights weights[kMaxSets];
    for (int s = 0; s < count; ++s) weights[s] = weights_of(sets[s]);
    kernels().costs(job_of(m, component, row_step), weights, count, found);
}

uint8_t BrickResiduals::best_set(BrickMemory& m, int component) const {
    const auto& sets = parameters_.components[component].sets;
    if (sets.size() == 1) return 0;
    int64_t found[kMaxSets];
    costs(m, component, sets.data(), static_cast<int>(sets.size()), cost_row_step(m.brick.extent[0]), found);
    return static_cast<uint8_t>(std::min_element(found, found + sets.size()) - found);
}

void BrickResiduals::find(int64_t item, BrickMemory& m, uint8_t* sets) const {
    load(item, m);
    for (int i = 0; i < form_.components(); ++i) {
        sets[i] = best_set(m, i);
        kernels().residuals(job_of(m, i, 1), weights_of(parameters_.components[i].sets[sets[i]]));
    }
}

void BrickResiduals::subtract_cross(BrickMemory& m, int component) const {
    if (!has_cross(component)) return;
    const auto& cross = parameters_.components[component].cross;
    const int* e = m.brick.extent;
    kernels().subtract_cross({m.residuals_of(component), {m.residuals_of(0), component > 1 ? m.residuals_of(1) : nullptr}, {cross[0], cross[1]}, bits(component),
                              0, e[0], e[1], e[2], m.strides}, m.of(component));   // its values are not needed any more
}

}  // namespace mmip
