// Predictor sets in the form that the kernels take.
// Values: the sets of components in; the bytes of kMaxSets predictors a component out. Home: host.
#pragma once

#include "bindings/arrays.h"
#include "passes/predictive/parameters.h"

namespace mmip {

inline Made<uint8_t> predictors_of(const std::vector<ComponentParameters>& components) {
    std::vector<Predictor<int32_t>> all(components.size() * kMaxSets);
    for (size_t i = 0; i < components.size(); ++i)
        for (size_t k = 0; k < components[i].sets.size(); ++k) {
            const PredictorSet& set = components[i].sets[k];
            Predictor<int32_t>& p = all[i * kMaxSets + k];
            std::copy(set.first.begin(), set.first.end(), p.first);
            std::copy(set.later.begin(), set.later.end(), p.later);
            p.bound_ne = set.bound_ne ? -1 : 0;
            p.bound_p = set.with_previous ? -1 : 0;
        }
    return copied_bytes(all);
}

// By component: the weights of earlier residuals, and how its contexts are made.
inline Made<int32_t> cross_of(const std::vector<ComponentParameters>& components) {
    std::vector<int32_t> all;
    for (const ComponentParameters& c : components) all.insert(all.end(), {c.cross[0], c.cross[1], c.context});
    return copied(all);
}

}  // namespace mmip
