// The palettes of the cells of a superblock, weighed against the best mode so far.
// Values: samples and the least rough costs of cells in; costs, and gaps and words of colours at their scan positions in the room
// of the cell's indices, out. One group = one superblock; phases alternate between samples (lanes of a cell) and cells (a lane
// each). Encoder side of FORMAT.md section 8.5; the rules are those of rules/palette/palette_fit.h.
#pragma once

#include "rules/palette/palette_fit.h"
#include "device/kernels/blocks/search_work.h"

namespace mmip {

struct RoughColumns {
    float squares[8];
    int32_t changes[8];
};

template <int depth>
struct PaletteCell {
    union {
        float totals[kRoughTerms];
        int64_t spread[kMaxColours];
    };
    int64_t distortion;
    union {
        uint8_t colours[64 * depth];
        RoughColumns column;
    };
    union {
        RoughPalette rough;
        PaletteValues values;
    };
    int32_t centre[kMaxColours], sum[kMaxColours], count[kMaxColours];
    int32_t gaps[kPaletteGaps];
    int32_t low, high, chosen, bits;
    int32_t active;                          // whether more colours may help
    int32_t found;                           // whether these colours are the best so far
};

// In the place of the coefficients.
template <int depth>
struct PaletteCells {
    PaletteCell<depth> cell[SuperblockState<depth>::kCells];
    PaletteCosts costs;
};

template <int depth, int kLanes>
struct PaletteSearch : SearchWork<depth, kLanes> {
    using Base = SearchWork<depth, kLanes>;
    using Lines = BlockLines<depth>;
    using Base::kCellLanes;
    using Base::kCells;
    using Base::s;
    static constexpr int kSamples = Lines::kCellSamples;
    static constexpr int kGlance = 5 + 2 * kRoughRounds, kSplit = 4, kFit = 2 * kCentreRounds + 4;   // phases
    static constexpr int kPhases = kGlance + kFit + (kMaxColours - 2) * (kSplit + kFit) + 1;

    MMIP_RULE PaletteSearch(const Base& base) : Base(base) {}

    MMIP_RULE void search_palettes(int step, int lane) const {
        if (step < kGlance) return glance(step, lane);
        if (step + 1 == kPhases) return write_words(lane);
        const int from_split = step - kGlance + kSplit, colours = 2 + from_split / (kSplit + kFit), inner = from_split % (kSplit + kFit);
        const bool of_samples = inner % 2 == 0;
        if (inner == 0) write_words(lane);
        if (of_samples) {
            const int k = lane / kCellLanes;
            PaletteCell<depth>& c = cell(k);
            if (c.active == 0) return;
            if (inner == 0) add_spread(c, k, lane);
            else if (inner < kSplit) find_bounds(c, k, lane);
            else if (inner < kSplit + 2 * kCentreRounds) add_up(c, k, lane, colours);
            else if (inner == kSplit + 2 * kCentreRounds) assign(c, k, lane, colours);
            else weigh_samples(c, k, lane, colours);
        } else if (lane < kCells) {
            PaletteCell<depth>& c = cell(lane);
            if (inner < kSplit) c.found = 0;
            if (c.active == 0) return;
            if (inner == 1) choose_colour(c, colours - 1);
            else if (inner < kSplit) split_centre(c.centre, colours - 1, c.chosen, c.low, c.high);
            else if (inner < kSplit + 2 * kCentreRounds) move_centres(c, colours);
            else if (inner == kSplit + 2 * kCentreRounds + 1) place_values(c, lane, colours);
            else settle(c, lane, colours);
        }
    }

private:
    MMIP_RULE PaletteCells<depth>& scratch() const {
        static_assert(sizeof(PaletteCells<depth>) <= sizeof s.work, "no room for the palettes");
        return *reinterpret_cast<PaletteCells<depth>*>(s.work);
    }
    MMIP_RULE PaletteCell<depth>& cell(int k) const { return scratch().cell[k]; }

    MMIP_RULE float sample(int k, int i) const {
        const CellOffset o = Lines::origin(k);
        return s.samples[Lines::at(o.z + (i >> 6), o.y + ((i >> 3) & 7), o.x + (i & 7))];
    }

    // --- the first glance

