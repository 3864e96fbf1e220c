// Which predictor set serves a brick: about how many bits its residuals take by each, on some of its rows.
// Values: V = int32_t or LanesI. Host and device. The encoder's own: no decoder asks.
#pragma once

#include "rules/predictive/integer_lanes.h"

namespace MMIP_NS {

constexpr int kCostRows = 8, kDeepCostRows = 16;   // a set is chosen on one row of so many

MMIP_RULE int cost_row_step(int depth) { return depth > 1 ? kDeepCostRows : kCostRows; }
MMIP_RULE int first_cost_row(int row_step, int height) { return row_step / 4 < height ? row_step / 4 : height - 1; }

// log2(1 + |r|) in 1/256, a straight line between powers of 2.
template <class V>
MMIP_RULE V residual_cost(V r) { return logarithm(greatest(r, -r) + 1); }

}  // namespace MMIP_NS
