// What a search does of predictions: of each block in `tried` the two that leave the least, and whether one of them costs less.
// Values: as search_work.h; samples of the tiles as an earlier pass restored them in, predictions of the blocks that are chosen out. One
// group = one superblock, whose blocks are looked at side by side. Encoder's own, not part of the format; the rules are those of
// rules/prediction/tried_predictions.h.
#pragma once

#include "rules/prediction/tried_predictions.h"
#include "device/kernels/palette/search_palettes.h"

namespace mmip {

struct PredictedSearchState : SearchState<1> {
    int8_t chosen[Order::kOptions][kCells];  // prediction of a block of an option, at its first cell
    int8_t hint[kCells];                     // that of a cell by itself
    int8_t trial[kCells];                    // that is looked at, of the block that starts there; none: nothing is
    int64_t whole;                           // rough cost without a prediction of the largest block
};

// In the place of the entries of a superblock, before any are listed.
struct PredictionTrials {
    static constexpr int kMostTried = 18, kCells = BlockLines<1>::kCells;

    struct Block {
        FoundPredictions best;
        int64_t differences[kMostTried];
        int32_t tried[kMostTried], count, step;
    };
    float own[BlockLines<1>::kFloats];       // coefficients without a prediction
    float dcs[kCells];                       // of spectra, which nobody asks for
    Block blocks[kCells];                    // at their first cells
};

template <int kLanes>
struct SearchedPredictions : PaletteSearch<1, kLanes> {
    using Base = PaletteSearch<1, kLanes>;
    using Lines = BlockLines<1>;
    using Order = ModeOrder<1>;
    using Choice = BlockChoice<1, Base>;
    using Base::kCellLanes;
    using Base::kCells;
    using Base::s;
    static constexpr int kRounds = 3, kTrial = 6, kRoughPhases = 2 * kRounds + 1 + kFoundPredictions * kTrial, kLengthPhases = 5;

    PredictedSearchState& predicted;

    MMIP_RULE SearchedPredictions(const Base& base, PredictedSearchState& state) : Base(base), predicted(state) {}

    // Which axis of a spectrum a phase transforms, or -1.
    static MMIP_RULE constexpr int rough_line(int phase) { return phase > 2 * kRounds ? length_line((phase - 2 * kRounds - 1) % kTrial) : -1; }
    static MMIP_RULE constexpr int length_line(int phase) { return phase == 1 || phase == 2 ? phase - 1 : -1; }

    MMIP_RULE void begin_predictions(int lane) const {
        if (lane >= kCells) return;
        for (int o = 0; o < Order::kOptions; ++o) predicted.chosen[o][lane] = kPredictNone;
        predicted.hint[lane] = predicted.trial[lane] = kPredictNone;
    }

    // Phases after the rough costs of option o.
    MMIP_RULE void search_predictions(int o, int phase, int lane) const {
        if (phase == 0) return begin_search(o, lane);
        if (phase <= 2 * kRounds) return phase % 2 != 0 ? look(lane) : next_round(phase == 2 * kRounds, lane);
        const int n = (phase - 2 * kRounds - 1) / kTrial, step = (phase - 2 * kRounds - 1) % kTrial;
        if (step == 0) predict(n == 0, lane);
        else if (step == 3) finish(lane);
        else if (step == 4) estimate_rest(lane);
        else if (step == 5) compare(o, n, lane);
    }

    // Phases before code lengths decide, but those of lines; the predictions are those of `trial`.
    MMIP_RULE void subtract_predictions(int phase, int lane) const {
        if (phase == 0) predict(true, lane);
        else if (phase == 3) finish(lane);
        else if (phase == 4) each_trial(lane, [&](int, int, int at) { s.work[at] = trials().own[at] - s.work[at]; });
    }

    static MMIP_PART void transform_spectra(PredictedSearchState& s, int pass, int lane) {
        for (int i = lane; i < kCells * Lines::kCellLines; i += kLanes) {
            const int k = i / Lines::kCellLines, mode = s.tried[k];
            if (mode >= 0 && s.trial[k - k % Lines::block_cells(mode)] != kPredictNone) Lines::pass(pass, mode, false, s.work, s.work, k, i % Lines::kCellLines);
        }
    }

