// The decisions of rules/blocks/decide.h for all entries of a block, without branches that could not be foreseen.
// Values: positions and coefficients of the entries in scan order; code lengths in bits; which entries stay, and their cost out.
// Home: host, per instruction set. One item of work = one block's part of a stage. Guarantees what decide_segment gives.
#pragma once

#include "passes/blocks/entry_word.h"
#include "passes/kernels.h"

namespace MMIP_NS {

constexpr uint16_t kLoweredEntry = 1 << 12;      // of the numbers of entries that are kept

// One stage of a block whose entries are to be decided on. Up to kOutputSlack elements after the positions and coefficients are read.
struct Decision {
    const uint16_t* positions;
    const float* coefficients;
    int count;
    float inverse;
    Segment segment;
    int rounds;
    uint16_t* kept;          // out: numbers of the entries that stay, kLoweredEntry added where one was lowered
    uint16_t* kept_count;
    Cost* cost;              // added to
};

// Decides on stages of blocks of up to `room` coefficients, two at a time: each step waits for the one before, but not for those of
// the other.
template <int room>
class Decider {
public:
    Decider() {
        for (int difference = 0; difference < kCountLogs; ++difference)
            for (int place = 0; place < kPlaces; ++place) {
                codes_[difference * kPlaces + place] = static_cast<uint16_t>(kTokenClass[gap_class(difference, 0) * kPlaces + place] * kTokenAlphabet);
                codes_[kAllPlaces + difference * kPlaces + place] = static_cast<uint16_t>(kTokenClasses * kTokenAlphabet);
            }
        for (int n = 1; n <= room; ++n) left_offsets_[room - n] = static_cast<int16_t>(-count_log(static_cast<uint32_t>(n)) * kPlaces);
        left_offsets_[room] = kAllPlaces;
        for (uint32_t n = 0; n <= room; ++n) counts_[n] = static_cast<uint16_t>(16 * count_symbol(n > 0 ? n - 1 : 0));
        for (uint32_t v = 0; v <= kLargestSum; ++v) neighbours_[v] = static_cast<uint8_t>(neighbour_class(v));
    }

    // Decided on by the next run, at the latest.
    void add(const Decision& d) {
        if (waiting_ == kMostWaiting) run();
        queue_[waiting_++] = d;
    }

    void run() {
        Lane &a = lanes_[0], &b = lanes_[1];
        next_ = 0;
        begin_next(a);
        begin_next(b);
        while (a.left_to_do > 0 && b.left_to_do > 0) {
            const int steps = a.left_to_do < b.left_to_do ? a.left_to_do : b.left_to_do;
            walk_two(a, b, steps);
            proceed(a);
            proceed(b);
        }
        Lane& last = a.left_to_do > 0 ? a : b;
        while (last.left_to_do > 0) {
            walk_one(last, last.left_to_do);
            proceed(last);
        }
        waiting_ = 0;
    }

private:
    static constexpr int kPlaces = kPlaceClasses * kNeighbourClasses, kAllPlaces = kCountLogs * kPlaces, kMostWaiting = 32;
    static constexpr int kLargestSum = 9 * static_cast<int>(kSaturatingMagnitude);

    // A round of decisions, from the last entry to the first.
    struct Cursor {
        int64_t at, to;          // where the next entry stands, and where it goes if it stays
        uint64_t harm;           // see EntryWord
        uint32_t position, next; // position + 1 of the entry; of the last one that stayed, and its size
        int32_t next_bits, bits;
        const uint8_t* token;
    };

    // The entries of a stage stand at the end of the arrays, and so do those that stay after each round.
    struct Lane {
        uint64_t words[room + 1 + mmip::kOutputSlack];   // EntryWord; before the first entry that of the stage's begin
        uint16_t places[room + 1], symbols[room + 1];    // what the context owes to the place alone; 16 R + s
        int8_t header_savings[room + 1];                 // by how many entries were dropped, if one more is
        uint8_t magnitudes[room + 1] = {};               // |q| by position, at most kSaturatingMagnitude; zeros between stages
        const Decision* decision;
        int from, rounds, left_to_do = 0;
        Cost empty, coded;
        Cursor cursor;
    };

    static uint32_t next_position(uint64_t word) { return static_cast<uint32_t>(word >> EntryWord::kPosition) & EntryWord::kPositionMask; }

