// The palette of a cell: which 2 to 4 values, and what it costs to say so.
// Values: samples of a cell (minus the offset) in; a Candidate of mode palette out. Home: host, per instruction set.
// One item of work = one cell. Encoder's own, not part of the format; integers decide.
#pragma once

#include "../rules/decide.h"
#include "../rules/palette.h"
#include "block_kernels.h"
#include "candidate.h"

namespace MMIP_NS {

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

// A coder that writes nothing: adds up what the decisions cost by the model's first probabilities.
struct PaletteCosts {
    uint16_t of[2][kPaletteContexts];

    PaletteCosts() {
        PaletteModel model;
        model.reset();
        for (int c = 0; c < kPaletteContexts; ++c) {
            of[1][c] = static_cast<uint16_t>(decision_cost(model.probability[c]));
            of[0][c] = static_cast<uint16_t>(decision_cost(65536u - model.probability[c]));
        }
    }
};

struct CostCoder {
    const PaletteCosts& costs;
    int64_t sum = 0;

    int decide(int context, int bit) {
        sum += costs.of[bit][context];
        return bit;
    }
};

template <int depth>
class PaletteSearch {
    static constexpr int samples = 64 * depth;

public:
    // Whether a palette beats `best`; the candidate is written if so. `mean` of the samples, `step` of the class.
    template <class C>
    bool run(const F8* cell, float mean, float step, int64_t best, C& candidate) {
        static const PaletteCosts costs;
        if (!promising(cell, step, best)) return false;
        for (int i = 0; i < samples / 8; ++i) values_[i] = truncate(cell[i]);
        centre_[0] = truncate(least_), centre_[1] = truncate(most_);
        const float unit = step * palette_unit(depth), inverse = 256.0f / step;
        bool found = false;
        for (int colours = 2; colours <= kMaxColours; ++colours) {
            if (colours > 2 && !split(colours - 1)) break;
            for (int round = 0; round < kRounds; ++round) settle(colours);
            assign(colours);
            int32_t gaps[kPaletteGaps] = {0, 0, 0};
            bool apart = true;
            for (int k = 0; k + 1 < colours; ++k) {
                gaps[k] = truncate(static_cast<float>(centre_[k + 1] - centre_[k]) / unit + 0.5f);
                apart = apart && gaps[k] > 0 && gaps[k] < (1 << kLongestGap);
            }
            if (!apart) break;
            int64_t total = 0;
            int32_t offset = 0;
            for (int k = 1; k < colours; ++k) {
                offset += gaps[k - 1];
                total += static_cast<int64_t>(offset) * count_[k];
            }
            const PaletteValues of = palette_values(mean, gaps, total, samples, unit);
            int64_t distortion = 0;
            const float* from = reinterpret_cast<const float*>(cell);
            for (int s = 0; s < samples; ++s) distortion += square(scaled_magnitude(absolute(from[s] - of.of[colour_[s]]), inverse));
            if (distortion >= best) continue;
            CostCoder coder{costs};
            for (int k = 0; k + 1 < colours; ++k) code_gap(static_cast<uint32_t>(gaps[k]), coder);
            code_colours(colour_, depth, colours, coder);
            const Cost cost{distortion, coder.sum / 16 + kPaletteHeaderBits};
            if (weigh(cost) >= best) continue;
            best = weigh(cost);
            found = true;
            candidate.mode = kModePalette;
            candidate.cost = cost;
            candidate.count = 0;
            for (int k = 0; k + 1 < colours; ++k) candidate.entries[candidate.count++] = {static_cast<uint16_t>(k), 0, 0, gaps[k]};
            for (int w = 0; w * kWordSamples < samples; ++w) {
                int32_t word = 0;
                for (int s = 0; s < kWordSamples && w * kWordSamples + s < samples; ++s) word |= colour_[w * kWordSamples + s] << (2 * s);
                if (word != 0) candidate.entries[candidate.count++] = {static_cast<uint16_t>(kPaletteGaps + w), 0, 0, word};
            }
        }
        return found;
    }

private:
    static constexpr int kRoughRounds = 2, kRounds = 4, kPaletteHeaderBits = 6, kChangeBits = 3;

