// What residuals of earlier components say of those of a later one.
// Values: V = int32_t or LanesI. Host and device. Implements FORMAT.md section 8.6 (r and r').
#pragma once

#include "rules/predictive/integer_lanes.h"

namespace MMIP_NS {

// r of the coded r', modulo 2^bits; a, b: residuals of components 0 and 1, wa, wb: their weights in 1/64.
template <class V>
MMIP_RULE V with_cross(V coded, V a, V b, int32_t wa, int32_t wb, int bits) {
    const int32_t unused = 32 - bits;
    return shifted_left(coded + ((a * wa + b * wb + 32) >> 6), V{} + unused) >> unused;
}

// The coded r' of r.
template <class V>
MMIP_RULE V without_cross(V r, V a, V b, int32_t wa, int32_t wb, int bits) {
    const int32_t unused = 32 - bits;
    return shifted_left(r - ((a * wa + b * wb + 32) >> 6), V{} + unused) >> unused;
}

}  // namespace MMIP_NS