    // The next decision that has entries, or none.
    void begin_next(Lane& lane) {
        for (lane.left_to_do = 0; lane.left_to_do == 0 && next_ < waiting_;) begin(lane, queue_[next_++]);
    }

    // All entries by rounding half up.
    void begin(Lane& lane, const Decision& d) {
        typedef uint64_t U4 __attribute__((vector_size(32)));
        lane.decision = &d;
        lane.from = room + 1 - d.count;
        lane.rounds = 0;
        lane.empty = {0, d.segment.empty_bits};
        lane.coded = {0, 0};
        U4 energy{};
        I8 squares{}, number{0, 1, 2, 3, 4, 5, 6, 7};
        for (int i = 0; i < d.count; i += 8, number += 8) {
            U8x16 position;
            F8 coefficient;
            __builtin_memcpy(&position, d.positions + i, sizeof position);
            __builtin_memcpy(&coefficient, d.coefficients + i, sizeof coefficient);
            const I8 inside = number < d.count, scaled = scaled_magnitude(coefficient, d.inverse) & inside, magnitude = quantize_magnitude(scaled, kHalfUp);
            EntryWord::put(scaled, magnitude, __builtin_convertvector(position, I8), number, lane.words + lane.from + i);
            const I8 over = (magnitude << 8) - scaled, most = I8{} + static_cast<int32_t>(kSaturatingMagnitude), known = where(magnitude < most, magnitude, most);
            squares += over * over;
            const U4 pairs = reinterpret_cast<U4>(where(scaled < kLargestEnergy, scaled, I8{} + kLargestEnergy)), even = pairs & 0xffffffffu, odd = pairs >> 32;
            energy += even * even + odd * odd;
            const U8x16 stored = __builtin_convertvector(known, U8x16);
            __builtin_memcpy(lane.symbols + i, &stored, sizeof stored);
        }
        for (int k = 0; k < 8; ++k) lane.coded.distortion += squares[k];
        for (int k = 0; k < 4; ++k) lane.empty.distortion += static_cast<int64_t>(energy[k]);
        for (int i = 0; i < d.count; ++i) lane.magnitudes[d.positions[i]] = static_cast<uint8_t>(lane.symbols[i]);
        begin_round(lane);
    }

    // Nothing is left to do where no entries are.
    void begin_round(Lane& lane) {
        const Segment& s = lane.decision->segment;
        lane.left_to_do = room + 1 - lane.from;
        if (lane.left_to_do == 0) return finish(lane);
        ++lane.rounds;
        lane.words[lane.from - 1] = static_cast<uint64_t>(s.low) << EntryWord::kPosition;
        find_header_savings(lane, s);
        find_contexts(lane, s.positions);
        const uint32_t position = next_position(lane.words[room]);
        lane.cursor = {room, room, 0, position, position, 0, 0, s.token};
    }

    // After a walk.
    void proceed(Lane& lane) {
        if (lane.left_to_do > 0) return;
        const Cursor& c = lane.cursor;
        lane.coded.distortion += kHarmUnit * static_cast<int64_t>(c.harm & ((1u << EntryWord::kHarmBits) - 1));
        lane.coded.bits = c.bits + c.next_bits;
        lane.from = static_cast<int>(c.to) + 1;
        if (lane.rounds < lane.decision->rounds && c.harm != 0) begin_round(lane);   // where nothing changed another round would find the same
        else finish(lane);
        if (lane.left_to_do == 0) begin_next(lane);
    }

    void finish(Lane& lane) {
        const Decision& d = *lane.decision;
        const int left = room + 1 - lane.from;
        for (int i = lane.from; i <= room; ++i) lane.magnitudes[next_position(lane.words[i]) - 1] = 0;
        lane.coded.bits += header_bits(d.segment, left);
        const bool none = is_better_empty(lane.empty, lane.coded);
        const Cost& cost = none ? lane.empty : lane.coded;
        d.cost->distortion += cost.distortion;
        d.cost->bits += cost.bits;
        *d.kept_count = static_cast<uint16_t>(none ? 0 : left);
        if (none) return;
        for (int i = 0; i < left; ++i) d.kept[i] = static_cast<uint16_t>(lane.words[lane.from + i] >> EntryWord::kNumber & (2 * kLoweredEntry - 1));
    }

