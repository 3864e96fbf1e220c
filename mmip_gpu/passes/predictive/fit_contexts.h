// How the contexts of a component are made: chosen by what its tokens take, and what of it stands in the head.
// Values: residuals of some bricks, or counts of tokens by class, in; contexts and counts by table out. Home: host.
// Encoder's own; entropies in binary64 in one order, so that all machines agree.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/predictive/brick_residuals.h"

namespace mmip {

// The table of a token of class `number`: classes of tokens are half octaves, of which the head says where those of tables begin.
inline int table_of_class(int number, int least_half) {
    if (number == kAfterRunClass) return kAfterRunTable;
    return number == 0 ? 0 : std::clamp(number - least_half, 1, kResidualClasses - 1);
}

// What is there for each table (class fastest), for each class.
template <class T>
std::vector<T> for_classes(const std::vector<T>& of_tables, int least_half) {
    std::vector<T> found(of_tables.size());
    for (size_t i = 0; i < found.size(); ++i) {
        const size_t number = i % kClassNumbers;
        found[i] = of_tables[i - number + static_cast<size_t>(table_of_class(static_cast<int>(number), least_half))];
    }
    return found;
}

// Where classes begin, and the codes, so that symbols take least; counts: of each class (kClassNumbers x kResidualAlphabet).
void choose_codes(const std::vector<uint32_t>& counts, ComponentParameters& component);

// Chooses weight and decay of the contexts of all components by some bricks.
void fit_contexts(const BrickResiduals& residuals, const PredictiveForm& form, int effort, Parameters& parameters);

}  // namespace mmip
