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
    static constexpr int kPlaces = kPlaceClasses * kNeighbourClasses, kAllPlaces = kCountLogs * kPlaces;
    static constexpr int kLargestSum = 9 * static_cast<int>(kSaturatingMagnitude);

    uint16_t codes[2 * kAllPlaces];                      // first symbol of the class, by room log - left log, place, neighbour class; then always of
                                                         // a class of zeros (see AnalyzeJob)
    int16_t left_offsets[mmip::kMaxBlockCount + 3];      // what the tokens left do to that place; none: to the zeros
    uint16_t counts[mmip::kMaxBlockCount + 2];           // 16 count_symbol(n - 1)
    uint8_t neighbours[kLargestSum + 1];                 // neighbour_class

    DecisionTables() {
        for (int difference = 0; difference < kCountLogs; ++difference)
            for (int place = 0; place < kPlaces; ++place) {
                codes[difference * kPlaces + place] = static_cast<uint16_t>(kTokenClass[gap_class(difference, 0) * kPlaces + place] * kTokenAlphabet);
                codes[kAllPlaces + difference * kPlaces + place] = static_cast<uint16_t>(kTokenClasses * kTokenAlphabet);
            }
        for (uint32_t n = 1; n < mmip::kMaxBlockCount + 3; ++n) left_offsets[n] = static_cast<int16_t>(-count_log(n) * kPlaces);
        left_offsets[0] = kAllPlaces;
        for (uint32_t n = 0; n < mmip::kMaxBlockCount + 2; ++n) counts[n] = static_cast<uint16_t>(16 * count_symbol(n > 0 ? n - 1 : 0));
        for (uint32_t v = 0; v <= kLargestSum; ++v) neighbours[v] = static_cast<uint8_t>(neighbour_class(v));
    }
};

inline const DecisionTables& decision_tables() {
    static const DecisionTables tables;
    return tables;
}

// An entry while it is decided on, from the lowest bit: what lowering it would add to the distortion (see lowering_harm), summed up in
// kHarmBits; its number; whether it was lowered; one bit less than lowering must save; whether |q| = 1; position + 1; token_size.
struct EntryWord {
    static constexpr int kHarmBits = 24, kNumber = 24, kSaving = 40, kPosition = 48, kSize = 60;
    static constexpr uint64_t kLowered = uint64_t{1} << 36, kNever = 112;   // no saving is so large
    static constexpr uint64_t kLower = kLowered + (kNever << kSaving) - (uint64_t{1} << kSize);   // lowers it, for good
    static constexpr uint32_t kPositionMask = 4095;

