// What an encoder decides on one block: which of its coefficients to lower or drop so that distortion + lambda * bits is least.
// Values: entries (scaled magnitudes in 1/256 step, in scan order) and code lengths in bits. Host and device; integers only
// (design D2), so that all executors decide alike. Not part of the format: a decoder never asks why.
#pragma once

#include "rules/tokens/builtin_codes.h"
#include "rules/blocks/quantize.h"
#include "rules/fields.h"
#include "rules/tokens/symbols.h"

namespace MMIP_NS {

// A coefficient that may become an index other than 0.
struct Entry {
    uint16_t position;       // in the scan of its block
    uint16_t negative;
    int32_t scaled;          // |c| / step in 1/256; |c| itself in a reversible class
    int32_t magnitude;       // |q|
    MMIP_FIELDS(position, negative, scaled, magnitude)
};

// One stage of a block: where it starts, and what it costs to say how many nonzeros it has.
struct Segment {
    int low;                         // first scan position
    const mmip::BlockPosition* positions;
    const uint8_t* token;            // kTokenClasses x kTokenAlphabet: bits of a symbol and of the raw bits after it
    const uint8_t* header;           // the same for headers: row of the context class, at the block's mode
    int empty_bits;                  // of a header that says there is nothing
};

constexpr int64_t kLambda = 7424;            // 29/256 squared steps a bit, in (1/256 step)^2
constexpr int32_t kLowerBelow = 90;          // lowering is tried below |q| + 0.35
constexpr int kDecisionRounds = 2;           // one in a pass for the code lengths of the next, see choice.h
constexpr int32_t kLargestEnergy = 1 << 24;  // 4096 squares of it fit 63 bits; what is larger is never dropped

struct Cost {
    int64_t distortion;      // (1/256 step)^2
    int64_t bits;
};

MMIP_RULE int64_t weigh(Cost c) { return c.distortion + kLambda * c.bits; }

// What is left of a stage: all of its entries, or none.
MMIP_RULE bool is_better_empty(Cost empty, Cost coded) { return weigh(empty) <= weigh(coded); }

// From which scaled magnitude on a coefficient may become an index by code lengths, at efforts 2 and 3: they nearly always drop
// those near 1/2.
constexpr int32_t kLeastRough = 144, kLeastFull = 128;

// The same for any Search; without code lengths, rounding decides.
MMIP_RULE int32_t least_scaled(int search, int32_t rounding) {
    if (search == mmip::kSearchFull) return kLeastFull;
    return search == mmip::kSearchRough ? kLeastRough : kStepOne - rounding;
}

MMIP_RULE int decision_rounds(int search, bool is_first) { return search == mmip::kSearchFull && is_first ? 1 : kDecisionRounds; }

// Whether an index |q| > 0 may be lowered, `over` = 256 |q| - f: not where it is large, or where its size would stay the same.
template <class I>
MMIP_RULE auto may_lower(I magnitude, I over) {
    return ((magnitude <= 4) | (magnitude == 6) | (magnitude == 8)) & (over > -kLowerBelow);
}

constexpr int64_t kHarmUnit = 512;

// What lowering adds to the distortion, (256 - over)^2 - over^2, in kHarmUnit.
template <class I>
MMIP_RULE I lowering_harm(I over) {
    return 128 - over;
}

// How many bits lowering must save so that it pays: harm * kHarmUnit / kLambda, rounded down, and one.
template <class I>
MMIP_RULE I least_saving(I over) {
    return (lowering_harm(over) * 2260 >> 15) + 1;   // exact for harms below 2000
}

// Of a block of a mode and so many cells; `row` of headers: that of the context class.
MMIP_RULE Segment block_segment(int low, const mmip::BlockPosition* positions, const uint8_t* token, const uint8_t* row, int mode, int cells) {
    return {low, positions, token, row + 32 * mode, cells == 1 ? row[0] : row[32 * mode]};
}

MMIP_RULE int header_bits(const Segment& s, int nonzeros) {
    return nonzeros == 0 ? s.empty_bits : s.header[count_symbol(static_cast<uint32_t>(nonzeros))];
}

// Class of a header when nothing is known of the neighbours: as if they were like the block.
MMIP_RULE int guessed_header_class(int nonzeros, int cells, int merges) {
    return header_class(header_context(density(static_cast<uint32_t>(nonzeros), cells), 1), merges);
}

// Bits of the symbols of a token at p that is the last but `left` - 1; `place` = what the context owes to the position alone.
MMIP_RULE const uint8_t* token_row(const Segment& s, int left, int p, int place) {
    const int gap = gap_class(s.positions[p].room, count_log(static_cast<uint32_t>(left)));
    return s.token + kTokenClass[gap * (kPlaceClasses * kNeighbourClasses) + place] * kTokenAlphabet;
}

template <class Magnitudes>
MMIP_RULE int token_place(const Segment& s, const Magnitudes& magnitudes, int p) {
    return s.positions[p].place * kNeighbourClasses + neighbour_class(neighbour_sum(magnitudes, s.positions[p].near));
}

MMIP_RULE void set_magnitude(uint32_t* magnitudes, int p, uint32_t value) { magnitudes[p] = value; }

// What decisions on a stage have made of it so far: how many entries are left, the distortion of those that are not, bits of tokens.
struct Decided {
    int count;
    int64_t dropped, bits;
};

// One round of decisions, from the last entry to the first; those that are left move up to the front.
template <class Magnitudes>
MMIP_RULE void decide_round(Entry* entries, const Segment& s, Magnitudes magnitudes, Decided& d) {
    // The token before an entry is told from the entries before it alone, so its place holds whatever becomes of the entry.
    int kept = d.count, left = 0, next = -1, next_bits = 0, header_saved = header_bits(s, kept) - header_bits(s, kept - 1);
    d.bits = 0;
    for (int i = d.count - 1; i >= 0; --i) {
        Entry& e = entries[i];
        const int p = i > 0 ? entries[i - 1].position + 1 : s.low;
        const int m = e.magnitude, place = token_place(s, magnitudes, p);
        const uint8_t* row = token_row(s, left + 1, p, place) + 16 * count_symbol(static_cast<uint32_t>(e.position - p));
        const int size = token_size(static_cast<uint32_t>(m));
        int own = row[size];
        // Dropped (1) or lowered: both are computed, since which it is cannot be foreseen.
        const Entry& after = entries[next >= 0 ? next : i];
        const int after_symbol = 16 * count_symbol(static_cast<uint32_t>(after.position - p)) + token_size(static_cast<uint32_t>(after.magnitude));
        const int joined = next >= 0 ? token_row(s, left, p, place)[after_symbol] : 0;
        const int lower = row[size - 1], saved = m == 1 ? own + next_bits + header_saved - joined : own - lower;
        const int32_t over = (m << 8) - e.scaled;
        if (may_lower(m, over) & (saved >= least_saving(over))) {
            set_magnitude(magnitudes, e.position, static_cast<uint32_t>(--e.magnitude));
            if (m == 1) {
                d.dropped += square(e.scaled);
                --kept;
                header_saved = kept > 0 ? header_bits(s, kept) - header_bits(s, kept - 1) : 0;
                next_bits = joined;
                continue;
            }
            own = lower;
        }
        d.bits += next_bits;
        next_bits = own;
        next = i;
        ++left;
    }
    d.bits += next_bits;
    int n = 0;
    for (int i = 0; i < d.count; ++i)
        if (entries[i].magnitude > 0) entries[n++] = entries[i];
    d.count = n;
}

// Lowers and drops entries of one segment; magnitudes holds |q| of the stage by position (all zero before and after), read by [] and
// written by set_magnitude. Returns how many entries are left, and their cost. passes/blocks/decide_kernels.h decides alike without
// branches; tests/test_fast_paths.py compares the two.
template <class Magnitudes>
MMIP_RULE int decide_segment(Entry* entries, int count, const Segment& s, int rounds, Magnitudes magnitudes, Cost& cost) {
    Decided d{count, 0, 0};
    for (int i = 0; i < count; ++i) set_magnitude(magnitudes, entries[i].position, static_cast<uint32_t>(entries[i].magnitude));
    for (int round = 0; round < rounds && d.count > 0; ++round) decide_round(entries, s, magnitudes, d);
    int64_t distortion = d.dropped, energy = d.dropped;
    for (int i = 0; i < d.count; ++i) {
        set_magnitude(magnitudes, entries[i].position, 0);
        distortion += square((static_cast<int64_t>(entries[i].magnitude) << 8) - entries[i].scaled);
        energy += square(entries[i].scaled < kLargestEnergy ? entries[i].scaled : kLargestEnergy);
    }
    const Cost coded = {distortion, d.bits + header_bits(s, d.count)}, empty = {energy, header_bits(s, 0)};
    cost = is_better_empty(empty, coded) ? empty : coded;
    return is_better_empty(empty, coded) ? 0 : d.count;
}

}  // namespace MMIP_NS
