// What an encoder of kind 2 chooses for an array: tiles, the colour form, predictor sets, weights between components.
// Values: bricks in; the form and the parameters, but for the sets of bricks and the codes, out. Home: host.
// Any number of threads chooses the same.
#pragma once

#include "passes/predictive/brick_residuals.h"

namespace mmip {

void fit_parameters(const SourceBricks& source, int effort, int threads, PredictiveForm& form, Parameters& parameters);

}  // namespace mmip
