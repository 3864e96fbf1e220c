// The decisions of rules/decide.h for all entries of a block, without branches that could not be foreseen.
// Values: positions and coefficients of the entries in scan order; code lengths in bits; which entries stay, and their cost out.
// Home: host, per instruction set. One item of work = one block's part of a stage. Guarantees what decide_segment gives.
#pragma once

#include "../rules/choose.h"
#include "kernels.h"
#include "token_kernels.h"

namespace MMIP_NS {

// Places of codes and count symbols by table.
struct DecisionTables {
    static constexpr int kPlaces = kPlaceClasses * kNeighbourClasses;
    static constexpr int kLargestSum = 9 * static_cast<int>(kSaturatingMagnitude);

    uint16_t codes[kCountLogs * kPlaces];                // class * kTokenAlphabet, by room log - left log, place, neighbour class
    uint16_t left_offsets[mmip::kMaxBlockCount + 2];     // what the tokens left take from that place
    uint8_t counts[mmip::kMaxBlockCount + 2];            // count_symbol(n - 1)
    uint8_t neighbours[kLargestSum + 1];                 // neighbour_class

    DecisionTables() {
        for (int difference = 0; difference < kCountLogs; ++difference)
            for (int place = 0; place < kPlaces; ++place)
                codes[difference * kPlaces + place] = static_cast<uint16_t>(kTokenClass[gap_class(difference, 0) * kPlaces + place] * kTokenAlphabet);
        for (uint32_t n = 0; n < mmip::kMaxBlockCount + 2; ++n) {
            left_offsets[n] = static_cast<uint16_t>(count_log(n) * kPlaces);
            counts[n] = static_cast<uint8_t>(count_symbol(n > 0 ? n - 1 : 0));
        }
        for (uint32_t v = 0; v <= kLargestSum; ++v) neighbours[v] = static_cast<uint8_t>(neighbour_class(v));
    }
};

inline const DecisionTables& decision_tables() {
    static const DecisionTables tables;
    return tables;
}

constexpr uint16_t kLoweredEntry = 1 << 15;      // of the numbers of entries that are kept

// The entries of one block, `room` at most.
template <int room>
class Decider {
public:
    // All entries by rounding half up. Up to kOutputSlack elements after the positions and coefficients are read.
    void begin(const uint16_t* positions, const float* coefficients, int count, float inverse) {
        I8 number{0, 1, 2, 3, 4, 5, 6, 7};
        for (int i = 0; i < count; i += 8, number += 8) {
            U8x16 position;
            F8 coefficient;
            __builtin_memcpy(&position, positions + i, sizeof position);
            __builtin_memcpy(&coefficient, coefficients + i, sizeof coefficient);
            const I8 scaled = scaled_magnitude(coefficient, inverse), magnitude = quantize_magnitude(scaled, kHalfUp), over = (magnitude << 8) - scaled;
            const I8 size = TokenSymbols(I8{}, magnitude).size, least = where(may_lower(magnitude, over), least_saving(over), I8{} + kNever);
            const I8 at = __builtin_convertvector(position, I8) | number << 16, is = size | least << 8;
            const I8 most = I8{} + static_cast<int32_t>(kSaturatingMagnitude), known = where(magnitude < most, magnitude, most);
            __builtin_memcpy(at_ + 1 + i, &at, sizeof at);
            __builtin_memcpy(is_ + 1 + i, &is, sizeof is);
            __builtin_memcpy(scaled_ + i, &scaled, sizeof scaled);
            __builtin_memcpy(over_ + i, &over, sizeof over);
            __builtin_memcpy(known_ + i, &known, sizeof known);
        }
    }

    // Lowers and drops entries `first` to `last` - 1, those of one stage; stages in ascending order. Returns how many are left;
    // `kept` gets their numbers.
    int decide(int first, int last, const Segment& s, uint16_t* kept, Cost& cost) {
        Cost empty{0, s.empty_bits}, coded{0, 0};
        measure(first, last, empty.distortion, coded.distortion);
        alignas(32) uint8_t headers[32];
        __builtin_memcpy(headers, s.header, sizeof headers);
        headers[0] = static_cast<uint8_t>(s.empty_bits);
        for (int i = first; i < last; ++i) magnitudes_[at_[1 + i] & 0xffff] = static_cast<uint8_t>(known_[i]);
        int from = first;
        for (int n = 0; n < kDecisionRounds && from < last; ++n) {
            at_[from] = static_cast<uint32_t>(s.low - 1);
            find_contexts(from, last, s.positions);
            const Round round = decide_round(from, last, s.token, headers);
            coded.distortion += round.harm;
            coded.bits = round.bits;
            from = last - round.left;
            if (!round.changed) break;   // another one would find the same
        }
        const int left = last - from;
        for (int i = from; i < last; ++i) magnitudes_[at_[1 + i] & 0xffff] = 0;
        coded.bits += headers[tables_.counts[left + 1]];
        if (weigh(empty) <= weigh(coded)) {
            cost = empty;
            return 0;
        }
        for (int i = from; i < last; ++i) *kept++ = static_cast<uint16_t>(at_[1 + i] >> 16 | (is_[1 + i] >> 16) << 15);
        cost = coded;
        return left;
    }

private:
    static constexpr int32_t kNever = 255;           // no saving is so large
    static constexpr uint32_t kLowered = 1u << 16;   // in is_