    // What was found of the block that starts at cell k, as one of option o; of its cells where it is one of single cells.
    MMIP_RULE void choose_trial(int o, bool is_last, int lane) const {
        const bool begins = s.tried[lane] >= 0 && this->begins(lane) && o < Order::kOptions;
        if (begins && is_whole(o) && !is_last && !whole_may_gain()) predicted.chosen[o][lane] = kPredictNone;
        predicted.trial[lane] = begins ? predicted.chosen[o][lane] : static_cast<int8_t>(kPredictNone);
    }
    // Whether a prediction may make the largest block worth its while is known once those that it would merge are settled.
    MMIP_RULE int64_t rough(int o, int k) const { return is_whole(o) && !whole_may_gain() ? predicted.whole : s.rough_cost[o][k]; }
    MMIP_RULE void take_hint(int k) const { predicted.hint[k] = predicted.chosen[s.choices.best[k]][k]; }
    MMIP_RULE int64_t side_cost(int o, int k) const { return kLambda * side_bits(predicted.chosen[o][k], k, Order::cells(o)); }

    MMIP_RULE void store_prediction(int lane) const {
        if (lane >= kCells || s.tried[lane] < 0) return;
        this->p.predictions[this->t.first_cell + s.cells.place[lane]] = static_cast<uint8_t>(predicted.trial[this->first_of(lane, s.tried[lane])]);
    }

private:
    using Trials = PredictionTrials;
    static MMIP_RULE constexpr bool is_whole(int o) { return o + 1 == Order::kOptions; }
    MMIP_RULE bool whole_may_gain() const { return Choice::may_gain(*this, Order::kOptions - 1, 0, predicted.whole); }

    MMIP_RULE Trials& trials() const {
        static_assert(sizeof(Trials) <= sizeof(Entry) * kCells * Lines::kCellSamples, "no room for the trials");
        return *reinterpret_cast<Trials*>(this->entries_at(0));
    }
    MMIP_RULE bool has_trial(int k) const { return s.tried[k] >= 0 && predicted.trial[this->first_of(k, s.tried[k])] != kPredictNone; }
    MMIP_RULE bool is_block(int lane) const { return lane < kCells && s.tried[lane] >= 0 && this->begins(lane); }

    MMIP_RULE CellOffset place(int k) const {
        const SuperblockPlace of = superblock_at(this->t, 1, s.cells.index);
        const CellOffset o = superblock_cell(k, 1);
        return {of.z, of.y + o.y, of.x + o.x};
    }
    MMIP_RULE int slice_stride() const { return kCellSize * kCellSize * this->t.size[1] * this->t.size[2]; }

    // Of the block of so many cells that starts at cell k.
    MMIP_RULE BlockEdge edge(int k, int cells) const {
        const CellOffset at = place(k);
        const int32_t* tile = this->p.earlier + kCellSize * kCellSize * this->t.first_cell;
        return edge_of(tile + static_cast<int64_t>(at.z) * slice_stride(), kCellSize * this->t.size[2], at.y, at.x, kCellSize * cells_along(cells), this->t.size[2]);
    }
    MMIP_RULE bool fits(int prediction, int k, int cells) const {
        const CellOffset at = place(k);
        return prediction_fits(prediction, cells, at.z, at.y, at.x);
    }
    MMIP_RULE int side_bits(int prediction, int k, int cells) const {
        const CellOffset at = place(k);
        return may_be_predicted(cells, at.z, at.y, at.x) ? guessed_prediction_bits(prediction) : 0;
    }

    // Rough cost of the block that starts at cell k with a prediction.
    MMIP_RULE Cost rough_cost(int prediction, int k, int cells) const {
        Cost sum{0, kBlockBits + side_bits(prediction, k, cells)};
        int64_t quarters = 0;
        for (int i = k; i < k + cells; ++i) sum.distortion += s.rough[i].distortion, quarters += s.rough[i].quarters;
        sum.bits += quarters / 4;
        return sum;
    }

    // --- the two that leave the least

    MMIP_RULE static void try_next(Trials::Block& block, int prediction) { block.differences[block.count] = 0, block.tried[block.count++] = prediction; }

    MMIP_RULE void begin_search(int o, int lane) const {
        if (lane < kCells) predicted.trial[lane] = kPredictNone;
        if (!is_block(lane)) return;
        const int cells = Order::cells(o);
        const Cost own = rough_cost(kPredictNone, lane, cells);
        s.rough_cost[o][lane] = weigh(own);
        if (is_whole(o)) predicted.whole = weigh(own);
        Trials::Block& block = trials().blocks[lane];
        block.best.begin();
        block.count = block.step = 0;
        const bool left = own.bits != kBlockBits + side_bits(kPredictNone, lane, cells);
        if (left && (is_whole(o) || Choice::may_gain(*this, o, lane, weigh(own)))) try_first(block, lane, cells);
    }