    // By how many bits a header of n - 1 nonzeros is shorter than one of n: it differs where the symbol does.
    static void find_header_savings(Lane& lane, const Segment& s) {
        const int count = room + 1 - lane.from;
        for (int n = 0; n < count; ++n) lane.header_savings[n] = 0;
        int before = s.empty_bits;
        for (int symbol = 1;; ++symbol) {
            const int n = static_cast<int>(count_base(symbol));
            if (n > count) return;
            lane.header_savings[count - n] = static_cast<int8_t>(s.header[symbol] - before);
            before = s.header[symbol];
        }
    }

    // What the context of each token owes to its place, and its symbol.
    void find_contexts(Lane& lane, const mmip::BlockPosition* positions) const {
        uint32_t before = next_position(lane.words[lane.from - 1]);
        for (int i = lane.from; i <= room; ++i) {
            const uint64_t word = lane.words[i];
            const mmip::BlockPosition& at = positions[before];
            lane.places[i] = static_cast<uint16_t>((at.room * kPlaceClasses + at.place) * kNeighbourClasses + neighbours_[neighbour_sum(lane.magnitudes, at.near)]);
            lane.symbols[i] = static_cast<uint16_t>(counts_[next_position(word) - before] + (word >> EntryWord::kSize));
            before = next_position(word);
        }
    }

    // One entry: those that stay move up to the end. Selections are masks: what is chosen could not be foreseen.
    MMIP_RULE void step(Lane& lane, Cursor& c) const {
        const uint64_t word = lane.words[c.at];
        const uint32_t before = next_position(lane.words[c.at - 1]);
        const uint16_t* const places = codes_ + lane.places[c.at];
        const uint8_t* const own_row = c.token + lane.symbols[c.at] + places[left_offsets_[c.to - 1]];
        const uint8_t* const joined_row = c.token + (c.next >> 12) + places[left_offsets_[c.to]];
        const int32_t saving = static_cast<int8_t>(word >> EntryWord::kSaving), one = saving >> 7;
        const int32_t own = own_row[0], lower = own_row[-1], joined = joined_row[counts_[(c.next & EntryWord::kPositionMask) - before]];
        const int32_t other = lower ^ ((lower ^ joined) & one);
        const int32_t change = ((saving & 127) - own + other - ((c.next_bits + lane.header_savings[c.to - c.at]) & one)) >> 31;
        const int32_t drop = change & one;
        const uint64_t changed = static_cast<uint64_t>(static_cast<int64_t>(change));
        lane.magnitudes[c.position - 1] = static_cast<uint8_t>(lane.magnitudes[c.position - 1] + change);
        c.harm += word & changed;
        c.bits += c.next_bits & ~drop;
        c.next_bits = own ^ ((own ^ other) & change);
        const uint64_t now = word + (EntryWord::kLower & changed);
        lane.words[c.to] = now;
        const uint32_t here = static_cast<uint32_t>(now >> EntryWord::kPosition);
        c.next = here ^ ((here ^ c.next) & static_cast<uint32_t>(drop));
        c.to -= 1 + drop;
        c.at -= 1;
        c.position = before;
    }

    void walk_one(Lane& lane, int steps) const {
        Cursor c = lane.cursor;
        for (int n = 0; n < steps; ++n) step(lane, c);
        lane.cursor = c;
        lane.left_to_do -= steps;
    }

    void walk_two(Lane& first, Lane& second, int steps) const {
        Cursor a = first.cursor, b = second.cursor;
        for (int n = 0; n < steps; ++n) {
            step(first, a);
            step(second, b);
        }
        first.cursor = a, second.cursor = b;
        first.left_to_do -= steps, second.left_to_do -= steps;
    }

    Lane lanes_[2];
    uint16_t codes_[2 * kAllPlaces];         // first symbol of the class, by room log - left log, place, neighbour class; then always of
                                             // a class of zeros (see AnalyzeJob)
    int16_t left_offsets_[room + 1];         // what room - i tokens left do to that place; none: to the zeros
    uint16_t counts_[room + 1];              // 16 count_symbol(n - 1)
    uint8_t neighbours_[kLargestSum + 1];    // neighbour_class
    Decision queue_[kMostWaiting];
    int waiting_ = 0, next_ = 0;
};

}  // namespace MMIP_NS
