// In which order an encoder finds the palette of a cell, and what it does between looks at the samples.
// Values: sums over the samples of a cell in; values, cost and colours out. Host and device, not part of the format. Executors look
// at the samples each in its way, for every other step: eight columns at once, or a lane for some samples each.
#pragma once

#include "rules/palette/palette_fit.h"

namespace MMIP_NS {

// One of all steps, for so many colours: a first glance, values for 2 colours, then for one more each.
struct PaletteStep {
    enum Kind {                              // even: over the samples; odd: on the cell, with what they gave
        kFindRange, kSpreadRough, kSumTerms, kMoveRough, kMeasure, kJudge,
        kSumSpread, kChooseColour, kFindBounds, kSplitColour,
        kSumColours, kMoveCentres, kAssign, kPlaceValues, kWeighColours, kSettle,
    };
    static constexpr int kGlance = 4 + 2 * kRoughRounds, kSplit = 4, kCentres = kSplit + 2 * kCentreRounds, kRound = kCentres + 4;
    static constexpr int kAll = kGlance + (kMaxColours - 1) * kRound - kSplit;

    int kind, colours;

    MMIP_RULE bool of_samples() const { return kind % 2 == 0; }

    static MMIP_RULE PaletteStep at(int i) {
        if (i < 2) return {kFindRange + i, 0};
        if (i < kGlance) return {(i < kGlance - 2 ? kSumTerms : kMeasure) + i % 2, 0};
        const int n = i - kGlance + kSplit, inner = n % kRound, colours = 2 + n / kRound;
        if (inner < kSplit) return {kSumSpread + inner, colours};
        return {inner < kCentres ? kSumColours + inner % 2 : kAssign + inner - kCentres, colours};
    }
};

// What the search holds of a cell. Sum: of its samples.
template <int depth, class Sum>
struct PaletteSearchState {
    static constexpr int kSamples = 64 * depth;

    struct Columns {                         // of eight samples each row
        float squares[8];
        int32_t changes[8];
    };
    union {
        float totals[kRoughTerms];
        int64_t spread[kMaxColours];
    };
    int64_t distortion;
    union {
        uint8_t colours[kSamples];
        Columns column;
    };
    union {
        RoughPalette rough;
        PaletteValues values;
    };
    Sum sum[kMaxColours];
    int32_t centre[kMaxColours], count[kMaxColours];
    int32_t gaps[kPaletteGaps];
    int32_t low, high, chosen, bits;
    int32_t active;                          // whether more steps may help
    int32_t found;                           // whether these colours are the best so far

    MMIP_RULE void begin(bool may_be) {
        active = may_be ? 1 : 0;
        found = 0;
        low = kMaxIndex, high = -kMaxIndex;
    }

    // A step on the cell. `mean` of its samples, `step` of its class; `best`: the least cost so far, of any mode.
    MMIP_RULE void take(PaletteStep s, float mean, float step, const PaletteCosts& costs, int64_t& best) {
        switch (s.kind) {
            case PaletteStep::kSpreadRough:
                active = high - low >= 2 ? 1 : 0;
                return rough.spread(to_float(low), to_float(high));
            case PaletteStep::kMoveRough: return rough.move(totals);
            case PaletteStep::kJudge: return judge(step, best);
            case PaletteStep::kChooseColour: return choose_colour(s.colours - 1);
            case PaletteStep::kSplitColour: return split_centre(centre, s.colours - 1, chosen, low, high);
            case PaletteStep::kMoveCentres: return move_centres(s.colours);
            case PaletteStep::kPlaceValues: return place_values(s.colours, mean, step * palette_unit(depth));
            default: return settle(s.colours, costs, best);
        }
    }

private:
    MMIP_RULE void forget() {
        for (int n = 0; n < kMaxColours; ++n) sum[n] = 0, count[n] = 0, spread[n] = 0;
    }

    MMIP_RULE void judge(float step, int64_t best) {
        float squares = 0.0f;
        int32_t changes = 0;
        for (int x = 0; x < 8; ++x) squares += column.squares[x], changes += column.changes[x];
        active = is_promising(squares, changes, kSamples, step, best) ? 1 : 0;
        centre[0] = low, centre[1] = high;
        forget();
    }

    MMIP_RULE void choose_colour(int among) {
        found = 0;
        chosen = widest_colour(spread, among);
        if (chosen < 0) active = 0;
        else low = high = centre[chosen];
    }

    MMIP_RULE void move_centres(int among) {
        for (int n = 0; n < among; ++n)
            if (count[n] > 0) centre[n] = moved_centre(sum[n], count[n]);
        forget();
    }

    MMIP_RULE void place_values(int among, float mean, float unit) {
        active = find_gaps(centre, among, unit, gaps) ? 1 : 0;
        if (active != 0) values = palette_values(mean, gaps, total_offset(gaps, count, among), kSamples, unit);
        distortion = 0;
        bits = 0;
    }

    MMIP_RULE void settle(int among, const PaletteCosts& costs, int64_t& best) {
        CostCoder coder{costs, bits};
        for (int n = 0; n + 1 < among; ++n) code_gap(static_cast<uint32_t>(gaps[n]), coder);
        forget();
        bits = coder.sum;
        const int64_t cost = weigh(palette_cost(distortion, bits));
        if (cost >= best) return;
        found = 1;
        best = cost;
    }
};

}  // namespace MMIP_NS
