// Values for the samples under the padding mask, which a decoder does not look at: smooth, and cheap in the cells' transform.
// Values: planes of the chunk in and out, the mask of the Coefficients. Home: host; one item of work = one tile.
// Encoder only: no part of FORMAT.md. Results do not depend on the number of threads or the instruction set.
#pragma once

#include <cstdint>

#include "rules/dc/dc.h"
#include "passes/blocks/analyze.h"

namespace mmip {

// `filled` becomes the samples with those under the mask replaced; of the same type and size. classes: as for analyze.
void fill_padding(const Coefficients& coefficients, const Quantizer& quantizer, const Samples& samples, const uint8_t* classes,
                  const Samples& filled, int threads);

// After analyze: blocks that are masked everywhere get no AC, and the DCs that cost least by the fitted weights, which it returns.
DcWeights settle_masked_blocks(Coefficients& coefficients, const Quantizer& quantizer, int threads);

}  // namespace mmip
