// Built-in code lengths of predictions.
// Values: lengths 0 (not listed) to 12, the escape last. Host and device. FORMAT.md section 7.1.
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

// Of none, as W, as N, planar, slice, an angle; by the block's size and how many of W and N are predicted.
MMIP_TABLE uint8_t kPredictionLengths[12][7] = {
    {1, 5, 5, 4, 3, 2, 0},
    {2, 3, 2, 4, 4, 2, 0},
    {3, 1, 4, 5, 5, 2, 0},
    {1, 5, 5, 4, 3, 2, 0},
    {2, 3, 2, 4, 4, 2, 0},
    {3, 1, 4, 5, 5, 2, 0},
    {1, 5, 5, 4, 3, 2, 0},
    {1, 3, 2, 5, 5, 4, 0},
    {2, 1, 3, 5, 5, 4, 0},
    {1, 4, 4, 4, 2, 4, 0},
    {1, 2, 3, 5, 4, 5, 0},
    {2, 1, 3, 5, 4, 5, 0},
};

}  // namespace MMIP_NS