    MMIP_RULE void glance(int step, int lane) const {
        if (step == 0) {
            for (int c = lane; c < kPaletteContexts; c += kLanes) scratch().costs.set(c);
            if (lane < kCells) begin(cell(lane), lane);
        } else if (step == 1) {
            if (cell(lane / kCellLanes).active != 0) find_range(cell(lane / kCellLanes), lane / kCellLanes, lane);
        } else if (step == 2 || (step < kGlance - 2 && step % 2 == 0)) {
            if (lane < kCells && cell(lane).active != 0) step == 2 ? spread(cell(lane)) : cell(lane).rough.move(cell(lane).totals);
        } else if (step + 1 < kGlance) {
            for (int i = lane; i < 8 * kCells; i += kLanes) {
                if (cell(i / 8).active == 0) continue;
                if (step + 2 < kGlance) add_term(cell(i / 8), i / 8, i % 8);
                else measure_column(cell(i / 8), i / 8, i % 8);
            }
        } else if (lane < kCells && cell(lane).active != 0) {
            judge(cell(lane), lane);
        }
    }

    MMIP_RULE void begin(PaletteCell<depth>& c, int k) const {
        c.active = this->present(k) && !this->reversible(k) && may_be_palette(s.least[k], this->chunk.cuts[1], depth) ? 1 : 0;
        c.found = 0;
        c.low = kMaxIndex, c.high = -kMaxIndex;
    }

