// Indices of a block by another step than the one that its coefficients are scaled by.
// Values: RequantizeJob in; positions, indices and QuantizerSums out. Home: host, per instruction set. One item of work = one block.
// Encoder side of FORMAT.md section 5.
#pragma once

#include "rules/blocks/quantize.h"
#include "passes/blocks/candidate.h"
#include "passes/kernels.h"

namespace MMIP_NS {

// Elements of a vector by their places, 0..7.
template <class Values, class Places>
inline Values picked(Values values, Places places) {
#ifdef __clang__
    Values found;
    for (int i = 0; i < 8; ++i) found[i] = values[places[i] & 7];
    return found;
#else
    return __builtin_shuffle(values, places);
#endif
}

// Sums over eight lanes; entries from `count` on are not in them.
struct RequantizedSums {
    I8 ones{}, twos{}, over_one{}, over_two{}, over_all{}, nonzero{};

    static int64_t total(I8 lanes) {
        int64_t sum = 0;
        for (int lane = 0; lane < 8; ++lane) sum += lanes[lane];
        return sum;
    }

    void add_to(mmip::QuantizerSums& sums) const {
        const int64_t n1 = total(ones), n2 = total(twos), o1 = total(over_one), o2 = total(over_two);
        sums.count[0] += n1, sums.count[1] += n2, sums.count[2] += total(nonzero) - n1 - n2;
        sums.excess[0] += o1, sums.excess[1] += o2, sums.excess[2] += total(over_all) - o1 - o2;
    }
};

MMIP_RULE int requantize(const mmip::RequantizeJob& job, mmip::QuantizerSums& sums) {
    RequantizedSums found;
    I8 squares{}, dropped{}, number{0, 1, 2, 3, 4, 5, 6, 7};   // below 2^16 each, of at most 512 a lane
    int end = 0;
    for (int n = 0; n < job.count; n += 8, number += 8) {
        I8 value;
        U8x16 position;
        __builtin_memcpy(&value, job.values + n, sizeof value);
        __builtin_memcpy(&position, job.positions + n, sizeof position);
        const I8 sign = value >> 31, before = (value ^ sign) - sign, scaled = rescaled(before, job.ratio), magnitude = quantize_magnitude(scaled, job.rounding);
        const I8 inside = number < job.count, kept = (magnitude > 0) & inside, one = (magnitude == 1) & inside, two = (magnitude == 2) & inside;
        const I8 over = ((magnitude << 8) - scaled) & kept, small = before & ~kept & inside, index = (magnitude ^ sign) - sign;
        found.nonzero -= kept, found.ones -= one, found.twos -= two;
        found.over_one += over & one, found.over_two += over & two, found.over_all += over;
        squares += over * over;
        dropped += small * small;
        const uint32_t bits = lane_bits(kept);
        U8x16 from;
        __builtin_memcpy(&from, kBytePlaces.of[bits], sizeof from);
        const I8 lanes = __builtin_convertvector(from, I8), indices = picked(index, lanes);
        const U8x16 positions = picked(position, from);
        __builtin_memcpy(job.out_values + end, &indices, sizeof indices);
        __builtin_memcpy(job.out_positions + end, &positions, sizeof positions);
        end += __builtin_popcount(bits);
    }
    found.add_to(sums);
    sums.distortion += RequantizedSums::total(squares);
    sums.rest += RequantizedSums::total(dropped);
    return end;
}

}  // namespace MMIP_NS
