// The weights by which DCs are predicted, fitted to a chunk; encoder side of FORMAT.md section 8.1.
// Values: DC indices and step sizes in, DcWeights out. Home: host, always (least squares in binary64, in one fixed order).
// A function of the DCs outside the padding alone, so that it finds the same weights before and after masked DCs are set.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/dc/dc.h"
#include "passes/coding/codebook.h"
#include "passes/layout.h"

namespace mmip {

// The fitted weights where they save more bits than they take, else the built-in ones.
DcWeights fit_dc_weights(const Coefficients& coefficients, const std::vector<std::vector<uint32_t>>& steps);

bool operator==(const DcWeights& a, const DcWeights& b);

// The weights as a payload of stage 1 states them.
void put_weights(const DcWeights& weights, BitString& head);

}  // namespace mmip
