// Corrections of samples: the index of a residual, its context and its symbols.
// Values: residuals and indices (int32) of the samples of a tile. Host and device. Implements FORMAT.md sections 2 and 8.3.
// Guarantees that a corrected sample differs from the original by at most the stated error.
#pragma once

#include "rules/tokens/symbols.h"

namespace MMIP_NS {

// Index of the residual d = original - decoded: the nearest multiple of 2 error + 1.
MMIP_RULE int32_t correction_index(int32_t d, int32_t error) {
    const int32_t magnitude = d < 0 ? -d : d, index = (magnitude + error) / (2 * error + 1);
    return d < 0 ? -index : index;
}

MMIP_RULE int32_t corrected(int32_t decoded, int32_t index, int32_t error, int32_t minimum, int32_t maximum) {
    const int64_t value = decoded + static_cast<int64_t>(index) * (2 * error + 1);
    return static_cast<int32_t>(least(greatest(value, minimum), maximum));
}

// Indices of the samples before: one and two to the left, above, above left, above right, two above; 0 outside the tile.
struct CorrectionNeighbours {
    int32_t w, ww, n, nw, ne, nn;
};

struct CorrectionContext {
    int code_class;
    uint32_t activity;
    bool flipped;              // the sign of the index is changed before coding
};

constexpr int kActivityClasses = 14, kSkewClasses = 3;
constexpr int kRunClass = kActivityClasses * kSkewClasses, kRunClasses = 4;
constexpr int kAfterRunClass = kRunClass + kRunClasses;   // and the one after it

MMIP_RULE int activity_class(uint32_t activity) {
    if (activity < 4) return static_cast<int>(activity);
    if (activity >= 64) return activity >= 128 ? 13 : 12;
    const int e = bit_length(activity) - 1;
    return 2 * e + static_cast<int>((activity >> (e - 1)) & 1);
}

MMIP_RULE CorrectionContext correction_context(const CorrectionNeighbours& k) {
    const uint32_t activity = 2 * (index_magnitude(k.w) + index_magnitude(k.n)) + index_magnitude(k.nw) + index_magnitude(k.ne) +
                              index_magnitude(k.ww) + index_magnitude(k.nn);
    const int32_t sum = 2 * (k.w + k.n) + k.nw + k.ne;
    const uint32_t lean = index_magnitude(sum);
    const int skew = (4 * static_cast<uint64_t>(lean) > activity ? 1 : 0) + (2 * static_cast<uint64_t>(lean) > activity ? 1 : 0);
    return {activity_class(activity) * kSkewClasses + skew, activity, sum < 0};
}

// Symbol of an index: 0, then N(|k|) with the sign (2 N - 1 for plus, 2 N for minus).
MMIP_RULE int correction_symbol(int32_t k) {
    const int n = count_symbol(index_magnitude(k));
    return 2 * n - (k > 0 ? 1 : 0);
}

MMIP_RULE int run_class(uint32_t run_before) {
    const int b = bit_length(run_before);
    return kRunClass + (b < 2 ? 0 : (b < 4 ? 1 : (b < 6 ? 2 : 3)));
}

}  // namespace MMIP_NS
