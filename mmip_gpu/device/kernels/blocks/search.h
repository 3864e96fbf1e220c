// The analysis of a superblock where code lengths decide: efforts 2 (indices) and 3 (modes and indices).
// Values: see search_work.h. One group = one superblock; candidates come in rounds, one mode each: by rough costs, then (effort 3)
// by code lengths where those are near, then the winners. Encoder side of FORMAT.md sections 2 to 5; choices are those of
// rules/blocks/choice.h.
#pragma once

#include "device/kernels/blocks/search_predictions.h"

namespace mmip {

// What a search of predictions adds to one without.
template <int depth, int kLanes, bool predicted>
struct SearchParts {
    using State = SearchState<depth>;
    using Work = PaletteSearch<depth, kLanes>;
    static constexpr int kRoughPhases = 0, kLengthPhases = 0;

    static MMIP_RULE Work work(const SearchWork<depth, kLanes>& base, State&) { return Work(base); }
    static MMIP_RULE constexpr int rough_line(int) { return -1; }
    static MMIP_RULE constexpr int length_line(int) { return -1; }
};

template <int kLanes>
struct SearchParts<1, kLanes, true> {
    using State = PredictedSearchState;
    using Work = SearchedPredictions<kLanes>;
    static constexpr int kRoughPhases = Work::kRoughPhases, kLengthPhases = Work::kLengthPhases;

    static MMIP_RULE Work work(const SearchWork<1, kLanes>& base, State& s) { return Work(base, s); }
    static MMIP_RULE constexpr int rough_line(int phase) { return Work::rough_line(phase); }
    static MMIP_RULE constexpr int length_line(int phase) { return Work::length_line(phase); }
};

template <int depth, bool predicted = false>
struct SearchKernel {
    using Lines = BlockLines<depth>;
    using Order = ModeOrder<depth>;
    static constexpr int kLanes = 128, kResident = depth == 8 ? 5 : 4;   // groups wait for single lanes: many small ones hide it
    static constexpr int kCells = Lines::kCells, kLineSteps = Lines::kPasses;
    using Parts = SearchParts<depth, kLanes, predicted>;
    static constexpr int kRoughPhases = kLineSteps + 4 + Parts::kRoughPhases, kLengthPhases = kLineSteps + 8 + Parts::kLengthPhases;   // of a round
    static constexpr int kSingles = 2, kPalettes = kSingles + Order::kSingles * kRoughPhases;
    static constexpr int kMerged = kPalettes + PaletteSearch<depth, kLanes>::kPhases, kLengths = kMerged + Order::kMerged * kRoughPhases;
    static constexpr int kPhases = kLengths + (Order::kOptions + 1) * kLengthPhases;

    using Params = SearchParams;
    using Shared = typename Parts::State;

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, nullptr, nullptr, p.first + group, lane);
        } else if constexpr (line_step(phase) >= 0) {
            work(p, s).transform(line_step(phase), lane);
        } else if constexpr (spectrum_step(phase) >= 0) {
            Parts::Work::transform_spectra(s, spectrum_step(phase), lane);
        } else {
            run_part(p, s, group, lane, phase);
        }
    }

