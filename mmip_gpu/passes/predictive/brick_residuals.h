// Residuals of bricks, each by the set that serves it best: what an encoder fits its parameters by, and what it codes.
// Values: bricks of a SourceBricks in, residuals in their BrickMemory out. Home: host. Implements FORMAT.md sections 8.6 and 8.7.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/kernels.h"
#include "passes/predictive/parameters.h"
#include "passes/predictive/source_bricks.h"

namespace mmip {

// Looks at form and parameters whenever it is asked: they may change between.
class BrickResiduals {
public:
    BrickResiduals(const SourceBricks& source, const PredictiveForm& form, const Parameters& parameters) : source_(source), form_(form), parameters_(parameters) {}

    int64_t bricks() const { return form_.layout.planes / form_.components() * form_.layout.bricks_of_plane(); }   // of one component
    int64_t group_of(int64_t item) const { return item / form_.layout.bricks_of_plane(); }
    const PredictiveKernels& kernels() const { return predictive_kernels(bits(form_.components() - 1)); }

    // Numbers of at most `most` bricks: one drawn out of each of as many parts, so that they lie in no pattern.
    std::vector<int64_t> some(int64_t most) const;

    void load(int64_t item, BrickMemory& m) const { source_.load(group_of(item), item % form_.layout.bricks_of_plane(), form_.colour_form, m); }
    // About how many bits a component of a loaded brick takes by each set, in 1/256, on one row of `row_step`.
    void costs(BrickMemory& m, int component, const PredictorSet* sets, int count, int row_step, int64_t* found) const;
    // Residuals of all components of a brick, without what residuals of earlier components say of later ones; and the sets that they are by.
    void find(int64_t item, BrickMemory& m, uint8_t* sets) const;
    // Less what earlier residuals say; these stay as they are.
    void subtract_cross(BrickMemory& m, int component) const;
    // What is coded of a component, once subtract_cross was called.
    const int32_t* coded(BrickMemory& m, int component) const { return has_cross(component) ? m.of(component) : m.residuals_of(component); }

private:
    int bits(int component) const { return component_bits(form_.colour_form, form_.bits, component); }
    bool has_cross(int component) const {
        const auto& cross = parameters_.components[component].cross;
        return cross[0] != 0 || cross[1] != 0;
    }
    ResidualJob job_of(BrickMemory& m, int component, int row_step) const;
    uint8_t best_set(BrickMemory& m, int component) const;

    const SourceBricks& source_;
    const PredictiveForm& form_;
    const Parameters& parameters_;
};

// work(where) for each sample of a brick.
template <class Work>
void for_residuals(const BrickMemory& m, const Work& work) {
    for (int z = 0; z < m.brick.extent[0]; ++z)
        for (int y = 0; y < m.brick.extent[1]; ++y)
            for (int x = 0; x < m.brick.extent[2]; ++x) work(z * m.strides.slice + y * m.strides.row + x);
}

}  // namespace mmip
