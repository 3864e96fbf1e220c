// Decisions whose probability is mixed by the mean of two sets of weights, from adaptive bits that are found by a hash.
// Values: decisions of 0 or 1 to and from a range code. Host and device. Integers only. Implements FORMAT.md section 8.10 (decisions).
#pragma once

#include "rules/coding/range_coder.h"
#include "rules/predictive/mixed_bits.h"

namespace MMIP_NS {

constexpr int kMixInputs = 8;                                // contexts of a decision; a constant comes with them
constexpr int32_t kMixStart = 12000, kMixRate = 10;          // of weights: first value, in 1/65536; how fast they move

struct MixWeights {
    int32_t weight[kMixInputs + 1];
};

MMIP_RULE int32_t wrapping_sum(int32_t a, int32_t b) { return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)); }

// Coder: RangeEncoder or RangeDecoder of a StatedProbability.
template <class Coder>
MMIP_RULE int mixed_bit(Coder& coder, const MixingTables& tables, uint32_t* const* nodes, MixWeights& first, MixWeights& second, int bit) {
    int32_t logits[kMixInputs + 1];
    int64_t sum = 0;
    for (int i = 0; i <= kMixInputs; ++i) {
        logits[i] = i < kMixInputs ? tables.logits[*nodes[i] >> 20] : kLogitUnit;
        sum += (static_cast<int64_t>(first.weight[i]) + second.weight[i]) * logits[i];
    }
    const int64_t logit = sum >> 17;
    const int32_t kept = static_cast<int32_t>(logit < -kMaxLogit ? -kMaxLogit : logit > kMaxLogit ? kMaxLogit : logit);
    const int32_t p = tables.probabilities[kept + kMaxLogit];
    coder.model.probability[0] = static_cast<uint32_t>(p);
    bit = coder.decide(0, bit);
    const int64_t error = static_cast<int64_t>((bit << 16) - p) * kMixRate;
    for (int i = 0; i <= kMixInputs; ++i) {
        const int32_t step = static_cast<int32_t>((logits[i] * error + (1 << 17)) >> 18);
        first.weight[i] = wrapping_sum(first.weight[i], step), second.weight[i] = wrapping_sum(second.weight[i], step);
    }
    const int32_t target = bit != 0 ? (1 << kProbabilityBits) - 1 : 0;
    for (int i = 0; i < kMixInputs; ++i) {
        const uint32_t state = *nodes[i], seen = state & ((1u << kCountBitsOfNode) - 1);
        const int64_t step = (static_cast<int64_t>(target - static_cast<int32_t>(state >> kCountBitsOfNode)) * tables.rates[seen]) >> 16;
        *nodes[i] = state + (static_cast<uint32_t>(step) << kCountBitsOfNode) + (seen < kMostSeen ? 1 : 0);
    }
    return bit;
}

}  // namespace MMIP_NS
