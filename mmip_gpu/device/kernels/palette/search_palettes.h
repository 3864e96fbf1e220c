// The palettes of the cells of a superblock, weighed against the best mode so far.
// Values: samples and the least rough costs of cells in; costs, and gaps and words of colours at their scan positions in the room
// of the cell's indices, out. One group = one superblock; phases alternate between samples (lanes of a cell) and cells (a lane
// each). Encoder side of FORMAT.md section 8.5; steps are those of rules/palette/palette_steps.h.
#pragma once

#include "rules/palette/palette_steps.h"
#include "device/kernels/blocks/search_work.h"

namespace mmip {

// In the place of the coefficients.
template <int depth>
struct PaletteCells {
    PaletteSearchState<depth, int32_t> cell[SuperblockState<depth>::kCells];
    PaletteCosts costs;
};

template <int depth, int kLanes>
struct PaletteSearch : SearchWork<depth, kLanes> {
    using Base = SearchWork<depth, kLanes>;
    using Lines = BlockLines<depth>;
    using Cell = PaletteSearchState<depth, int32_t>;
    using Step = PaletteStep;
    using Base::kCellLanes;
    using Base::kCells;
    using Base::s;
    static constexpr int kSamples = Lines::kCellSamples, kPhases = Step::kAll + 2;

    MMIP_RULE PaletteSearch(const Base& base) : Base(base) {}

    MMIP_RULE void search_palettes(int phase, int lane) const {
        if (phase == 0) return begin(lane);
        if (phase + 1 == kPhases) return write_words(lane);
        const Step step = Step::at(phase - 1);
        if (step.kind == Step::kSumSpread) write_words(lane);   // of the colours before
        if (!step.of_samples()) {
            if (lane < kCells && cell(lane).active != 0) take(step, cell(lane), lane);
        } else if (step.kind == Step::kSumTerms || step.kind == Step::kMeasure) {
            for (int i = lane; i < 8 * kCells; i += kLanes)
                if (cell(i / 8).active != 0) step.kind == Step::kSumTerms ? add_term(cell(i / 8), i / 8, i % 8) : measure_column(cell(i / 8), i / 8, i % 8);
        } else if (cell(lane / kCellLanes).active != 0) {
            look(step, cell(lane / kCellLanes), lane / kCellLanes, lane);
        }
    }

private:
    MMIP_RULE PaletteCells<depth>& scratch() const {
        static_assert(sizeof(PaletteCells<depth>) <= sizeof s.work, "no room for the palettes");
        return *reinterpret_cast<PaletteCells<depth>*>(s.work);
    }
    MMIP_RULE Cell& cell(int k) const { return scratch().cell[k]; }

    MMIP_RULE float sample(int k, int i) const {
        const CellOffset o = Lines::origin(k);
        return s.samples[Lines::at(o.z + (i >> 6), o.y + ((i >> 3) & 7), o.x + (i & 7))];
    }

    MMIP_RULE void begin(int lane) const {
        for (int c = lane; c < kPaletteContexts; c += kLanes) scratch().costs.set(c);
        if (lane < kCells)
            cell(lane).begin(this->present(lane) && !this->reversible(lane) && may_be_palette(s.choices.least[lane], this->chunk.cuts[1], depth));
    }

    MMIP_RULE void take(Step step, Cell& c, int k) const {
        c.take(step, palette_mean(s.palette_dc[k], depth), this->step(k), scratch().costs, s.choices.least[k]);
        if (step.kind != Step::kSettle || c.found == 0) return;
        s.choices.best[k] = ModeOrder<depth>::kPalette;
        s.palette_distortion[k] = c.distortion;
        for (int n = 0; n < kPaletteGaps; ++n) this->out.values[this->room(k) + n] = c.gaps[n];
    }

