// Predictor sets fitted to an array: least squares of its samples, bricks grouped by what predicts them best.
// Values: neighbours of some samples in, sets out. Home: host. Encoder's own; binary64 in one order, so that all machines agree.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/predictive/parameters.h"

namespace mmip {

// Some samples of one brick: rows of kNeighbours3d neighbours (0 where there is none), and what they should predict.
struct BrickSamples {
    std::vector<int32_t> neighbours, targets;
    std::vector<uint8_t> has_previous;       // of each sample: whether it has neighbours in the slice before

    size_t count() const { return targets.size(); }
};

// Up to `most` sets that predict the bricks; `rounds` of grouping.
std::vector<PredictorSet> fit_sets(const std::vector<BrickSamples>& bricks, bool is_deep, int most, int rounds, int threads);

// Left and upper neighbour less the one between, bounded by both (MED).
PredictorSet median_set();

}  // namespace mmip
