// The palette of a cell: which 2 to 4 values, and what it costs to say so.
// Values: samples of a cell (minus the offset) in; a Candidate of mode palette out. Home: host, per instruction set.
// One item of work = one cell. Encoder's own, not part of the format; steps are those of rules/palette/palette_steps.h.
#pragma once

#include "rules/palette/palette_steps.h"
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
    using Step = PaletteStep;
    static constexpr int samples = 64 * depth;

public:
    // Whether a palette beats `best`; the candidate is written if so. `mean` of the samples, `step` of the class.
    template <class C>
    bool run(const F8* cell, float mean, float step, int64_t best, C& candidate) {
        static const PaletteCosts costs = first_palette_costs();
        bool found = false;
        state_.begin(true);
        for (int i = 0; i < Step::kAll && state_.active != 0; ++i) {
            const Step s = Step::at(i);
            if (s.kind == Step::kWeighColours) weigh_colours(cell, s.colours, 256.0f / step, costs, best);
            else if (s.of_samples()) look(cell, s);
            else state_.take(s, mean, step, costs, best);
            if (s.kind != Step::kSettle || state_.found == 0) continue;
            found = true;
            write(candidate, s.colours);
        }
        return found;
    }

private:
    template <class C>
    void write(C& candidate, int colours) const {
        candidate.mode = kModePalette;
        candidate.cost = palette_cost(state_.distortion, state_.bits);
        candidate.count = 0;
        for (int k = 0; k + 1 < colours; ++k) put_word(candidate, k, state_.gaps[k]);
        for (int w = 0; w * kWordSamples < samples; ++w) {
            const int32_t word = colour_word(state_.colours, w, samples);
            if (word != 0) put_word(candidate, kPaletteGaps + w, word);
        }
    }

    template <class C>
    static void put_word(C& candidate, int position, int32_t word) {
        candidate.positions[candidate.count] = static_cast<uint16_t>(position);
        __builtin_memcpy(candidate.values + candidate.count++, &word, sizeof word);
    }

    void look(const F8* cell, Step s) {
        switch (s.kind) {
            case Step::kFindRange: return find_range(cell);
            case Step::kSumTerms: return sum_terms(cell);
            case Step::kMeasure: return measure(cell);
            case Step::kSumSpread: return sum_spread(cell);
            case Step::kFindBounds: return find_bounds(cell);
            case Step::kSumColours: return sum_colours(cell, s.colours);
            default: return assign(cell, s.colours);
        }
    }

    void find_range(const F8* cell) {
        F8 low = cell[0], high = cell[0];
        for (int i = 1; i < samples / 8; ++i) {
            low = cell[i] < low ? cell[i] : low;
            high = cell[i] > high ? cell[i] : high;
        }
        float least = low[0], most = high[0];
        for (int lane = 1; lane < 8; ++lane) {
            least = low[lane] < least ? low[lane] : least;
            most = high[lane] > most ? high[lane] : most;
        }
        state_.low = truncate(least), state_.high = truncate(most);
    }

    void sum_terms(const F8* cell) {
        const RoughPalette rough = state_.rough;
        F8 sums[kRoughTerms] = {};
        for (int i = 0; i < samples / 8; ++i)
            MMIP_UNROLL
            for (int n = 0; n < kRoughTerms; ++n) sums[n] += rough_term(rough, cell[i], n);
        F8 turned[8], total{};
        transpose8(sums, 1, turned, 1);
        for (int lane = 0; lane < 8; ++lane) total += turned[lane];
        __builtin_memcpy(state_.totals, &total, sizeof state_.totals);
    }

    void measure(const F8* cell) {
        const RoughPalette rough = state_.rough;
        F8 squares{};
        I8 changes{}, before{};
        for (int i = 0; i < samples / 8; ++i) {
            const F8 error = rough_error(rough, cell[i]);
            const I8 number = rough_number<I8>(rough, cell[i]);
            squares += error * error;
            if (i > 0) changes -= number != before;
            changes -= number != MMIP_MIX(number, number, 1, 2, 3, 4, 5, 6, 7, 7);
            before = number;
        }
        __builtin_memcpy(state_.column.squares, &squares, sizeof squares);
        __builtin_memcpy(state_.column.changes, &changes, sizeof changes);
    }

    // All four sums, however many colours there are: they stay in registers.
    void sum_colours(const F8* cell, int colours) {
        I8 sums[kMaxColours] = {}, counts[kMaxColours] = {};
        for (int i = 0; i < samples / 8; ++i) {
            const I8 value = truncate(cell[i]), number = nearest_colour(state_.centre, value, colours);
            MMIP_UNROLL
            for (int k = 0; k < kMaxColours; ++k) {
                const I8 own = number == k;
                sums[k] += value & own;
                counts[k] -= own;
            }
        }
        MMIP_UNROLL
        for (int k = 0; k < kMaxColours; ++k) {
            int64_t sum = 0;
            for (int lane = 0; lane < 8; ++lane) sum += sums[k][lane];
            state_.sum[k] = sum, state_.count[k] = total(counts[k]);
        }
    }

    void assign(const F8* cell, int colours) {
        typedef uint8_t Bytes __attribute__((vector_size(8)));
        int32_t centre[kMaxColours];   // a copy, or the compiler would read it after every byte written
        __builtin_memcpy(centre, state_.centre, sizeof centre);
        I8 counts[kMaxColours] = {};
        for (int i = 0; i < samples / 8; ++i) {
            const I8 number = nearest_colour(centre, truncate(cell[i]), colours);
            MMIP_UNROLL
            for (int k = 0; k < kMaxColours; ++k) counts[k] -= number == k;
            const Bytes bytes = __builtin_convertvector(number, Bytes);
            __builtin_memcpy(state_.colours + 8 * i, &bytes, sizeof bytes);
        }
        MMIP_UNROLL
        for (int k = 0; k < kMaxColours; ++k) state_.count[k] = total(counts[k]);
    }

    static int32_t total(I8 lanes) {
        int32_t sum = 0;
        for (int lane = 0; lane < 8; ++lane) sum += lanes[lane];
        return sum;
    }

    // Of a sample, which is an integer.
    static int32_t value(const F8* cell, int i) { return truncate(reinterpret_cast<const float*>(cell)[i]); }

    void sum_spread(const F8* cell) {
        int64_t spread[kMaxColours] = {0, 0, 0, 0};
        for (int i = 0; i < samples; ++i) spread[state_.colours[i]] += square(value(cell, i) - state_.centre[state_.colours[i]]);
        __builtin_memcpy(state_.spread, spread, sizeof spread);
    }

    void find_bounds(const F8* cell) {
        int32_t low = state_.low, high = state_.high;
        for (int i = 0; i < samples; ++i) {
            const int32_t v = state_.colours[i] == state_.chosen ? value(cell, i) : low;
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
        state_.low = low, state_.high = high;
    }

    // Where they cost too much already, what is left of them is not looked at.
    void weigh_colours(const F8* cell, int colours, float inverse, const PaletteCosts& costs, int64_t best) {
        state_.distortion = squared_error(cell, inverse);
        CostCoder coder{costs};
        for (int row = 0; row < 8 * depth && weigh(palette_cost(state_.distortion, coder.sum)) < best; ++row)
            for (int x = 0; x < 8; ++x) code_colour(state_.colours, row / 8, row % 8, x, colours, coder);
        state_.bits = coder.sum;
    }

    int64_t squared_error(const F8* cell, float inverse) const {
        typedef uint8_t Bytes __attribute__((vector_size(8)));
        typedef uint64_t U4 __attribute__((vector_size(32)));
        const PaletteValues of = state_.values;
        U4 sums{};
        for (int i = 0; i < samples / 8; ++i) {
            Bytes colours;
            __builtin_memcpy(&colours, state_.colours + 8 * i, sizeof colours);
            const I8 number = __builtin_convertvector(colours, I8);
            F8 value = F8{} + of.of[0];
            for (int k = 1; k < kMaxColours; ++k) value = number == k ? F8{} + of.of[k] : value;
            const U4 pairs = reinterpret_cast<U4>(scaled_magnitude(absolute(cell[i] - value), inverse)), even = pairs & 0xffffffffu, odd = pairs >> 32;
            sums += even * even + odd * odd;
        }
        return static_cast<int64_t>(sums[0] + sums[1] + sums[2] + sums[3]);
    }

    PaletteSearchState<depth, int64_t> state_;
};

}  // namespace MMIP_NS
