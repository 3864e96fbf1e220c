// How an encoder finds the 2 to 4 values of a palette cell, and what it costs to say which sample has which.
// Values: samples of a cell minus the offset, integers; V = float (one column) or F8 (all eight), I = int32 or eight of them.
// Host and device. Not part of the format. Integers decide, but for the first glance: its float sums go down each column, then
// over the columns from the first to the last, so that all executors agree.
#pragma once

#include "rules/blocks/decide.h"
#include "rules/palette/palette.h"

namespace MMIP_NS {

// Cells whose best mode so far costs this much may hold an edge between flat parts.
constexpr int64_t kPaletteFrom = 32 * kLambda;

// `cut`: the end of stage 2, which has to hold all of a palette.
MMIP_RULE bool may_be_palette(int64_t best, int cut, int depth) { return best >= kPaletteFrom && cut >= palette_positions(depth); }

constexpr int kRoughRounds = 2, kCentreRounds = 4, kPaletteHeaderBits = 6, kChangeBits = 3;

MMIP_RULE float palette_mean(float dc, int depth) { return dc * (depth == 8 ? 0x1.6a09e60000000p-5f : 0.125f); }

// --- the first glance: whether four values, roughly placed, leave less distortion than the best mode costs; few cells do

struct RoughPalette {
    float centre[kMaxColours], border[kMaxColours - 1];

    MMIP_RULE void set_borders() {
        for (int k = 0; k + 1 < kMaxColours; ++k) border[k] = (centre[k] + centre[k + 1]) * 0.5f;
    }

    // Between the least and the most of the samples.
    MMIP_RULE void spread(float least, float most) {
        for (int k = 0; k < kMaxColours; ++k) centre[k] = least + (most - least) * (static_cast<float>(2 * k + 1) / (2 * kMaxColours));
        set_borders();
    }

    // Moves the centres to the means of their samples; `totals` are the sums of the terms.
    MMIP_RULE void move(const float* totals) {
        for (int k = 0; k < kMaxColours; ++k) {
            const bool last = k + 1 == kMaxColours;
            const float sum = totals[k] - (last ? 0.0f : totals[k + 1]), count = totals[kMaxColours + k] - (last ? 0.0f : totals[kMaxColours + k + 1]);
            if (count > 0.0f) centre[k] = sum / count;
        }
        set_borders();
    }
};

constexpr int kRoughTerms = 2 * kMaxColours;

// What a sample adds to the n-th sum: of all samples, of those above each border; then how many.
template <class V>
MMIP_RULE V rough_term(const RoughPalette& p, V v, int n) {
    const V counted = n < kMaxColours ? v : V{} + 1.0f;
    return n % kMaxColours == 0 ? counted : kept(v > p.border[n % kMaxColours - 1], counted);
}

// How far samples are from their values, and the number of those.
template <class V>
MMIP_RULE V rough_error(const RoughPalette& p, V v) {
    V error = v - p.centre[0];
    for (int k = 0; k + 1 < kMaxColours; ++k) error -= kept(v > p.border[k], V{} + (p.centre[k + 1] - p.centre[k]));
    return error;
}

template <class I, class V>
MMIP_RULE I rough_number(const RoughPalette& p, V v) {
    I number{};
    for (int k = 0; k + 1 < kMaxColours; ++k) number += one(v > p.border[k]);
    return number;
}

// `squares` of all errors, how many neighbours differ in their number.
MMIP_RULE bool is_promising(float squares, int changes, int samples, float step, int64_t best) {
    const int changed = changes - samples / 4;   // what an edge through the cell may take
    const float scale = 256.0f / step, bits = static_cast<float>(changed > 0 ? kChangeBits * changed : 0);
    return squares * scale * scale + static_cast<float>(kLambda) * bits < static_cast<float>(best);
}

// --- the values

template <class I>
MMIP_RULE I nearest_colour(const int32_t* centre, I v, int colours) {
    I number{};
    for (int k = 0; k + 1 < colours; ++k) number += one(v > ((centre[k] + centre[k + 1]) >> 1));
    return number;
}

MMIP_RULE int32_t moved_centre(int64_t sum, int32_t count) { return static_cast<int32_t>(floor_divide(2 * sum + count, 2 * count)); }

// The colour whose samples vary most, -1 where none varies.
MMIP_RULE int widest_colour(const int64_t* spread, int colours) {
    int64_t worst = 0;
    int chosen = -1;
    for (int k = 0; k < colours; ++k)
        if (spread[k] > worst) worst = spread[k], chosen = k;
    return chosen;
}

// One more centre: a colour's becomes its least and its most sample.
MMIP_RULE void split_centre(int32_t* centre, int colours, int chosen, int32_t low, int32_t high) {
    for (int k = colours; k > chosen + 1; --k) centre[k] = centre[k - 1];
    centre[chosen] = low, centre[chosen + 1] = high;
}

// The gaps between centres in units; whether a stream can say them.
MMIP_RULE bool find_gaps(const int32_t* centre, int colours, float unit, int32_t* gaps) {
    bool apart = true;
    for (int k = 0; k + 1 < kMaxColours; ++k) gaps[k] = 0;
    for (int k = 0; k + 1 < colours; ++k) {
        gaps[k] = truncate(static_cast<float>(centre[k + 1] - centre[k]) / unit + 0.5f);
        apart = apart && gaps[k] > 0 && gaps[k] < (1 << kLongestGap);
    }
    return apart;
}

// See palette_values; `count` of the samples of each colour.
MMIP_RULE int64_t total_offset(const int32_t* gaps, const int32_t* count, int colours) {
    int64_t total = 0;
    int32_t offset = 0;
    for (int k = 1; k < colours; ++k) {
        offset += gaps[k - 1];
        total += static_cast<int64_t>(offset) * count[k];
    }
    return total;
}

// A word of the map of colours.
MMIP_RULE int32_t colour_word(const uint8_t* colours, int w, int samples) {
    int32_t word = 0;
    for (int s = 0; s < kWordSamples && w * kWordSamples + s < samples; ++s) word |= colours[w * kWordSamples + s] << (2 * s);
    return word;
}

// --- bits

// Bits of a decision of this probability (in 1/65536), in 1/16 bit.
MMIP_RULE int decision_cost(uint32_t probability) {
    const int length = bit_length(probability);
    uint64_t m = static_cast<uint64_t>(probability) << (32 - length);   // 2^31 <= m < 2^32
    int cost = 16 * (17 - length);
    for (int half = 8; half > 0; half /= 2) {
        m = (m * m) >> 31;
        if (m >= (uint64_t{1} << 32)) {
            cost -= half;
            m >>= 1;
        }
    }
    return cost;
}

struct PaletteCosts {
    uint16_t of[2][kPaletteContexts];

    MMIP_RULE void set(int context) {
        const uint16_t probability = PaletteModel::first(context);
        of[1][context] = static_cast<uint16_t>(decision_cost(probability));
        of[0][context] = static_cast<uint16_t>(decision_cost(65536u - probability));
    }
};

// A coder that writes nothing: adds up what the decisions cost by the model's first probabilities. The costs of samples add up
// in any order.
struct CostCoder {
    const PaletteCosts& costs;
    int32_t sum = 0;

    MMIP_RULE int decide(int context, int bit) {
        sum += costs.of[bit][context];
        return bit;
    }
};

// `sum` of a CostCoder for the gaps and all colours.
MMIP_RULE Cost palette_cost(int64_t distortion, int32_t sum) { return {distortion, sum / 16 + kPaletteHeaderBits}; }

}  // namespace MMIP_NS
