// A block in one mode as the encoder weighs it: its coefficients as a sorted list of entries, and their cost.
// Values: coefficients of a block in the transposed layout in; positions and values of entries out. Home: host, per instruction
// set. One item of work = one block; phases are scale (lanes), sort (by bit sets), decide. Encoder's own, not part of the format.
#pragma once

#include "rules/blocks/decide.h"
#include "passes/blocks/block_kernels.h"
#include "passes/blocks/decide_kernels.h"
#include "passes/kernels.h"

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

// Bit k is set where byte k of 64 is not zero (its high bit then is).
MMIP_RULE uint64_t byte_bits(const uint8_t* bytes) {
    uint64_t bits = 0;
#if defined(__AVX2__)
    typedef char Bytes __attribute__((vector_size(32)));
    for (int i = 0; i < 2; ++i) {
        Bytes part;
        __builtin_memcpy(&part, bytes + 32 * i, sizeof part);
        bits |= static_cast<uint64_t>(static_cast<uint32_t>(__builtin_ia32_pmovmskb256(part))) << (32 * i);
    }
#else
    for (int i = 0; i < 8; ++i) {
        uint64_t part;
        __builtin_memcpy(&part, bytes + 8 * i, sizeof part);
        bits |= (((part >> 7) & 0x0101010101010101u) * 0x0102040810204080u >> 56) << (8 * i);
    }
#endif
    return bits;
}

// The places of the set bits of every byte.
struct BytePlaces {
    alignas(16) uint16_t of[256][8] = {};

    constexpr BytePlaces() {
        for (int byte = 0; byte < 256; ++byte)
            for (int bit = 0, n = 0; bit < 8; ++bit)
                if ((byte >> bit & 1) != 0) of[byte][n++] = static_cast<uint16_t>(bit);
    }
};

static constexpr BytePlaces kBytePlaces;

// Appends base + the places of the set bits; returns one past the last. Eight are written for every byte, wanted or not:
// asking after each one whether it was the last would seldom be foreseen.
MMIP_RULE uint16_t* append_places(uint64_t bits, int base, uint16_t* out) {
    MMIP_UNROLL
    for (int i = 0; i < 8; ++i) {
        const uint32_t byte = bits >> (8 * i) & 255;
        U8x16 places;
        __builtin_memcpy(&places, kBytePlaces.of[byte], sizeof places);
        places += static_cast<uint16_t>(base + 8 * i);
        __builtin_memcpy(out, &places, sizeof places);
        out += __builtin_popcount(byte);
    }
    return out;
}

// Scratch that puts the entries of a block into scan order: which positions have one, and what stands at them.
template <int size>
struct Collector {
    alignas(64) uint8_t found[size] = {};
    float at[size];
    uint16_t places[size + mmip::kOutputSlack];
};

// Indices by rounding, and a cost from bit lengths alone: index_cost of every one that is not 0, kBlockBits and `side_bits`.
template <bool counts = false>
MMIP_RULE Cost rough_cost(const F8* coefficients, float inverse, int32_t rounding, int samples, int side_bits, int* dense = nullptr) {
    I8 squares{}, lengths{}, many{};   // squares are below 2^16 each, so that the 512 of a lane cannot overflow
    for (int i = 0; i < samples / 8; ++i) {
        const I8 scaled = scaled_magnitude(coefficients[i], inverse), magnitude = quantize_magnitude(scaled, rounding);
        const I8 over = (magnitude << 8) - scaled;
        squares += over * over;
        const F8 of_magnitude = to_float(magnitude);
        I8 bits;
        __builtin_memcpy(&bits, &of_magnitude, sizeof bits);
        const I8 length = (bits >> 23) - 125;   // one more than the bit length; negative of 0
        lengths += length > 0 ? length : I8{};
        if (counts) many -= magnitude > 0;
    }
    Cost cost = {0, 0};
    for (int lane = 0; lane < 8; ++lane) cost.distortion += squares[lane], cost.bits += lengths[lane];
    cost.bits = kBlockBits + side_bits + 2 * cost.bits;
    if (dense == nullptr) return cost;
    *dense = 0;
    for (int lane = 0; lane < 8; ++lane) *dense += many[lane];
    return cost;
}

