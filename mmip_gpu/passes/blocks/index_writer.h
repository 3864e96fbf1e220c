// The indices of chosen blocks, one after the other, and what an encoder sums up of them.
// Values: candidates in; positions, indices, QuantizerSums out. Home: host, per instruction set. One item of work = one block.
// Encoder side of FORMAT.md section 5. Up to kOutputSlack elements past the last one are written to.
#pragma once

#include "passes/blocks/candidate.h"
#include "passes/kernels.h"

namespace MMIP_NS {

// What is kept for requantizing: scaled magnitudes from here on. Steps that are smaller by an eighth find all that they need in it.
constexpr int32_t kLeastKept = 140;

MMIP_RULE int32_t with_sign(int32_t magnitude, float coefficient) { return coefficient < 0 ? -magnitude : magnitude; }

// f = |c| * inverse; |q| = (f + rounding) >> 8, which is not 0 from f = least on.
struct IndexRule {
    float inverse;
    int32_t least, rounding;
};

struct IndexWriter {
    uint16_t* positions;     // where the next ones go
    int32_t* values;

    // The coefficients of a reversible block, integers that are indices already.
    template <class C, int room>
    int write_exact(C& chosen, Collector<room>& collector, int samples, const uint16_t* order) {
        const int count = chosen.collect(collector, samples, order, 1.0f, 1, positions, chosen.values);
        for (int i = 0; i < count; ++i) values[i] = truncate(chosen.values[i]);
        positions += count;
        values += count;
        return count;
    }

    // The indices of a block by rounding alone; `sums` is added to.
    template <class C, int room>
    int write_rounded(C& chosen, Collector<room>& collector, int samples, const uint16_t* order, const IndexRule& rule, mmip::QuantizerSums& sums) {
        const int count = chosen.collect(collector, samples, order, rule.inverse, rule.least, positions, chosen.values);
        const F8* coefficients = reinterpret_cast<const F8*>(chosen.values);
        I8 ones{}, twos{}, over_one{}, over_two{}, over_all{}, squares{};   // |over| is below 2^8
        for (int i = 0; i < count; i += 8) {
            const F8 coefficient = coefficients[i / 8];
            const I8 scaled = scaled_magnitude(coefficient, rule.inverse), magnitude = quantize_magnitude(scaled, rule.rounding), sign = coefficient < 0;
            const I8 over = (magnitude << 8) - scaled, one = magnitude == 1, two = magnitude == 2, indices = (magnitude ^ sign) - sign;
            __builtin_memcpy(values + i, &indices, sizeof indices);
            ones -= one;
            twos -= two;
            over_one += over & one;
            over_two += over & two;
            over_all += over;
            squares += over * over;
        }
        positions += count;
        values += count;
        sums.distortion += chosen.rest + total(squares);
        add_sums(sums, total(ones), total(twos), count, total(over_one), total(over_two), total(over_all));
        return count;
    }

    // The entries that code lengths left in the later stages.
    template <class C>
    int write_kept(const C& chosen, int stages, float inverse, mmip::QuantizerSums& sums) {
        int count = 0;
        for (int stage = 1; stage < stages; ++stage) {
            const int first = chosen.first[stage], kept = chosen.kept_count[stage];
            // Coefficients go where their indices will stand.
            for (int n = 0; n < kept; ++n) {
                const int i = first + chosen.kept[first + n] % kLoweredEntry;
                positions[n] = chosen.positions[i];
                __builtin_memcpy(values + n, chosen.values + i, sizeof *values);
            }
            write_indices(kept, chosen.kept + first, inverse, sums);
            count += kept;
        }
        return count;
    }

    // What ScaledTile of layout.h holds of a block; the distortion of all else is added to sums.rest.
    template <class C, int room>
    int keep(C& chosen, Collector<room>& collector, int samples, const uint16_t* order, float inverse, mmip::QuantizerSums& sums) {
        const int count = chosen.collect(collector, samples, order, inverse, kLeastKept, positions, chosen.values);
        const F8* coefficients = reinterpret_cast<const F8*>(chosen.values);
        for (int i = 0; i < count; i += 8) {
            const I8 scaled = scaled_magnitude(coefficients[i / 8], inverse), sign = coefficients[i / 8] < 0, values_of = (scaled ^ sign) - sign;
            __builtin_memcpy(values + i, &values_of, sizeof values_of);
        }
        positions += count;
        values += count;
        sums.rest += chosen.rest;
        return count;
    }

    template <class C>
    int write_palette(const C& chosen) {
        for (int n = 0; n < chosen.count; ++n) positions[n] = chosen.positions[n];
        __builtin_memcpy(values, chosen.values, chosen.count * sizeof *values);
        positions += chosen.count;
        values += chosen.count;
        return chosen.count;
    }

private:
    // The next `count` indices, out of the coefficients in their places; `kept` says which are lowered.
    void write_indices(int count, const uint16_t* kept, float inverse, mmip::QuantizerSums& sums) {
        I8 ones{}, twos{}, over_one{}, over_two{}, over_all{}, number{0, 1, 2, 3, 4, 5, 6, 7};   // |over| is below 2^9
        for (int n = 0; n < count; n += 8, number += 8) {
            F8 coefficient;
            U8x16 lowered;
            __builtin_memcpy(&coefficient, values + n, sizeof coefficient);
            __builtin_memcpy(&lowered, kept + n, sizeof lowered);
            const I8 scaled = scaled_magnitude(coefficient, inverse), sign = coefficient < 0;
            const I8 magnitude = quantize_magnitude(scaled, kHalfUp) - __builtin_convertvector(lowered / kLoweredEntry, I8);
            const I8 inside = number < count, one = (magnitude == 1) & inside, two = (magnitude == 2) & inside, over = (magnitude << 8) - scaled;
            const I8 indices = (magnitude ^ sign) - sign;
            __builtin_memcpy(values + n, &indices, sizeof indices);
            ones -= one;
            twos -= two;
            over_one += over & one;
            over_two += over & two;
            over_all += over & inside;
        }
        positions += count;
        values += count;
        add_sums(sums, total(ones), total(twos), count, total(over_one), total(over_two), total(over_all));
    }

    static int64_t total(I8 lanes) {
        int64_t sum = 0;
        for (int lane = 0; lane < 8; ++lane) sum += lanes[lane];
        return sum;
    }

    // Indices of magnitude 1, of 2, of all, and their excess.
    static void add_sums(mmip::QuantizerSums& sums, int64_t ones, int64_t twos, int64_t all, int64_t over_one, int64_t over_two, int64_t over_all) {
        sums.count[0] += ones;
        sums.count[1] += twos;
        sums.count[2] += all - ones - twos;
        sums.excess[0] += over_one;
        sums.excess[1] += over_two;
        sums.excess[2] += over_all - over_one - over_two;
    }
};

}  // namespace MMIP_NS