    // The lanes of a cell.
    MMIP_RULE void look(Step step, Cell& c, int k, int lane) const {
        switch (step.kind) {
            case Step::kFindRange: return find_bounds(c, k, lane, [](int) { return true; });
            case Step::kSumSpread: return sum_spread(c, k, lane);
            case Step::kFindBounds: return find_bounds(c, k, lane, [&](int i) { return c.colours[i] == c.chosen; });
            case Step::kSumColours: return sum_colours(c, k, lane, step.colours);
            case Step::kAssign: return assign(c, k, lane, step.colours);
            default: return weigh_colours(c, k, lane, step.colours);
        }
    }

    // Down each column, then over the columns, as eight lanes of a CPU do.
    MMIP_RULE void add_term(Cell& c, int k, int n) const {
        float total = 0.0f;
        for (int x = 0; x < 8; ++x) {
            float sum = 0.0f;
            for (int row = 0; row < kSamples / 8; ++row) sum += rough_term(c.rough, sample(k, 8 * row + x), n);
            total += sum;
        }
        c.totals[n] = total;
    }

    MMIP_RULE void measure_column(Cell& c, int k, int x) const {
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

    template <class Use>
    MMIP_RULE void each_sample(int k, int lane, const Use& use) const {
        for (int i = lane % kCellLanes; i < kSamples; i += kCellLanes) use(i, truncate(sample(k, i)));
    }

    template <class Has>
    MMIP_RULE void find_bounds(Cell& c, int k, int lane, const Has& has) const {
        int32_t low = kMaxIndex, high = -kMaxIndex;
        each_sample(k, lane, [&](int i, int32_t v) {
            if (!has(i)) return;
            low = v < low ? v : low;
            high = v > high ? v : high;
        });
        lower_to(&c.low, low);
        raise_to(&c.high, high);
    }

    MMIP_RULE void sum_spread(Cell& c, int k, int lane) const {
        int64_t spread[kMaxColours] = {0, 0, 0, 0};
        each_sample(k, lane, [&](int i, int32_t v) {
            const int64_t part = square(v - c.centre[c.colours[i]]);
            for (int n = 0; n < kMaxColours; ++n) spread[n] += c.colours[i] == n ? part : 0;
        });
        for (int n = 0; n < kMaxColours; ++n) add_to(&c.spread[n], spread[n]);
    }

    MMIP_RULE void sum_colours(Cell& c, int k, int lane, int colours) const {
        int32_t sum[kMaxColours] = {0, 0, 0, 0}, count[kMaxColours] = {0, 0, 0, 0};
        each_sample(k, lane, [&](int, int32_t v) {
            const int32_t number = nearest_colour(c.centre, v, colours);
            for (int n = 0; n < kMaxColours; ++n) sum[n] += number == n ? v : 0, count[n] += number == n ? 1 : 0;
        });
        for (int n = 0; n < kMaxColours; ++n) add_to(&c.sum[n], sum[n]), add_to(&c.count[n], count[n]);
    }

    MMIP_RULE void assign(Cell& c, int k, int lane, int colours) const {
        int32_t count[kMaxColours] = {0, 0, 0, 0};
        each_sample(k, lane, [&](int i, int32_t v) {
            const int32_t number = nearest_colour(c.centre, v, colours);
            c.colours[i] = static_cast<uint8_t>(number);
            for (int n = 0; n < kMaxColours; ++n) count[n] += number == n ? 1 : 0;
        });
        for (int n = 0; n < kMaxColours; ++n) add_to(&c.count[n], count[n]);
    }

    MMIP_RULE void weigh_colours(Cell& c, int k, int lane, int colours) const {
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

    MMIP_RULE void write_words(int lane) const {
        const int k = lane / kCellLanes;
        if (cell(k).found == 0) return;
        for (int w = lane % kCellLanes; w < palette_words(depth); w += kCellLanes)
            this->out.values[this->room(k) + kPaletteGaps + w] = colour_word(cell(k).colours, w, kSamples);
    }
};

}  // namespace mmip
