// A block in one mode as the encoder weighs it: its coefficients as a sorted list of entries, and their cost.
// Values: coefficients of a block in the transposed layout in; Entry lists out. Home: host, per instruction set.
// One item of work = one block; phases are scale (lanes), sort (by bit sets), decide. Encoder's own, not part of the format.
#pragma once

#include "../rules/choose.h"
#include "block_kernels.h"
#include "kernels.h"

namespace MMIP_NS {

// One bit for each lane that is true.
MMIP_RULE uint32_t lane_bits(I8 condition) {
#if defined(__AVX__)
    return static_cast<uint32_t>(__builtin_ia32_movmskps256(reinterpret_cast<F8>(condition)));
#else
    uint32_t bits = 0;
    for (int lane = 0; lane < 8; ++lane) bits |= (static_cast<uint32_t>(condition[lane]) & 1u) << lane;
    return bits;
#endif
}

// Scratch that puts the entries of a block into scan order: a set of positions, and what stands at them.
template <int size>
struct Collector {
    uint64_t set[size / 64 > 0 ? size / 64 : 1] = {};
    float at[size];
};

template <int size>
struct Candidate {
    int mode, count;
    Cost cost;               // of all AC, by the last estimate
    int64_t rest;            // distortion of what is not an entry
    float dc[16];            // of its cells, in coding order
    Entry entries[size];

    // Entries are the coefficients whose scaled magnitude is at least `threshold` (at most 256); the DC places hold zero.
    template <int room>
    void collect(Collector<room>& c, const F8* coefficients, int samples, const uint16_t* order, float inverse, int32_t threshold) {
        const float* values = reinterpret_cast<const float*>(coefficients);
        I8 squares{};   // below 2^16 each, so that the 512 of a lane cannot overflow
        for (int i = 0; i < samples / 8; i += 8) {
            uint64_t found = 0;
            MMIP_UNROLL
            for (int k = 0; k < 8; ++k) {
                const I8 scaled = scaled_magnitude(coefficients[i + k], inverse);
                const I8 large = scaled >= threshold;
                const I8 small = where(large, I8{}, scaled);
                squares += small * small;
                found |= static_cast<uint64_t>(lane_bits(large)) << (8 * k);
            }
            for (; found != 0; found &= found - 1) {
                const int at = 8 * i + __builtin_ctzll(found), p = order[at];
                c.set[p >> 6] |= uint64_t{1} << (p & 63);
                c.at[p] = values[at];
            }
        }
        rest = 0;
        for (int lane = 0; lane < 8; ++lane) rest += squares[lane];
        count = 0;
        for (int word = 0; word < samples / 64; ++word) {
            for (uint64_t left = c.set[word]; left != 0; left &= left - 1) {
                const int p = 64 * word + __builtin_ctzll(left);
                uint32_t bits;   // the sign is taken off first: a branch on it could not be foreseen
                __builtin_memcpy(&bits, &c.at[p], 4);
                const uint32_t positive = bits & 0x7fffffffu;
                float magnitude;
                __builtin_memcpy(&magnitude, &positive, 4);
                entries[count++] = {static_cast<uint16_t>(p), static_cast<uint16_t>(bits >> 31), scaled_magnitude(magnitude, inverse), 0};
            }
            c.set[word] = 0;
        }
    }

    // Magnitudes by rounding, and a cost from bit lengths alone.
    void round(int32_t rounding) {
        cost = {rest, kBlockBits};
        int64_t quarters = 0;
        for (int i = 0; i < count; ++i) {
            Entry& e = entries[i];
            e.magnitude = quantize_magnitude(e.scaled, rounding);
            cost.distortion += square((static_cast<int64_t>(e.magnitude) << 8) - e.scaled);
            quarters += index_cost(e.magnitude);
        }
        cost.bits += quarters / 4;
    }

    // Magnitudes and cost by the code lengths of each stage. `cell` is the first of the block, in coding order.
    void decide(const mmip::AnalyzeJob& job, const mmip::BlockView& view, int cell, uint32_t* magnitudes) {
        for (int i = 0; i < count; ++i) entries[i].magnitude = quantize_magnitude(entries[i].scaled, kHalfUp);
        cost = {rest, 0};
        int from = 0, kept = 0;
        for (int stage = 1; stage < job.stages; ++stage) {
            const int low = view.cells * job.cuts[stage - 1], high = view.cells * job.cuts[stage];
            int to = from;
            while (to < count && entries[to].position < high) ++to;
            Segment s{low, view.neighbours, view.position_class, job.token_bits[stage], nullptr, 0};
            const int context = job.header_class[stage] != nullptr ? job.header_class[stage][cell] : guessed_header_class(to - from, view.cells);
            const uint8_t* row = job.header_bits[stage] + context * kHeaderAlphabet;
            s.header = row + 32 * mode;
            s.empty_bits = view.cells == 1 ? row[0] : s.header[0];
            Cost part;
            const int n = decide_segment(entries + from, to - from, s, magnitudes, part);
            for (int i = 0; i < n; ++i) entries[kept + i] = entries[from + i];
            kept += n;
            from = to;
            cost.distortion += part.distortion;
            cost.bits += part.bits;
        }
        count = kept;
    }
};

}  // namespace MMIP_NS
