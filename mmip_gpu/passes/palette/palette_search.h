// The palette of a cell: which 2 to 4 values, and what it costs to say so.
// Values: samples of a cell (minus the offset) in; a Candidate of mode palette out. Home: host, per instruction set.
// One item of work = one cell. Encoder's own, not part of the format; the rules are those of rules/palette/palette_fit.h.
#pragma once

#include "rules/palette/palette_fit.h"
#include "passes/blocks/block_kernels.h"
#include "passes/blocks/candidate.h"

namespace MMIP_NS {

inline PaletteCosts first_palette_costs() {
    PaletteCosts costs;
    for (int c = 0; c < kPaletteContexts; ++c) costs.set(c);
    return costs;
}

template <int depth>
class PaletteSearch {
    static constexpr int samples = 64 * depth;

public:
    // Whether a palette beats `best`; the candidate is written if so. `mean` of the samples, `step` of the class.
    template <class C>
    bool run(const F8* cell, float mean, float step, int64_t best, C& candidate) {
        static const PaletteCosts costs = first_palette_costs();
        if (!promising(cell, step, best)) return false;
        for (int i = 0; i < samples / 8; ++i) values_[i] = truncate(cell[i]);
        centre_[0] = truncate(least_), centre_[1] = truncate(most_);
        const float unit = step * palette_unit(depth), inverse = 256.0f / step;
        bool found = false;
        for (int colours = 2; colours <= kMaxColours; ++colours) {
            if (colours > 2 && !split(colours - 1)) break;
            for (int round = 0; round < kCentreRounds; ++round) settle(colours);
            assign(colours);
            int32_t gaps[kPaletteGaps];
            if (!find_gaps(centre_, colours, unit, gaps)) break;
            const PaletteValues of = palette_values(mean, gaps, total_offset(gaps, count_, colours), samples, unit);
            const int64_t distortion = squared_error(cell, of, inverse);
            if (distortion >= best) continue;
            const Cost cost = palette_cost(distortion, coded(gaps, colours, costs, distortion, best));
            if (weigh(cost) >= best) continue;
            best = weigh(cost);
            found = true;
            candidate.mode = kModePalette;
            candidate.cost = cost;
            candidate.count = 0;
            for (int k = 0; k + 1 < colours; ++k) put_word(candidate, k, gaps[k]);
            for (int w = 0; w * kWordSamples < samples; ++w) {
                const int32_t word = colour_word(colour_, w, samples);
                if (word != 0) put_word(candidate, kPaletteGaps + w, word);
            }
        }
        return found;
    }

private:
    // Sum of a CostCoder for a palette; of its first rows alone where they cost too much already.
    int32_t coded(const int32_t* gaps, int colours, const PaletteCosts& costs, int64_t distortion, int64_t best) {
        CostCoder coder{costs};
        for (int k = 0; k + 1 < colours; ++k) code_gap(static_cast<uint32_t>(gaps[k]), coder);
        for (int row = 0; row < 8 * depth && weigh(palette_cost(distortion, coder.sum)) < best; ++row)
            for (int x = 0; x < 8; ++x) code_colour(colour_, row / 8, row % 8, x, colours, coder);
        return coder.sum;
    }

    template <class C>
    static void put_word(C& candidate, int position, int32_t word) {
        candidate.positions[candidate.count] = static_cast<uint16_t>(position);
        __builtin_memcpy(candidate.values + candidate.count++, &word, sizeof word);
    }

