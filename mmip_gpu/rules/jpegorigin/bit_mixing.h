// Adaptive bits whose probabilities are mixed: each input is a context's own probability, weights learn which to trust.
// Values: decisions of 0 or 1 to and from a range code. Host and device. Integers only. Implements FORMAT.md section 8.9 (mixed bits).
#pragma once

#include "rules/padding/mask.h"

namespace MMIP_NS {

constexpr int kMixInputs = 8;                                // contexts of a decision; a constant comes with them
constexpr int kMixLogLimit = 2047;                           // logarithms of odds are in 1/256, within this
constexpr int kMixCountLimit = 250;
constexpr int kMixStart = 14000, kMixRate = 12;             // of weights: first value, in 1/65536; how fast they move

// 65536 / (1 + exp(-i / 2)) for i = -16 .. 16.
MMIP_TABLE uint16_t kMixOdds[33] = {22,    36,    60,    98,    162,   267,   439,   720,   1179,  1921,  3108,  4971,  7812,  11955, 17625, 24743, 32768,
                                    40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514};

// 65536 times the probability at a logarithm of odds.
MMIP_RULE int mix_probability(int log) {
    const int at = log + 2048, i = at >> 7, part = at & 127;
    return (kMixOdds[i] * (128 - part) + kMixOdds[i + 1] * part + 64) >> 7;
}

struct MixSlot {
    uint16_t probability, count;
};

// Logarithms of odds by the upper 12 bits of a probability; rates of a slot by how many decisions it saw.
struct MixTables {
    int16_t log[4096];
    uint16_t rate[kMixCountLimit + 1];

    MMIP_RULE void fill() {
        int next = 0;
        for (int log_value = -kMixLogLimit; log_value <= kMixLogLimit; ++log_value) {
            const int end = mix_probability(log_value) >> 4;
            for (; next <= end; ++next) log[next] = static_cast<int16_t>(log_value);
        }
        for (; next < 4096; ++next) log[next] = kMixLogLimit;
        for (int n = 0; n <= kMixCountLimit; ++n) rate[n] = static_cast<uint16_t>(131072 / (2 * n + 3));
    }
};

struct MixWeights {
    int32_t weight[kMixInputs + 1];
};

// What a range coder sees of it: one probability at a time.
struct MixedModel {
    uint16_t probability[1];
    MMIP_RULE void adapt(int, int) {}
};

// One decision. Coder: RangeEncoder or RangeDecoder of a MixedModel.
template <class Coder>
MMIP_RULE int mixed_bit(Coder& coder, const MixTables& tables, MixSlot* const* slots, MixWeights& first, MixWeights& second, int bit) {
    int logs[kMixInputs + 1];
    int64_t a = 0, b = 0;
    for (int i = 0; i < kMixInputs; ++i) {
        logs[i] = tables.log[slots[i]->probability >> 4];
        a += static_cast<int64_t>(first.weight[i]) * logs[i], b += static_cast<int64_t>(second.weight[i]) * logs[i];
    }
    logs[kMixInputs] = 256;
    a += static_cast<int64_t>(first.weight[kMixInputs]) * 256, b += static_cast<int64_t>(second.weight[kMixInputs]) * 256;
    int log = static_cast<int>((a + b) >> 17);
    log = log < -kMixLogLimit ? -kMixLogLimit : (log > kMixLogLimit ? kMixLogLimit : log);
    const int p = mix_probability(log);
    coder.model.probability[0] = static_cast<uint16_t>(p);
    bit = coder.decide(0, bit);
    const int error = ((bit << 16) - p) * kMixRate;
    for (int i = 0; i <= kMixInputs; ++i) {
        const int32_t step = static_cast<int32_t>((static_cast<int64_t>(logs[i]) * error + (1 << 17)) >> 18);
        first.weight[i] += step, second.weight[i] += step;
    }
    for (int i = 0; i < kMixInputs; ++i) {
        MixSlot& slot = *slots[i];
        const int target = bit != 0 ? 65535 : 0;
        slot.probability = static_cast<uint16_t>(slot.probability + ((static_cast<int64_t>(target - slot.probability) * tables.rate[slot.count]) >> 16));
        if (slot.count < kMixCountLimit) ++slot.count;
    }
    return bit;
}

}  // namespace MMIP_NS