    // Whether four values, roughly placed, leave less distortion than the best mode costs: few cells of images do.
    // Samples are integers, so that sums are exact or rounded alike on every machine.
    bool promising(const F8* cell, float step, int64_t best) {
        F8 low = cell[0], high = cell[0];
        for (int i = 1; i < samples / 8; ++i) {
            low = cell[i] < low ? cell[i] : low;
            high = cell[i] > high ? cell[i] : high;
        }
        least_ = low[0], most_ = high[0];
        for (int lane = 1; lane < 8; ++lane) {
            least_ = low[lane] < least_ ? low[lane] : least_;
            most_ = high[lane] > most_ ? high[lane] : most_;
        }
        if (most_ - least_ < 2) return false;
        float centre[kMaxColours];
        for (int k = 0; k < kMaxColours; ++k) centre[k] = least_ + (most_ - least_) * (static_cast<float>(2 * k + 1) / (2 * kMaxColours));
        for (int round = 0; round < kRoughRounds; ++round) {
            const float border[3] = {(centre[0] + centre[1]) * 0.5f, (centre[1] + centre[2]) * 0.5f, (centre[2] + centre[3]) * 0.5f};
            F8 sums[8] = {};   // of all samples, of those above each border; then how many
            for (int i = 0; i < samples / 8; ++i) {
                sums[0] += cell[i];
                for (int k = 0; k < 3; ++k) {
                    const I8 above = cell[i] > border[k];
                    sums[1 + k] += masked(cell[i], above);
                    sums[5 + k] += masked(F8{} + 1.0f, above);
                }
            }
            sums[4] = F8{} + static_cast<float>(samples / 8);
            F8 turned[8], total{};
            transpose8(sums, 1, turned, 1);
            for (int lane = 0; lane < 8; ++lane) total += turned[lane];
            for (int k = 0; k < kMaxColours; ++k) {
                const float sum = total[k] - (k < 3 ? total[k + 1] : 0.0f), count = total[4 + k] - (k < 3 ? total[5 + k] : 0.0f);
                if (count > 0.0f) centre[k] = sum / count;
            }
        }
        F8 squares{};
        const float border[3] = {(centre[0] + centre[1]) * 0.5f, (centre[1] + centre[2]) * 0.5f, (centre[2] + centre[3]) * 0.5f};
        I8 changes{}, before{};
        for (int i = 0; i < samples / 8; ++i) {
            F8 error = cell[i] - centre[0];
            I8 number{};
            for (int k = 0; k < 3; ++k) {
                const I8 above = cell[i] > border[k];
                error -= masked(F8{} + (centre[k + 1] - centre[k]), above);
                number -= above;
            }
            squares += error * error;
            if (i > 0) changes -= number != before;
            changes -= number != next_lanes(number);
            before = number;
        }
        float sum = 0.0f;
        int changed = -samples / 4;                  // what an edge through the cell may take
        for (int lane = 0; lane < 8; ++lane) sum += squares[lane], changed += changes[lane];
        const float scale = 256.0f / step, bits = static_cast<float>(changed > 0 ? kChangeBits * changed : 0);
        return sum * scale * scale + static_cast<float>(kLambda) * bits < static_cast<float>(best);
    }

    static I8 next_lanes(I8 v) {
#if defined(__clang__) || __GNUC__ >= 12
        return __builtin_shufflevector(v, v, 1, 2, 3, 4, 5, 6, 7, 7);
#else
        return __builtin_shuffle(v, I8{1, 2, 3, 4, 5, 6, 7, 7});
#endif
    }

    static F8 masked(F8 value, I8 mask) { return reinterpret_cast<F8>(reinterpret_cast<I8>(value) & mask); }

    // Number of each colour of a vector of samples.
    I8 nearest(I8 v, int colours) const {
        I8 number{};
        for (int k = 0; k + 1 < colours; ++k) number -= v > ((centre_[k] + centre_[k + 1]) >> 1);
        return number;
    }

    // One round of moving the centres to the means of their samples.
    void settle(int colours) {
        int64_t sum[kMaxColours] = {0, 0, 0, 0};
        for (int k = 0; k < kMaxColours; ++k) count_[k] = 0;
        I8 sums[kMaxColours] = {}, counts[kMaxColours] = {};
        for (int i = 0; i < samples / 8; ++i) {
            const I8 number = nearest(values_[i], colours);
            for (int k = 0; k < colours; ++k) {
                const I8 own = number == k;
                sums[k] += values_[i] & own;
                counts[k] -= own;
            }
        }
        for (int k = 0; k < colours; ++k)
            for (int lane = 0; lane < 8; ++lane) sum[k] += sums[k][lane], count_[k] += counts[k][lane];
        for (int k = 0; k < colours; ++k)
            if (count_[k] > 0) centre_[k] = static_cast<int32_t>(floor_divide(2 * sum[k] + count_[k], 2 * count_[k]));
    }

    void assign(int colours) {
        for (int k = 0; k < kMaxColours; ++k) count_[k] = 0;
        for (int i = 0; i < samples / 8; ++i) {
            const I8 number = nearest(values_[i], colours);
            for (int lane = 0; lane < 8; ++lane) {
                colour_[8 * i + lane] = static_cast<uint8_t>(number[lane]);
                ++count_[number[lane]];
            }
        }
    }

    // Splits the colour whose samples vary most; false where none varies.
    bool split(int colours) {
        int64_t worst = 0, spread[kMaxColours] = {0, 0, 0, 0};
        const int32_t* v = reinterpret_cast<const int32_t*>(values_);
        for (int s = 0; s < samples; ++s) spread[colour_[s]] += square(v[s] - centre_[colour_[s]]);
        int chosen = -1;
        for (int k = 0; k < colours; ++k)
            if (spread[k] > worst) worst = spread[k], chosen = k;
        if (chosen < 0) return false;
        int32_t low = centre_[chosen], high = low;
        for (int s = 0; s < samples; ++s)
            if (colour_[s] == chosen) low = v[s] < low ? v[s] : low, high = v[s] > high ? v[s] : high;
        for (int k = colours; k > chosen + 1; --k) centre_[k] = centre_[k - 1];
        centre_[chosen] = low, centre_[chosen + 1] = high;
        return true;
    }

    float least_, most_;
    alignas(64) I8 values_[samples / 8];
    uint8_t colour_[samples];
    int32_t centre_[kMaxColours];
    int32_t count_[kMaxColours];
};

}  // namespace MMIP_NS
