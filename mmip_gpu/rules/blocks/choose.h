// How an encoder chooses between block modes, and what a coefficient's DC becomes.
// Values: integer costs and sums of differences; binary32 DCs. Host and device; all choices are integer (design D2), so that
// all executors choose alike. Not part of the format: a decoder never asks why.
#pragma once

#include "rules/blocks/decide.h"

namespace MMIP_NS {

// A cell with more nonzero indices than this share of its samples may hold an edge; effort 1 tries mode 4 there, nowhere else.
constexpr int kDenseShare = 6;

constexpr int32_t kHalfUp = 128;             // rounding in 1/256

// From which scaled magnitude on a coefficient may become an index by code lengths, at efforts 2 and 3: they nearly always drop
// those near 1/2.
constexpr int32_t kLeastRough = 144, kLeastFull = 128;

// The same for any Search; without code lengths, rounding decides.
MMIP_RULE int32_t least_scaled(int search, int32_t rounding) {
    if (search == mmip::kSearchFull) return kLeastFull;
    return search == mmip::kSearchRough ? kLeastRough : kStepOne - rounding;
}

// Effort 3: candidates of a rough cost up to 9/8 of the best one are weighed by code lengths; in a pass without one before, which
// is made for the code lengths of the next, the best ones alone, and in one round.
constexpr int64_t kNearNumerator = 9, kNearDenominator = 8;

MMIP_RULE bool is_near(int64_t rough, int64_t best, bool is_first) {
    return is_first ? rough <= best : kNearDenominator * rough <= kNearNumerator * best;
}

MMIP_RULE int decision_rounds(int search, bool is_first) { return search == mmip::kSearchFull && is_first ? 1 : kDecisionRounds; }

// A merged block against the blocks that it would merge, by rough costs: whether it wins, and whether effort 3 weighs it, or them,
// by code lengths.
struct Merge {
    bool wins, try_whole, try_split;
};

MMIP_RULE Merge compare_merge(bool possible, int64_t whole, int64_t split, bool is_first) {
    const bool wins = possible && whole < split;
    return {wins, possible && (wins || is_near(whole, split, is_first)), !wins || is_near(split, whole, is_first)};
}

// Whether the cells of a block to be vary alike, so that one large block is taken for better unseen: the standard deviation of
// their activities is at most 1/4 of the mean (less would lose speed, more loses bytes). A cell's activity is the sum of the
// differences between its rows, `differences` of them; `sum` and `squares` are over the block's `cells`.
MMIP_RULE bool is_even_block(int64_t sum, int64_t squares, int cells, int differences, float step) {
    const int64_t noise = static_cast<int64_t>(step) * (differences * cells / 16);
    return 16 * (cells * squares - square(sum)) <= square(sum + noise);
}

struct QuantizedDc {
    int32_t index;
    int64_t error;                           // squared, in (1/256 step)^2
};

// Rounded half up; where dc_unit > 1 (a DC image), the DC itself in 1/dc_unit step, whose errors count elsewhere.
MMIP_RULE QuantizedDc quantize_dc(float dc, float inverse, int dc_unit) {
    const int32_t scaled = scaled_magnitude(dc, inverse);
    if (dc_unit > 1) {
        const int32_t unit = 256 / dc_unit, parts = (scaled + unit / 2) / unit;
        return {dc < 0 ? -parts : parts, 0};
    }
    const int32_t magnitude = quantize_magnitude(scaled, kHalfUp);
    return {dc < 0 ? -magnitude : magnitude, square((static_cast<int64_t>(magnitude) << 8) - scaled)};
}

}  // namespace MMIP_NS
