// The symbols of the corrections of a tile, in their order, from any sample on: runs of zeros and single indices.
// Values: indices of a tile in their frame in; a sink with symbol(class, symbol) and raw(value, bits). Host and device. Implements
// FORMAT.md section 8.3 for writers. A tile may be walked in parts, by what each part makes of the state that it begins with.
#pragma once

#include "rules/corrections/correction_codes.h"
#include "rules/corrections/correction_reader.h"
#include "rules/fields.h"

namespace MMIP_NS {

// Sends the runs and indices of a walk as symbols and raw bits.
template <class Sink>
struct CorrectionSymbols {
    Sink& sink;

    MMIP_RULE void run(int c, uint32_t length) { put(c, count_symbol(length), length); }
    MMIP_RULE void index(int c, int32_t k) { put(c, correction_symbol(k), index_magnitude(k)); }

private:
    MMIP_RULE void put(int c, int symbol, uint32_t count) {
        const int extra = count_extra_bits(count_symbol(count));
        sink.symbol(c, symbol);
        sink.raw(count & ((1u << extra) - 1), extra);
    }
};

// Bits with the built-in codes, which decide between the two ways of a tile.
struct CorrectionWeight {
    uint32_t bits = 0;

    MMIP_RULE void symbol(int c, int s) {
        const uint8_t* lengths = kCorrectionLengths[c];
        bits += lengths[s] != 0 ? lengths[s] : lengths[kCorrectionAlphabet] + kCorrectionEscapeBits;
    }
    MMIP_RULE void raw(uint32_t, int count) { bits += static_cast<uint32_t>(count); }
};

// Where a walk is: inside a run of so many zeros so far, or outside; and how long the last run was.
struct CorrectionState {
    uint32_t in_run, run, before;

    // `k` is the sample's index in its frame; all_runs: a run stands before every index that is not zero.
    template <class Frame, class Sink>
    MMIP_RULE void step(const Frame& tile, const int32_t* k, bool all_runs, Sink& out) {
        if (in_run == 0) {
            if (!all_runs) {
                const CorrectionContext context = tile.context(k);
                const int32_t sign = context.flipped ? -1 : 0;   // no branch: signs are as good as random
                if (context.activity > 0) return out.index(context.code_class, (*k ^ sign) - sign);
            }
            in_run = 1, run = 0;
        }
        if (*k == 0) {
            ++run;
            return;
        }
        out.run(run_class(before), run);
        out.index(kAfterRunClass + (run < 8 ? 0 : 1), *k);
        before = run, in_run = 0;
    }

    // After the last sample of the tile.
    template <class Sink>
    MMIP_RULE void finish(Sink& out) const {
        if (in_run != 0) out.run(run_class(before), run);
    }

    MMIP_FIELDS(in_run, run, before)
};

// Walks samples first .. end - 1 of a tile, in raster order. A Frame is a CorrectionFrame, or what knows its contexts.
template <class Frame, class Sink>
MMIP_RULE void walk_corrections(const Frame& tile, int64_t first, int64_t end, bool all_runs, CorrectionState& state, Sink& out) {
    CorrectionState at = state;
    for (int64_t r = first / tile.nx, x = first % tile.nx; first < end; ++r, x = 0) {
        const int64_t last = least(x + end - first, tile.nx);
        const int32_t *k = tile.row(r) + x, *const stop = k + last - x;
        first += last - x;
        for (; k < stop; ++k) {
            while (at.in_run != 0 && *k == 0 && k + 1 < stop) ++at.run, ++k;   // what `step` does, in a loop of its own
            at.step(tile, k, all_runs, out);
        }
    }
    state = at;
}

// What a part of a walk does to the state that it begins with, found without knowing more of that than `in_run`.
struct CorrectionPart {
    CorrectionState end;                     // of a walk that began with a run of 0 after one of 0
    uint32_t ended;                          // runs that ended in the part: 0, 1, or 2 for more

    MMIP_RULE void run(int, uint32_t) { ended = ended < 2 ? ended + 1 : 2; }
    MMIP_RULE void index(int, int32_t) {}

    MMIP_RULE CorrectionState after(const CorrectionState& begin) const {
        CorrectionState state = end;
        if (begin.in_run != 0 && ended == 0) state.run += begin.run;
        if (begin.in_run != 0 && ended == 1) state.before += begin.run;
        if (ended == 0) state.before = begin.before;
        return state;
    }
};

MMIP_RULE CorrectionPart correction_part(const CorrectionFrame& tile, int64_t first, int64_t end, bool all_runs, bool in_run) {
    CorrectionPart part{{in_run ? 1u : 0u, 0, 0}, 0};
    walk_corrections(tile, first, end, all_runs, part.end, part);
    return part;
}

}  // namespace MMIP_NS
