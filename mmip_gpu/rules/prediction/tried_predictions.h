// Which predictions of a block an encoder tries, and which of them it keeps: those that leave the least of its samples.
// Values: predictions as numbers and bits of a set; sums of differences. Host and device; integers only, so that all executors keep the
// same ones. Encoder's own, not part of the format. Executors differ in how many they look at side by side.
#pragma once

#include "rules/lanes.h"
#include "rules/prediction/prediction.h"

namespace MMIP_NS {

constexpr int kFoundPredictions = 2;         // that are kept
constexpr int kMostClosed = 5;               // predictions of a block that code lengths decide between: W, N, the search's and those
constexpr uint64_t kAllAngles = (uint64_t{1} << (kLastAngle + 1)) - (uint64_t{1} << kFirstAngle), kCoarseAngles = 0x444444440;

// Of a symbol PREDICTION with its raw bits, where the predictions of neighbours are not known yet.
MMIP_RULE int guessed_prediction_bits(int prediction) {
    if (prediction == kPredictNone) return 1;
    return prediction == kPredictPlanar || prediction == kPredictSlice ? 4 : 5;
}

// The angles that are tried first: those that were hinted at (a bit each, others do not count), or without any hint each fourth one.
MMIP_RULE uint64_t first_angles(uint64_t hints) { return (hints != 0 ? hints : kCoarseAngles) & kAllAngles; }

// How far from the best angle others are tried after that; half of it in the next round, until it is 0.
MMIP_RULE int first_angle_step(uint64_t hints) { return hints != 0 ? 1 : 2; }

MMIP_RULE bool is_angle(int prediction) { return prediction >= kFirstAngle && prediction <= kLastAngle; }

// Slice and planar are tried before all angles, angles in ascending order. Of equal differences the first one stays.
struct FoundPredictions {
    int32_t count, best;                     // best: angle that left the least
    int64_t least;
    int32_t prediction[kFoundPredictions];
    int64_t difference[kFoundPredictions];

    MMIP_RULE void begin() { count = 0, best = kPredictNone, least = int64_t{1} << 62; }

    MMIP_RULE void take(int tried, int64_t left) {
        if (is_angle(tried) && left < least) least = left, best = tried;
        int at = count < kFoundPredictions ? count++ : kFoundPredictions;
        for (; at > 0 && difference[at - 1] > left; --at)
            if (at < kFoundPredictions) prediction[at] = prediction[at - 1], difference[at] = difference[at - 1];
        if (at < kFoundPredictions) prediction[at] = tried, difference[at] = left;
    }
};

// What a prediction leaves of the samples of a cell, their mean apart: the mean from their sum, rounded down, and a sample's part.
MMIP_RULE int32_t cell_mean(int32_t sum) { return sum >> 6; }

template <class I, class M>
MMIP_RULE I from_mean(I left, M mean) { return where(left < mean, mean - left, left - mean); }

}  // namespace MMIP_NS