    MMIP_RULE void try_first(Trials::Block& block, int k, int cells) const {
        uint64_t hints = 0;
        for (int i = k; i < k + cells && cells > 1; ++i) hints |= uint64_t{1} << predicted.hint[i];
        block.step = first_angle_step(hints);
        if (fits(kPredictSlice, k, cells)) try_next(block, kPredictSlice);
        if (!fits(kPredictPlanar, k, cells)) return;
        try_next(block, kPredictPlanar);
        for (int angle = kFirstAngle; angle <= kLastAngle; ++angle)
            if ((first_angles(hints) >> angle & 1) != 0) try_next(block, angle);
    }

    MMIP_RULE void next_round(bool is_last, int lane) const {
        if (!is_block(lane)) return;
        Trials::Block& block = trials().blocks[lane];
        for (int i = 0; i < block.count; ++i) block.best.take(block.tried[i], block.differences[i]);
        const int middle = block.best.best, step = middle != kPredictNone ? block.step : 0;
        block.count = 0, block.step /= 2;
        if (is_last && block.best.count > 0) predicted.trial[lane] = static_cast<int8_t>(block.best.prediction[0]);
        if (is_last || step == 0) return;
        if (is_angle(middle - step)) try_next(block, middle - step);
        if (is_angle(middle + step)) try_next(block, middle + step);
    }

    MMIP_RULE void look(int lane) const {
        const int k = lane / kCellLanes, mode = s.tried[k];
        if (mode < 0) return;
        const int first = this->first_of(k, mode);
        Trials::Block& block = trials().blocks[first];
        for (int i = lane % kCellLanes; i < block.count; i += kCellLanes)
            add_to(&block.differences[i], difference(edge(first, Lines::block_cells(mode)), block.tried[i], first, k));
    }

    // What a prediction of the block at cell `first` leaves of its cell k.
    MMIP_PART int64_t difference(const BlockEdge& from, int prediction, int first, int k) const {
        const CellOffset o = Lines::origin(k), begin = Lines::origin(first);
        const auto left = [&](int i) {
            const int y = o.y + i / kCellSize, x = o.x + i % kCellSize;
            return truncate(s.samples[Lines::at(0, y, x)] - to_float(prediction_at(from, slice_stride(), prediction, y - begin.y, x - begin.x)));
        };
        int32_t total = 0;
        for (int i = 0; i < Lines::kCellSamples; ++i) total += left(i);
        const int32_t mean = cell_mean(total);
        int64_t sum = 0;
        for (int i = 0; i < Lines::kCellSamples; ++i) sum += from_mean(left(i), mean);
        return sum;
    }

    // --- a spectrum in the place of coefficients

    // Calls use(cell, its block's first cell, place) for all samples of the lane whose blocks have a trial.
    template <class Use>
    MMIP_RULE void each_trial(int lane, const Use& use) const {
        const int k = lane / kCellLanes;
        if (!has_trial(k)) return;
        const CellOffset o = Lines::origin(k);
        for (int i = lane % kCellLanes; i < Lines::kCellSamples; i += kCellLanes) use(k, this->first_of(k, s.tried[k]), Lines::at(0, o.y + i / kCellSize, o.x + i % kCellSize));
    }

    // `keeps` the coefficients.
    MMIP_PART void predict(bool keeps, int lane) const {
        each_trial(lane, [&](int, int first, int at) {
            const CellOffset begin = Lines::origin(first);
            const BlockEdge from = edge(first, Lines::block_cells(s.tried[first]));
            if (keeps) trials().own[at] = s.work[at];
            s.work[at] = to_float(prediction_at(from, slice_stride(), predicted.trial[first], at / Lines::kRow - begin.y, at % Lines::kRow - begin.x));
        });
    }

    MMIP_RULE void finish(int lane) const {
        if (lane < kCells) s.rough[lane] = Rough{};
        if (is_block(lane) && has_trial(lane)) Lines::take_dcs(s.tried[lane], s.work, lane, trials().dcs);
    }

    MMIP_RULE void estimate_rest(int lane) const {
        Rough sum{};
        const int k = lane / kCellLanes;
        each_trial(lane, [&](int, int, int at) { this->add_rough(trials().own[at] - s.work[at], k, sum); });
        this->add_rough_sum(k, sum);
    }

    MMIP_RULE void compare(int o, int n, int lane) const {
        if (!is_block(lane) || !has_trial(lane)) return;
        const int prediction = predicted.trial[lane];
        const int64_t cost = weigh(rough_cost(prediction, lane, Order::cells(o)));
        if (cost < s.rough_cost[o][lane]) s.rough_cost[o][lane] = cost, predicted.chosen[o][lane] = static_cast<int8_t>(prediction);
        const FoundPredictions& best = trials().blocks[lane].best;
        predicted.trial[lane] = n + 1 < best.count ? static_cast<int8_t>(best.prediction[n + 1]) : static_cast<int8_t>(kPredictNone);
    }
};

}  // namespace mmip