    // Of eight entries.
    static void put(I8 scaled, I8 magnitude, I8 position, I8 number, uint64_t* words) {
        const I8 over = (magnitude << 8) - scaled, size = TokenSymbols(I8{}, magnitude).size;
        const I8 saving = where(may_lower(magnitude, over), least_saving(over) - 1, I8{} + static_cast<int32_t>(kNever)) | ((magnitude == 1) & 128);
        const I8 low = (lowering_harm(over) & 255) | number << 24, high = number >> 8 | saving << 8 | (position + 1) << 16 | size << 28;
#if defined(__clang__) || __GNUC__ >= 12
#define MMIP_MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MMIP_MIX(a, b, ...) __builtin_shuffle(a, b, I8{__VA_ARGS__})
#endif
        const I8 first = MMIP_MIX(low, high, 0, 8, 1, 9, 2, 10, 3, 11), last = MMIP_MIX(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
#undef MMIP_MIX
        __builtin_memcpy(words, &first, sizeof first);
        __builtin_memcpy(words + 4, &last, sizeof last);
    }
};

constexpr uint16_t kLoweredEntry = 1 << 12;      // of the numbers of entries that are kept

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
            const I8 scaled = scaled_magnitude(coefficient, inverse), magnitude = quantize_magnitude(scaled, kHalfUp);
            const I8 most = I8{} + static_cast<int32_t>(kSaturatingMagnitude), known = where(magnitude < most, magnitude, most);
            EntryWord::put(scaled, magnitude, __builtin_convertvector(position, I8), number, words_ + 1 + i);
            __builtin_memcpy(scaled_ + i, &scaled, sizeof scaled);
            __builtin_memcpy(known_ + i, &known, sizeof known);
        }
    }

    // Lowers and drops entries `first` to `last` - 1, those of one stage; stages in ascending order. Returns how many are left;
    // `kept` gets their numbers.
    int decide(int first, int last, const Segment& s, uint16_t* kept, Cost& cost) {
        Cost empty{0, s.empty_bits}, coded{0, 0};
        measure(first, last, empty.distortion, coded.distortion);
        find_header_savings(last - first, s);
        for (int i = first; i < last; ++i) magnitudes_[position(i)] = static_cast<uint8_t>(known_[i]);
        int from = first;
        for (int n = 0; n < kDecisionRounds && from < last; ++n) {
            words_[from] = static_cast<uint64_t>(s.low) << EntryWord::kPosition;
            find_contexts(from, last, s.positions);
            const Round round = decide_round(from, last, s.token);
            coded.distortion += kHarmUnit * round.harm;
            coded.bits = round.bits;
            from = last - round.left;
            if (!round.changed) break;   // another one would find the same
        }
        const int left = last - from;
        for (int i = from; i < last; ++i) magnitudes_[position(i)] = 0;
        coded.bits += header_bits(s, left);
        if (weigh(empty) <= weigh(coded)) {
            cost = empty;
            return 0;
        }
        for (int i = from; i < last; ++i) *kept++ = static_cast<uint16_t>(words_[1 + i] >> EntryWord::kNumber & (2 * kLoweredEntry - 1));
        cost = coded;
        return left;
    }

