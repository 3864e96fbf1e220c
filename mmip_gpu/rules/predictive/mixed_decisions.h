// Decisions whose probability is mixed from adaptive bits of several contexts, and residuals as such decisions.
// Values: residuals, numbers of nodes. Host, integers but for a quotient, whose whole part is exact. Implements FORMAT.md section 8.9.
// A coder does a decision of a given probability: RangeEncoder or RangeDecoder of rules/coding/range_coder.h, of a StatedProbability.
#pragma once

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#include "rules/predictive/mixed_bits.h"
#include "rules/tokens/symbols.h"

namespace MMIP_NS {

// Numbers of four contexts.
typedef int32_t MixLanes __attribute__((vector_size(16)));
typedef uint32_t MixLanesU __attribute__((vector_size(16)));
typedef uint64_t MixPairs __attribute__((vector_size(16)));
typedef float MixLanesF __attribute__((vector_size(16)));

template <int contexts>
struct MixingWeights {
    static constexpr int kGroups = (contexts + 3) / 4;
    alignas(16) int32_t of[4 * kGroups];
};

// Bits 16 to 47 of the products; those are below 2^47.
MMIP_RULE MixLanesU middle_products(MixLanes a, MixLanes b) {
#if defined(__SSE4_1__)
    const MixPairs even = (MixPairs)_mm_mul_epi32((__m128i)a, (__m128i)b);
    const MixPairs odd = (MixPairs)_mm_mul_epi32((__m128i)((MixPairs)a >> 32), (__m128i)((MixPairs)b >> 32));
    return (MixLanesU)((even >> 16 & 0xFFFFFFFFu) | (odd << 16 & 0xFFFFFFFF00000000u));
#else
    MixLanesU middle;
    for (int i = 0; i < 4; ++i) middle[i] = static_cast<uint32_t>((static_cast<int64_t>(a[i]) * b[i]) >> 16);
    return middle;
#endif
}

// How states of nodes change by a decision.
MMIP_RULE MixLanesU adapted_nodes(MixLanesU states, int bit) {
    const int32_t target = bit != 0 ? (1 << kProbabilityBits) - 1 : 0;
    const MixLanes seen = (MixLanes)(states & ((1u << kCountBitsOfNode) - 1));
    const MixLanesF rates = 655360.0f / (10.0f * __builtin_convertvector(seen, MixLanesF) + 16.0f);
    const MixLanesU steps = middle_products(target - (MixLanes)(states >> kCountBitsOfNode), __builtin_convertvector(rates, MixLanes));
    return states + (steps << kCountBitsOfNode) - (MixLanesU)(seen < static_cast<int32_t>(kMostSeen));
}

// Decisions in the contexts of one sample.
template <class Coder, int contexts>
struct MixedDecisions {
    Coder& coder;
    const MixingTables& tables;
    uint32_t* nodes[contexts];
    MixingWeights<contexts>* weights;          // of the sample's mixing class, one a node

    MMIP_RULE int decide(int node, int bit) {
        int32_t* w = weights[node].of;
        int64_t sum = kMixingOne / 2;
        MMIP_UNROLL
        for (int i = 0; i < contexts; ++i) sum += static_cast<int64_t>(w[i]) * tables.logits[nodes[i][node] >> 20];
        const int64_t logit = sum >> 16;
        const int32_t kept = static_cast<int32_t>(logit < -kMaxLogit ? -kMaxLogit : logit > kMaxLogit ? kMaxLogit : logit);
        const int32_t p = tables.probabilities[kept + kMaxLogit];
        coder.model.probability[0] = static_cast<uint32_t>(p);
        bit = coder.decide(0, bit);
        MMIP_UNROLL
        for (int first = 0; first < contexts; first += 4) adapt(node, first, (bit << 16) - p, bit);
        return bit;
    }

    // Weights and nodes of contexts first .. first + 3.
    MMIP_RULE void adapt(int node, int first, int32_t error, int bit) {
        MixLanesU states{};
        MixLanes logits{};
        MMIP_UNROLL
        for (int i = 0; i < 4; ++i) {
            if (first + i >= contexts) continue;
            states[i] = nodes[first + i][node];
            logits[i] = tables.logits[nodes[first + i][node] >> 20];
        }
        MixLanesU w;
        __builtin_memcpy(&w, weights[node].of + first, sizeof(w));
        w += (MixLanesU)((error * logits + (1 << (kMixingShift - 1))) >> kMixingShift);
        __builtin_memcpy(weights[node].of + first, &w, sizeof(w));
        states = adapted_nodes(states, bit);
        MMIP_UNROLL
        for (int i = 0; i < 4; ++i)
            if (first + i < contexts) nodes[first + i][node] = states[i];
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