    struct Round {
        int left;
        bool changed;
        int64_t harm, bits;
    };

    // Squared errors of the entries without indices, and with those by rounding.
    void measure(int first, int last, int64_t& without, int64_t& with) const {
        typedef uint64_t U4 __attribute__((vector_size(32)));
        U4 energy{};
        I8 squares{}, number = I8{0, 1, 2, 3, 4, 5, 6, 7} + first;
        for (int i = first; i < last; i += 8, number += 8) {
            I8 scaled, over;
            __builtin_memcpy(&scaled, scaled_ + i, sizeof scaled);
            __builtin_memcpy(&over, over_ + i, sizeof over);
            const I8 inside = number < last;
            over &= inside;
            squares += over * over;
            scaled = where(scaled < kLargestEnergy, scaled, I8{} + kLargestEnergy) & inside;
            const U4 pairs = reinterpret_cast<U4>(scaled), even = pairs & 0xffffffffu, odd = pairs >> 32;
            energy += even * even + odd * odd;
        }
        for (int lane = 0; lane < 8; ++lane) with += squares[lane];
        for (int lane = 0; lane < 4; ++lane) without += static_cast<int64_t>(energy[lane]);
    }

    // What the context of each token owes to its place, and its symbol.
    void find_contexts(int from, int last, const mmip::BlockPosition* positions) {
        const DecisionTables& tables = tables_;
        int before = static_cast<int16_t>(at_[from]);
        for (int i = from; i < last; ++i) {
            const int position = static_cast<int>(at_[1 + i] & 0xffff);
            const mmip::BlockPosition& at = positions[before + 1];
            const int place = (at.room * kPlaceClasses + at.place) * kNeighbourClasses + tables.neighbours[neighbour_sum(magnitudes_, at.near)];
            places_[i] = static_cast<uint16_t>(place);
            symbols_[i] = static_cast<uint16_t>(16 * tables.counts[position - before] + (is_[1 + i] & 0xff));
            before = position;
        }
    }

    // From the last to the first; those that stay move up to the end.
    Round decide_round(int from, int last, const uint8_t* token, const uint8_t* headers) {
        const uint16_t *const codes = tables_.codes, *const left_offsets = tables_.left_offsets;
        const uint8_t* const counts = tables_.counts;
        int left = 0, kept = last - from, next_position = static_cast<int>(at_[last] & 0xffff), next_size = 1, next_bits = 0, bits = 0, harm = 0, any = 0, changes = 0;
        int header = headers[counts[kept + 1]], header_less = headers[counts[kept]];
        for (int i = last - 1; i >= from; --i) {
            const uint32_t at = at_[1 + i], is = is_[1 + i];
            const int before = static_cast<int16_t>(at_[i]), position = static_cast<int>(at & 0xffff), size = static_cast<int>(is & 0xff);
            const uint16_t* const places = codes + places_[i];
            const uint8_t* const own_row = token + places[-static_cast<int>(left_offsets[left + 1])] + symbols_[i];
            const uint8_t* const joined_row = token + places[-static_cast<int>(left_offsets[left])];
            const int own = own_row[0], lower = own_row[-1];
            const int joined = joined_row[16 * counts[next_position - before] + next_size] & any;
            const int one = -static_cast<int>(size == 1);
            const int saved = own + ((next_bits + header - header_less - joined) & one) - (lower & ~one);
            const int change = -static_cast<int>(saved >= static_cast<int>(is >> 8 & 0xff));
            const int drop = change & one, keep = ~drop;
            magnitudes_[position] = static_cast<uint8_t>(magnitudes_[position] + change);
            harm += lowering_harm(over_[at >> 16]) & change;
            changes |= change;
            bits += next_bits & keep;
            const int coded = own + ((lower - own) & change);
            next_bits = (coded & keep) | (joined & drop);
            next_position = (position & keep) | (next_position & drop);
            next_size = ((size + change) & keep) | (next_size & drop);
            any |= keep;
            at_[last - left] = at;
            is_[last - left] = is + ((0x1ff00u - 1 - (is & 0xff00)) & static_cast<uint32_t>(change));
            left -= keep;
            kept += drop;
            header = (header_less & drop) | (header & keep);
            const int two_less = headers[counts[kept]];
            header_less = (two_less & drop) | (header_less & keep);
        }
        return {left, changes != 0, kHarmUnit * harm, static_cast<int64_t>(bits) + next_bits};
    }

    const DecisionTables& tables_ = decision_tables();
    uint8_t magnitudes_[room + 1] = {};              // |q| by position, at most kSaturatingMagnitude; zeros between calls
    uint32_t at_[room + 1 + mmip::kOutputSlack];     // number << 16 | position; the first is before the entries
    uint32_t is_[room + 1 + mmip::kOutputSlack];     // kLowered | least saving << 8 | token_size
    int32_t scaled_[room + mmip::kOutputSlack], over_[room + mmip::kOutputSlack], known_[room + mmip::kOutputSlack];
    uint16_t places_[room], symbols_[room];
};

}  // namespace MMIP_NS
