// Where a sample stands in an array of planes.
// Values: 64-bit indices, since a chunk may hold more than 2^31 samples. Host and device. FORMAT.md section 1 (planes).
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

// Index of a sample of a C-ordered array (planes, size[0], size[1], size[2]).
MMIP_RULE int64_t sample_position(const int64_t* size, int64_t plane, int64_t z, int64_t y, int64_t x) {
    return ((plane * size[0] + z) * size[1] + y) * size[2] + x;
}

}  // namespace MMIP_NS
