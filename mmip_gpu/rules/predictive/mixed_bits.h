// Binary decisions whose probability is mixed from adaptive bits of several contexts, and residuals as such decisions.
// Values: residuals, numbers of nodes; probabilities in 1/2^22 and 1/65536. Host and device, integers. Implements FORMAT.md section 8.9.
// A coder does a decision of a given probability: RangeEncoder or RangeDecoder of rules/coding/range_coder.h, of a StatedProbability.
#pragma once

#include "rules/tokens/symbols.h"

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

template <int contexts>
struct MixingWeights {
    int32_t of[contexts];
};

// Decisions in the contexts of one sample.
template <class Coder, int contexts>
struct MixedDecisions {
    Coder& coder;
    const MixingTables& tables;
    ContextNodes* slots[contexts];
    MixingWeights<contexts>* weights;          // of the sample's mixing class, one a node

    MMIP_RULE int decide(int node, int bit) {
        int32_t* w = weights[node].of;
        uint32_t states[contexts];
        int32_t logits[contexts];
        int64_t sum = kMixingOne / 2;
        for (int i = 0; i < contexts; ++i) {
            states[i] = slots[i]->node[node];
            logits[i] = tables.logits[states[i] >> 20];
            sum += static_cast<int64_t>(w[i]) * logits[i];
        }
        const int64_t logit = sum >> 16;
        const int32_t kept = static_cast<int32_t>(logit < -kMaxLogit ? -kMaxLogit : logit > kMaxLogit ? kMaxLogit : logit);
        const int32_t p = tables.probabilities[kept + kMaxLogit];
        coder.model.probability[0] = static_cast<uint32_t>(p);
        bit = coder.decide(0, bit);
        const int32_t error = (bit << 16) - p;
        const int32_t target = bit != 0 ? (1 << kProbabilityBits) - 1 : 0;
        for (int i = 0; i < contexts; ++i) {
            w[i] = static_cast<int32_t>(static_cast<uint32_t>(w[i]) + static_cast<uint32_t>((error * logits[i] + (1 << (kMixingShift - 1))) >> kMixingShift));
            const uint32_t seen = states[i] & ((1u << kCountBitsOfNode) - 1);
            const int64_t step = (static_cast<int64_t>(target - static_cast<int32_t>(states[i] >> kCountBitsOfNode)) * tables.rates[seen]) >> 16;
            slots[i]->node[node] = states[i] + (static_cast<uint32_t>(step) << kCountBitsOfNode) + (seen < kMostSeen ? 1 : 0);
        }
        return bit;
    }

    // `count` bits of equal probability.
    MMIP_RULE uint32_t raw(int count, uint32_t bits) {
        coder.model.probability[0] = 32768;
        uint32_t value = 0;
        for (int i = count - 1; i >= 0; --i) value = 2 * value + static_cast<uint32_t>(coder.decide(0, static_cast<int>((bits >> i) & 1)));
        return value;
    }
};

enum NodeOfSize { kNodeIs, kNodeIsBelow, kNodeStartBelow, kNodeFirstBit, kNodeSecondBit };
constexpr int kNodeSign = kNodesOfSize * 1 + kNodeFirstBit - (kNodesOfSize - 1);   // free: size 1 has no bits

MMIP_RULE int size_node(int size, int what) {
    const int k = size < kLargestNodeSize ? size : kLargestNodeSize;
    return k == 0 ? 0 : kNodesOfSize * k + what - (kNodesOfSize - 1);
}

// A residual: its size (the bit length of its magnitude) asked for from `start` on up, or down; sign; the magnitude's bits, two of them
// with contexts. Writers give the residual, readers anything. Returns the residual.
template <class Coder, int contexts>
MMIP_RULE int32_t code_residual(MixedDecisions<Coder, contexts>& in, int start, int32_t residual) {
    const uint32_t magnitude = residual < 0 ? 0u - static_cast<uint32_t>(residual) : static_cast<uint32_t>(residual);
    const int size = bit_length(magnitude);
    int k = start;
    if (start > 0 && in.decide(size_node(start, kNodeStartBelow), size < start) != 0) {
        for (k = start - 1; k > 0; --k)
            if (in.decide(size_node(k, kNodeIsBelow), size == k) != 0) break;
    } else {
        for (; k < kMaxResidualSize; ++k)
            if (in.decide(size_node(k, kNodeIs), size == k) != 0) break;
    }
    if (k == 0) return 0;
    const int positive = in.decide(kNodeSign, residual > 0);
    uint32_t value = 1;
    if (k > 1) value = 2 * value + static_cast<uint32_t>(in.decide(size_node(k, kNodeFirstBit), static_cast<int>((magnitude >> (k - 2)) & 1)));
    if (k > 2) value = 2 * value + static_cast<uint32_t>(in.decide(size_node(k, kNodeSecondBit), static_cast<int>((magnitude >> (k - 3)) & 1)));
    if (k > 3) value = value << (k - 3) | in.raw(k - 3, magnitude & ((1u << (k - 3)) - 1));
    return positive != 0 ? static_cast<int32_t>(value) : -static_cast<int32_t>(value);
}

}  // namespace MMIP_NS