    MMIP_RULE void find_range(PaletteCell<depth>& c, int k, int lane) const {
        int32_t low = kMaxIndex, high = -kMaxIndex;
        for (int i = lane % kCellLanes; i < kSamples; i += kCellLanes) {
            const int32_t v = truncate(sample(k, i));
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
        lower_to(&c.low, low);
        raise_to(&c.high, high);
    }

    MMIP_RULE void spread(PaletteCell<depth>& c) const {
        c.active = c.high - c.low >= 2 ? 1 : 0;
        c.rough.spread(to_float(c.low), to_float(c.high));
    }

    // Down each column, then over the columns, as eight lanes of a CPU do.
    MMIP_RULE void add_term(PaletteCell<depth>& c, int k, int n) const {
        float total = 0.0f;
        for (int x = 0; x < 8; ++x) {
            float sum = 0.0f;
            for (int row = 0; row < kSamples / 8; ++row) sum += rough_term(c.rough, sample(k, 8 * row + x), n);
            total += sum;
        }
        c.totals[n] = total;
    }

    MMIP_RULE void measure_column(PaletteCell<depth>& c, int k, int x) const {
        float squares = 0.0f;
        int32_t changes = 0, before = 0;
        for (int row = 0; row < kSamples / 8; ++row) {
            const float v = sample(k, 8 * row + x), error = rough_error(c.rough, v);
            const int32_t number = rough_number<int32_t>(c.rough, v);
            squares += error * error;
            if (row > 0) changes += number != before ? 1 : 0;
            if (x < 7) changes += number != rough_number<int32_t>(c.rough, sample(k, 8 * row + x + 1)) ? 1 : 0;
            before = number;
        }
        c.column.squares[x] = squares;
        c.column.changes[x] = changes;
    }

    MMIP_RULE void judge(PaletteCell<depth>& c, int k) const {
        float squares = 0.0f;
        int32_t changes = 0;
        for (int x = 0; x < 8; ++x) squares += c.column.squares[x], changes += c.column.changes[x];
        c.active = is_promising(squares, changes, kSamples, this->step(k), s.least[k]) ? 1 : 0;
        c.centre[0] = c.low, c.centre[1] = c.high;
        forget(c);
    }

    static MMIP_RULE void forget(PaletteCell<depth>& c) {
        for (int n = 0; n < kMaxColours; ++n) c.sum[n] = c.count[n] = 0, c.spread[n] = 0;
    }

    // --- samples

    template <class Use>
    MMIP_RULE void each_sample(int k, int lane, const Use& use) const {
        for (int i = lane % kCellLanes; i < kSamples; i += kCellLanes) use(i, truncate(sample(k, i)));
    }

    MMIP_RULE void add_spread(PaletteCell<depth>& c, int k, int lane) const {
        int64_t spread[kMaxColours] = {0, 0, 0, 0};
        each_sample(k, lane, [&](int i, int32_t v) {
            const int64_t part = square(v - c.centre[c.colours[i]]);
            for (int n = 0; n < kMaxColours; ++n) spread[n] += c.colours[i] == n ? part : 0;
        });
        for (int n = 0; n < kMaxColours; ++n) add_to(&c.spread[n], spread[n]);
    }

    MMIP_RULE void find_bounds(PaletteCell<depth>& c, int k, int lane) const {
        int32_t low = c.centre[c.chosen], high = low;
        each_sample(k, lane, [&](int i, int32_t v) {
            if (c.colours[i] != c.chosen) return;
            low = v < low ? v : low;
            high = v > high ? v : high;
        });
        lower_to(&c.low, low);
        raise_to(&c.high, high);
    }

    MMIP_RULE void add_up(PaletteCell<depth>& c, int k, int lane, int colours) const {
        int32_t sum[kMaxColours] = {0, 0, 0, 0}, count[kMaxColours] = {0, 0, 0, 0};
        each_sample(k, lane, [&](int, int32_t v) {
            const int32_t number = nearest_colour(c.centre, v, colours);
            for (int n = 0; n < kMaxColours; ++n) sum[n] += number == n ? v : 0, count[n] += number == n ? 1 : 0;
        });
        for (int n = 0; n < kMaxColours; ++n) add_to(&c.sum[n], sum[n]), add_to(&c.count[n], count[n]);
    }

    MMIP_RULE void assign(PaletteCell<depth>& c, int k, int lane, int colours) const {
        int32_t count[kMaxColours] = {0, 0, 0, 0};
        each_sample(k, lane, [&](int i, int32_t v) {
            const int32_t number = nearest_colour(c.centre, v, colours);
            c.colours[i] = static_cast<uint8_t>(number);
            for (int n = 0; n < kMaxColours; ++n) count[n] += number == n ? 1 : 0;
        });
        for (int n = 0; n < kMaxColours; ++n) add_to(&c.count[n], count[n]);
    }

    MMIP_RULE void weigh_samples(PaletteCell<depth>& c, int k, int lane, int colours) const {
        const float inverse = 256.0f / this->step(k);
        int64_t distortion = 0;
        CostCoder coder{scratch().costs};
        for (int i = lane % kCellLanes; i < kSamples; i += kCellLanes) {
            distortion += square(scaled_magnitude(absolute(sample(k, i) - c.values.of[c.colours[i]]), inverse));
            code_colour(c.colours, i >> 6, (i >> 3) & 7, i & 7, colours, coder);
        }
        add_to(&c.distortion, distortion);
        add_to(&c.bits, coder.sum);
    }

    // --- cells

    MMIP_RULE void choose_colour(PaletteCell<depth>& c, int colours) const {
        c.chosen = widest_colour(c.spread, colours);
        if (c.chosen < 0) c.active = 0;
        else c.low = c.high = c.centre[c.chosen];
    }

    MMIP_RULE void move_centres(PaletteCell<depth>& c, int colours) const {
        for (int n = 0; n < colours; ++n)
            if (c.count[n] > 0) c.centre[n] = moved_centre(c.sum[n], c.count[n]);
        forget(c);
    }

    MMIP_RULE void place_values(PaletteCell<depth>& c, int k, int colours) const {
        const float unit = this->step(k) * palette_unit(depth);
        if (!find_gaps(c.centre, colours, unit, c.gaps)) {
            c.active = 0;
            return;
        }
        c.values = palette_values(palette_mean(s.palette_dc[k], depth), c.gaps, total_offset(c.gaps, c.count, colours), kSamples, unit);
        c.distortion = 0;
        c.bits = 0;
    }

    MMIP_RULE void settle(PaletteCell<depth>& c, int k, int colours) const {
        CostCoder coder{scratch().costs, c.bits};
        for (int n = 0; n + 1 < colours; ++n) code_gap(static_cast<uint32_t>(c.gaps[n]), coder);
        forget(c);
        const Cost cost = palette_cost(c.distortion, coder.sum);
        if (weigh(cost) >= s.least[k]) return;
        c.found = 1;
        s.least[k] = weigh(cost);
        s.best[k] = SearchModes<depth>::kPalette;
        s.palette_distortion[k] = c.distortion;
        for (int n = 0; n < kPaletteGaps; ++n) this->out.values[this->room(k) + n] = c.gaps[n];
    }

    MMIP_RULE void write_words(int lane) const {
        const int k = lane / kCellLanes;
        if (cell(k).found == 0) return;
        for (int w = lane % kCellLanes; w < palette_words(depth); w += kCellLanes)
            this->out.values[this->room(k) + kPaletteGaps + w] = colour_word(cell(k).colours, w, kSamples);
    }
};

}  // namespace mmip
