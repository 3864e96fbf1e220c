// The index of a float32 sample: the nearest multiple of a step.
// Values: binary32 sample, binary64 step and limit in, int32 index out. Host and device. Implements FORMAT.md section 2 (dtype 4).
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

constexpr double kRoundingShift = 6755399441055744.0;   // 1.5 * 2^52: what is added to it loses its fraction, ties to even

// rint(v / step); false where that is beyond the limit, of at most 2^30, or v is not finite.
MMIP_RULE bool float_index(float v, double step, double limit, int32_t& index) {
    const double shifted = static_cast<double>(v) / step + kRoundingShift, rounded = shifted - kRoundingShift;
    const bool within = rounded >= -limit && rounded <= limit;
    index = static_cast<int32_t>(within ? rounded : 0.0);
    return within;
}

}  // namespace MMIP_NS