private:
    struct Round {
        int left;
        bool changed;
        int64_t harm, bits;
    };

    static uint32_t next_position(uint64_t word) { return static_cast<uint32_t>(word >> EntryWord::kPosition) & EntryWord::kPositionMask; }
    uint32_t position(int i) const { return next_position(words_[1 + i]) - 1; }

    // Squared errors of the entries without indices, and with those by rounding.
    void measure(int first, int last, int64_t& without, int64_t& with) const {
        typedef uint64_t U4 __attribute__((vector_size(32)));
        U4 energy{};
        I8 squares{}, number = I8{0, 1, 2, 3, 4, 5, 6, 7} + first;
        for (int i = first; i < last; i += 8, number += 8) {
            I8 scaled;
            __builtin_memcpy(&scaled, scaled_ + i, sizeof scaled);
            const I8 inside = number < last, over = ((quantize_magnitude(scaled, kHalfUp) << 8) - scaled) & inside;
            squares += over * over;
            scaled = where(scaled < kLargestEnergy, scaled, I8{} + kLargestEnergy) & inside;
            const U4 pairs = reinterpret_cast<U4>(scaled), even = pairs & 0xffffffffu, odd = pairs >> 32;
            energy += even * even + odd * odd;
        }
        for (int lane = 0; lane < 8; ++lane) with += squares[lane];
        for (int lane = 0; lane < 4; ++lane) without += static_cast<int64_t>(energy[lane]);
    }

    // By how many bits a header of n - 1 nonzeros is shorter than one of n, for n up to `count`: it differs where the symbol does.
    void find_header_savings(int count, const Segment& s) {
        __builtin_memset(header_savings_, 0, count + 1);
        int before = s.empty_bits;
        for (int symbol = 1;; ++symbol) {
            const uint32_t n = count_base(symbol);
            if (n > static_cast<uint32_t>(count)) return;
            header_savings_[n] = static_cast<int8_t>(s.header[symbol] - before);
            before = s.header[symbol];
        }
    }

    // What the context of each token owes to its place, and its symbol.
    void find_contexts(int from, int last, const mmip::BlockPosition* positions) {
        const DecisionTables& tables = tables_;
        uint32_t before = next_position(words_[from]);
        for (int i = from; i < last; ++i) {
            const uint32_t next = next_position(words_[1 + i]), size = static_cast<uint32_t>(words_[1 + i] >> EntryWord::kSize);
            const mmip::BlockPosition& at = positions[before];
            const int place = (at.room * kPlaceClasses + at.place) * kNeighbourClasses + tables.neighbours[neighbour_sum(magnitudes_, at.near)];
            places_[i] = static_cast<uint16_t>(place);
            symbols_[i] = static_cast<uint16_t>(tables.counts[next - before] + size);
            before = next;
        }
    }

    // From the last to the first; those that stay move up to the end. Selections are masks: what is chosen could not be foreseen.
    Round decide_round(int from, int last, const uint8_t* token) {
        const uint16_t *const codes = tables_.codes, *const counts = tables_.counts;
        const int16_t* left_offsets = tables_.left_offsets + 2;
        uint64_t* const words = words_ + 1;
        uint64_t* to = words + last - 1;
        const int8_t* header_saving = header_savings_ + (last - from);
        uint64_t harm = 0;
        uint32_t position = next_position(words[last - 1]), next = position;
        int32_t next_bits = 0, bits = 0;
        int64_t own_offset = left_offsets[-1], joined_offset = left_offsets[-2];
        for (int64_t i = last - 1; i >= from; --i) {
            const uint64_t word = words[i];
            const uint32_t before = next_position(words[i - 1]);
            const uint16_t* const places = codes + places_[i];
            const uint8_t* const own_row = token + symbols_[i] + places[own_offset];
            const uint8_t* const joined_row = token + (next >> 12) + places[joined_offset];
            const int32_t saving = static_cast<int8_t>(word >> EntryWord::kSaving), one = saving >> 7;
            const int32_t own = own_row[0], lower = own_row[-1], joined = joined_row[counts[(next & EntryWord::kPositionMask) - before]];
            const int32_t other = lower ^ ((lower ^ joined) & one);
            const int32_t change = ((saving & 127) - own + other - ((next_bits + *header_saving) & one)) >> 31;
            const int32_t drop = change & one;
            const uint64_t changed = static_cast<uint64_t>(static_cast<int64_t>(change));
            magnitudes_[position - 1] = static_cast<uint8_t>(magnitudes_[position - 1] + change);
            harm += word & changed;
            bits += next_bits & ~drop;
            next_bits = own ^ ((own ^ other) & change);
            *to = word + (EntryWord::kLower & changed);
            const uint32_t here = static_cast<uint32_t>(*to >> EntryWord::kPosition);
            next = here ^ ((here ^ next) & static_cast<uint32_t>(drop));
            const int64_t dropped = drop, further_offset = *left_offsets;
            joined_offset = own_offset ^ ((own_offset ^ joined_offset) & dropped);
            own_offset = further_offset ^ ((further_offset ^ own_offset) & dropped);
            left_offsets += 1 + dropped;
            to -= 1 + dropped;
            header_saving += dropped;
            position = before;
        }
        return {static_cast<int>(words + last - 1 - to), harm != 0, static_cast<int64_t>(harm & ((1u << EntryWord::kHarmBits) - 1)), static_cast<int64_t>(bits) + next_bits};
    }

    const DecisionTables& tables_ = decision_tables();
    uint8_t magnitudes_[room + 1] = {};              // |q| by position, at most kSaturatingMagnitude; zeros between calls
    uint64_t words_[room + 1 + mmip::kOutputSlack];  // EntryWord; the first is before the entries
    int32_t scaled_[room + mmip::kOutputSlack], known_[room + mmip::kOutputSlack];
    uint16_t places_[room], symbols_[room];
    int8_t header_savings_[room + 1];
};

}  // namespace MMIP_NS