    int64_t squared_error(const F8* cell, const PaletteValues& of, float inverse) const {
        typedef uint8_t Bytes __attribute__((vector_size(8)));
        typedef uint64_t U4 __attribute__((vector_size(32)));
        U4 sums{};
        for (int i = 0; i < samples / 8; ++i) {
            Bytes colours;
            __builtin_memcpy(&colours, colour_ + 8 * i, sizeof colours);
            const I8 number = __builtin_convertvector(colours, I8);
            F8 value = F8{} + of.of[0];
            for (int k = 1; k < kMaxColours; ++k) value = number == k ? F8{} + of.of[k] : value;
            const U4 pairs = reinterpret_cast<U4>(scaled_magnitude(absolute(cell[i] - value), inverse)), even = pairs & 0xffffffffu, odd = pairs >> 32;
            sums += even * even + odd * odd;
        }
        return static_cast<int64_t>(sums[0] + sums[1] + sums[2] + sums[3]);
    }

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
        RoughPalette rough;
        rough.spread(least_, most_);
        for (int round = 0; round < kRoughRounds; ++round) {
            F8 sums[kRoughTerms] = {};
            for (int i = 0; i < samples / 8; ++i)
                MMIP_UNROLL
                for (int n = 0; n < kRoughTerms; ++n) sums[n] += rough_term(rough, cell[i], n);
            F8 turned[8], total{};
            transpose8(sums, 1, turned, 1);
            for (int lane = 0; lane < 8; ++lane) total += turned[lane];
            float totals[kRoughTerms];
            __builtin_memcpy(totals, &total, sizeof totals);
            rough.move(totals);
        }
        F8 squares{};
        I8 changes{}, before{};
        for (int i = 0; i < samples / 8; ++i) {
            const F8 error = rough_error(rough, cell[i]);
            const I8 number = rough_number<I8>(rough, cell[i]);
            squares += error * error;
            if (i > 0) changes -= number != before;
            changes -= number != next_lanes(number);
            before = number;
        }
        float sum = 0.0f;
        int changed = 0;
        for (int lane = 0; lane < 8; ++lane) sum += squares[lane], changed += changes[lane];
        return is_promising(sum, changed, samples, step, best);
    }

    static I8 next_lanes(I8 v) {
#if defined(__clang__) || __GNUC__ >= 12
        return __builtin_shufflevector(v, v, 1, 2, 3, 4, 5, 6, 7, 7);
#else
        return __builtin_shuffle(v, I8{1, 2, 3, 4, 5, 6, 7, 7});
#endif
    }

    // One round of moving the centres to the means of their samples.
    void settle(int colours) {
        int64_t sum[kMaxColours] = {0, 0, 0, 0};
        for (int k = 0; k < kMaxColours; ++k) count_[k] = 0;
        I8 sums[kMaxColours] = {}, counts[kMaxColours] = {};
        for (int i = 0; i < samples / 8; ++i) {
            const I8 number = nearest_colour(centre_, values_[i], colours);
            for (int k = 0; k < colours; ++k) {
                const I8 own = number == k;
                sums[k] += values_[i] & own;
                counts[k] -= own;
            }
        }
        for (int k = 0; k < colours; ++k)
            for (int lane = 0; lane < 8; ++lane) sum[k] += sums[k][lane], count_[k] += counts[k][lane];
        for (int k = 0; k < colours; ++k)
            if (count_[k] > 0) centre_[k] = moved_centre(sum[k], count_[k]);
    }

    void assign(int colours) {
        for (int k = 0; k < kMaxColours; ++k) count_[k] = 0;
        for (int i = 0; i < samples / 8; ++i) {
            const I8 number = nearest_colour(centre_, values_[i], colours);
            for (int lane = 0; lane < 8; ++lane) {
                colour_[8 * i + lane] = static_cast<uint8_t>(number[lane]);
                ++count_[number[lane]];
            }
        }
    }

    // Splits the colour whose samples vary most; false where none varies.
    bool split(int colours) {
        int64_t spread[kMaxColours] = {0, 0, 0, 0};
        const int32_t* v = reinterpret_cast<const int32_t*>(values_);
        for (int s = 0; s < samples; ++s) spread[colour_[s]] += square(v[s] - centre_[colour_[s]]);
        const int chosen = widest_colour(spread, colours);
        if (chosen < 0) return false;
        int32_t low = centre_[chosen], high = low;
        for (int s = 0; s < samples; ++s)
            if (colour_[s] == chosen) low = v[s] < low ? v[s] : low, high = v[s] > high ? v[s] : high;
        split_centre(centre_, colours, chosen, low, high);
        return true;
    }

    float least_, most_;
    alignas(64) I8 values_[samples / 8];
    uint8_t colour_[samples];
    int32_t centre_[kMaxColours];
    int32_t count_[kMaxColours];
};

}  // namespace MMIP_NS
