// Adaptive bits, their logits, and the probability of a logit: what decisions are mixed of.
// Values: probabilities in 1/2^22 and 1/65536, logits in 1/256. Host and device, integers. Implements FORMAT.md section 8.9.
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

constexpr int kLogitUnit = 256, kMaxLogit = 11 * kLogitUnit;   // ln(p / (1 - p)), in 1/256
constexpr int kProbabilityBits = 22, kCountBitsOfNode = 10;
constexpr uint32_t kFreshNode = 1u << 31;                      // probability 1/2, nothing seen
constexpr uint32_t kMostSeen = 255;
constexpr int kNodes = 64, kNodesOfSize = 5, kLargestNodeSize = 12, kMaxResidualSize = 21;
constexpr int kMixingShift = 16;
constexpr int32_t kMixingOne = 1 << 16;                        // weight 1

// round(65536 / (1 + exp(-i / 4)))
MMIP_TABLE uint16_t kLogistic[4 * 11 + 2] = {
    32768, 36843, 40793, 44511, 47911, 50941, 53581, 55834, 57724, 59287, 60565, 61598, 62428, 63090, 63615, 64030,
    64357, 64614, 64816, 64974, 65097, 65194, 65269, 65328, 65374, 65410, 65438, 65459, 65476, 65489, 65500, 65508,
    65514, 65519, 65523, 65526, 65528, 65530, 65531, 65532, 65533, 65534, 65534, 65535, 65535, 65535};

// Probability in 1/65536, 1 to 65535, of a logit.
MMIP_RULE int32_t logistic(int32_t logit) {
    const int32_t a = logit < 0 ? -logit : logit, i = a >> 6;
    const int32_t p = kLogistic[i] + (((kLogistic[i + 1] - kLogistic[i]) * (a & 63)) >> 6);
    return logit < 0 ? 65536 - p : p;
}

// What decisions look up.
struct MixingTables {
    int16_t logits[4096];                      // of a probability's 12 upper bits
    uint16_t probabilities[2 * kMaxLogit + 1]; // of a logit, from -kMaxLogit on
    uint32_t rates[kMostSeen + 1];             // 65536 / (seen + 1.6)

    void fill() {
        for (int32_t d = -kMaxLogit; d <= kMaxLogit; ++d) probabilities[d + kMaxLogit] = static_cast<uint16_t>(logistic(d));
        int32_t d = -kMaxLogit;
        for (int i = 0; i < 4096; ++i) {
            while (d < kMaxLogit && logistic(d) < 16 * i + 8) ++d;
            logits[i] = static_cast<int16_t>(d);
        }
        for (uint32_t n = 0; n <= kMostSeen; ++n) rates[n] = 655360 / (10 * n + 16);
    }
};

// A model for the range coder: the probability that was stated last.
struct StatedProbability {
    uint32_t probability[1];
    MMIP_RULE void adapt(int, int) {}
};

// The adaptive bits of one context: probability of a 1 in the upper bits, how often it was seen in the lower.
struct alignas(64) ContextNodes {
    uint32_t node[kNodes];
};

}  // namespace MMIP_NS
