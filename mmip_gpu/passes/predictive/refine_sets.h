// Weights of predictor sets, moved in small steps as long as what they leave takes fewer bits.
// Values: fitted sets in and out. Home: host. Encoder's own; any number of threads gives the same.
#pragma once

#include "passes/predictive/brick_residuals.h"

namespace mmip {

void refine_sets(const BrickResiduals& residuals, const PredictiveForm& form, int threads, Parameters& parameters);

}  // namespace mmip