// The DC of a cell, whose place among the coefficients is zero afterwards.
MMIP_RULE float take_dc(F8* coefficients) {
    float& at = reinterpret_cast<float*>(coefficients)[0];
    const float dc = at;
    at = 0;
    return dc;
}

template <int size>
struct Candidate {
    alignas(64) F8 coefficients[size / 8 > 0 ? size / 8 : 1];   // the DC places hold zero
    int mode;
    int dense;               // indices that are not 0, by an estimate that counts
    int count;               // of the words of a palette
    int prediction;          // what was subtracted from the coefficients; see rules/prediction/prediction.h
    int side_bits;           // of the cost, what it takes to say so
    Cost cost;               // of all AC, by the last estimate
    int64_t rest;            // distortion of what is not an entry
    float dc[size / 64 > 0 ? size / 64 : 1];   // of its cells, in coding order
    // Entries in scan order, and of each stage the numbers of those that code lengths left, from its first entry on; or the
    // words of a palette, int32 in the place of values.
    uint16_t positions[size + mmip::kOutputSlack];
    alignas(32) float values[size + mmip::kOutputSlack];
    uint16_t kept[size + mmip::kOutputSlack];
    uint16_t first[kMaxStages], kept_count[kMaxStages];

    template <bool counts>
    void estimate(float inverse, int32_t rounding, int samples) {
        prediction = 0;
        cost = rough_cost<counts>(coefficients, inverse, rounding, samples, side_bits, &dense);
    }

    // Entries are the coefficients whose scaled magnitude is at least `threshold` (at most 256). Their positions and they
    // themselves are written in scan order, kOutputSlack zeros after the latter; returns how many.
    template <int room>
    int collect(Collector<room>& c, int samples, const uint16_t* order, float inverse, int32_t threshold, uint16_t* to, float* found_values) {
        const float* from = reinterpret_cast<const float*>(coefficients);
        uint16_t* end = c.places;
        I8 squares{};   // below 2^16 each, as in an estimate
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
            if (found != 0) end = append_places(found, 8 * i, end);
        }
        rest = 0;
        for (int lane = 0; lane < 8; ++lane) rest += squares[lane];
        const int many = static_cast<int>(end - c.places);
        for (int i = 0; i < many; ++i) {
            const int at = c.places[i], p = order[at];
            c.found[p] = 0xff;
            c.at[p] = from[at];
        }
        uint16_t* next = to;
        for (int first = 0; first < samples; first += 64) {
            const uint64_t found = byte_bits(c.found + first);
            if (found == 0) continue;
            next = append_places(found, first, next);
            __builtin_memset(c.found + first, 0, 64);
        }
        for (int i = 0; i < many; ++i) found_values[i] = c.at[to[i]];
        for (int i = many; i < many + mmip::kOutputSlack; ++i) found_values[i] = 0;
        return many;
    }

    // Has it decided which entries stay, and the cost, by the code lengths of each stage. `cell` is the first of the block, in
    // coding order.
    template <int room>
    void decide(const mmip::AnalyzeJob& job, const mmip::BlockView& view, int cell, float inverse, Collector<room>& c, Decider<room>& decider) {
        const int found = collect(c, view.cells * job.tile.depth * 64, view.order, inverse, least_scaled(job.search, job.rounding), positions, values);
        const int rounds = decision_rounds(job.search, job.header_class[1] == nullptr);
        cost = {rest, side_bits};
        for (int stage = 1, from = 0; stage < job.stages; ++stage) {
            const int low = view.cells * job.cuts[stage - 1], high = view.cells * job.cuts[stage];
            int to = from;
            while (to < found && positions[to] < high) ++to;
            const int context = job.header_class[stage] != nullptr ? job.header_class[stage][cell] : guessed_header_class(to - from, view.cells, job.tile.merges[cell]);
            const uint8_t* row = job.header_bits[stage] + context * kHeaderAlphabet;
            const Segment s = block_segment(low, view.positions, job.token_bits[stage], row, mode, view.cells);
            first[stage] = static_cast<uint16_t>(from);
            decider.add({positions + from, values + from, to - from, inverse, s, rounds, kept + from, &kept_count[stage], &cost});
            from = to;
        }
    }
};

}  // namespace MMIP_NS