private:
    static MMIP_RULE SuperblockWork<depth, kLanes> work(const Params& p, Shared& s) {
        const TileItem& t = p.batch.tiles[s.cells.tile];
        return {p.batch, p.out, s, t, p.sources[t.chunk], p.batch.chunks[t.chunk]};
    }

    // Of a round by rough costs or by code lengths: the phase in it, or -1.
    static MMIP_RULE constexpr int rough_step(int phase) {
        if (phase >= kMerged && phase < kLengths) return (phase - kMerged) % kRoughPhases;
        return phase >= kSingles && phase < kPalettes ? (phase - kSingles) % kRoughPhases : -1;
    }
    static MMIP_RULE constexpr int length_step(int phase) { return phase >= kLengths ? (phase - kLengths) % kLengthPhases : -1; }

    // Which axis a phase transforms, or -1. Long lines fill the registers, so they are called where few others are in use.
    static MMIP_RULE constexpr int line_step(int phase) {
        const int step = (rough_step(phase) >= 0 ? rough_step(phase) : length_step(phase)) - 1;
        return step >= 0 && step < kLineSteps ? step : -1;
    }

    // The same of predictions.
    static MMIP_RULE constexpr int spectrum_step(int phase) {
        if (!predicted) return -1;
        return rough_step(phase) >= 0 ? Parts::rough_line(rough_step(phase) - kLineSteps - 3) : Parts::length_line(length_step(phase) - kLineSteps - 2);
    }

    // All other phases: one function, or the kernel would grow too large.
    static MMIP_PART void run_part(const Params& p, Shared& s, int64_t group, int lane, int phase) {
        const Work w(p, s, group);
        if (phase < kSingles) {
            w.start(lane);
            if constexpr (predicted) w.begin_predictions(lane);
        } else if (phase < kPalettes) {
            w.rough_round((phase - kSingles) / kRoughPhases, rough_step(phase), lane);
        } else if (phase < kMerged) {
            w.search_palettes(phase - kPalettes, lane);
        } else if (phase < kLengths) {
            w.rough_round(Order::kSingles + (phase - kMerged) / kRoughPhases, rough_step(phase), lane);
        } else {
            w.length_round((phase - kLengths) / kLengthPhases, length_step(phase), lane);
        }
    }

    struct Work : Parts::Work {
        using Base = typename Parts::Work;
        using Choice = BlockChoice<depth, Work>;
        using Base::s;

        MMIP_RULE Work(const Params& p, Shared& s, int64_t group) : Base(Parts::work({work(p, s), s, p, group}, s)) {}

        // Of the view of rules/blocks/choice.h, with those of search_work.h.
        MMIP_RULE bool dense(int) const { return false; }
        MMIP_RULE int unseen(int) const { return 0; }
        MMIP_RULE int64_t rough(int o, int k) const {
            if constexpr (predicted) return Base::rough(o, k);
            else return s.rough_cost[o][k];
        }
        MMIP_RULE int64_t decided(int o, int k) const { return o < Order::kSingles ? s.length_cost[o][k] : cost_by_lengths(o, k); }

        MMIP_RULE int64_t cost_by_lengths(int o, int k) const {
            if constexpr (predicted) return this->decided_cost(k) + this->side_cost(o, k);
            else return this->decided_cost(k);
        }

        MMIP_RULE void rough_round(int o, int step, int lane) const {
            if (step == 0) {
                if (lane < kCells) s.tried[lane] = Choice::offers(*this, o, lane) ? Order::mode(o) : -1;
            } else if (step == kLineSteps + 1) {
                this->take_dcs(lane);
            } else if (step == kLineSteps + 2) {
                this->estimate(lane);
            } else if (step + 1 < kRoughPhases) {
                if constexpr (predicted) this->search_predictions(o, step - kLineSteps - 3, lane);
            } else if (lane < kCells && this->first_of(lane, Order::mode(o)) == lane) {
                settle_rough(o, lane, s.tried[lane] >= 0);
            }
        }

        MMIP_RULE void settle_rough(int o, int k, bool tried) const {
            if (tried && !predicted) s.rough_cost[o][k] = this->cost(k, Order::cells(o));
            if (o == 0 && tried) s.palette_dc[k] = s.dcs[k];
            if (o == Order::kQuad) Choice::compare_quad(*this, k, tried);
            else if (o < Order::kQuad && tried) Choice::settle_single(*this, o, k);
            if constexpr (predicted)
                if (o + 1 == Order::kSingles && tried) this->take_hint(k);
        }

        // By code lengths: the modes that are near, then the winners (o == kOptions).
        MMIP_RULE void length_round(int o, int step, int lane) const {
            const bool last = o == Order::kOptions;
            if (step == 0) {
                if (lane >= kCells) return;
                s.rest[lane] = 0;
                if (last) this->try_chosen(lane);
                else s.tried[lane] = Choice::weighs(*this, o, lane) ? Order::mode(o) : -1;
                if constexpr (predicted) this->choose_trial(last ? s.choices.chosen[lane] : o, last, lane);
            } else if (!last && !this->full() && step + 1 < kLengthPhases) {
                return;
            } else if (step == kLineSteps + 1) {
                this->take_dcs(lane);
            } else if (step < kLineSteps + 2 + Parts::kLengthPhases) {
                if constexpr (predicted) this->subtract_predictions(step - kLineSteps - 2, lane);
            } else {
                by_lengths(o, step - kLineSteps - 2 - Parts::kLengthPhases, lane);
            }
        }

        MMIP_RULE void by_lengths(int o, int step, int lane) const {
            if (step == 0) this->find(lane);
            else if (step == 1) this->count_before(lane);
            else if (step == 2) this->list(lane);
            else if (step == 3) this->clear(lane);
            else if (step == 4) this->decide(lane);
            else if (o == Order::kOptions) store(lane);
            else if (lane < kCells && this->first_of(lane, Order::mode(o)) == lane) settle(o, lane);
        }

        MMIP_RULE void store(int lane) const {
            Base::store(lane);
            if constexpr (predicted) this->store_prediction(lane);
        }

        MMIP_RULE void settle(int o, int first) const {
            const bool tried = this->full() ? s.tried[first] >= 0 : Choice::offers(*this, o, first);
            if (o == Order::kQuad) Choice::settle_quad(*this, first);
            else if (o > Order::kQuad) Choice::settle_large(*this, o, first, tried);
            else if (this->full() && tried) s.length_cost[o][first] = cost_by_lengths(o, first);
        }
    };
};

}  // namespace mmip
