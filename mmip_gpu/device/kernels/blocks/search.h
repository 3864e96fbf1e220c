// The analysis of a superblock where code lengths decide: efforts 2 (indices) and 3 (modes and indices).
// Values: see search_work.h. One group = one superblock; candidates come in rounds, one mode each: by rough costs, then (effort 3)
// by code lengths where those are near, then the winners. Encoder side of FORMAT.md sections 2 to 5; choices are those of
// rules/blocks/choice.h.
#pragma once

#include "device/kernels/palette/search_palettes.h"

namespace mmip {

template <int depth>
struct SearchKernel {
    using Lines = BlockLines<depth>;
    using Order = ModeOrder<depth>;
    static constexpr int kLanes = 128, kResident = depth == 8 ? 5 : 4;   // groups wait for single lanes: many small ones hide it
    static constexpr int kCells = Lines::kCells, kLineSteps = Lines::kPasses;
    static constexpr int kRoughPhases = kLineSteps + 4, kLengthPhases = kLineSteps + 8;   // of a round
    static constexpr int kSingles = 2, kPalettes = kSingles + Order::kSingles * kRoughPhases;
    static constexpr int kMerged = kPalettes + PaletteSearch<depth, kLanes>::kPhases, kLengths = kMerged + Order::kMerged * kRoughPhases;
    static constexpr int kPhases = kLengths + (Order::kOptions + 1) * kLengthPhases;

    using Params = SearchParams;
    using Shared = SearchState<depth>;

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, nullptr, nullptr, p.first + group, lane);
        } else if constexpr (line_step(phase) >= 0) {
            work(p, s).transform(line_step(phase), lane);
        } else {
            run_part(p, s, group, lane, phase);
        }
    }

private:
    static MMIP_RULE SuperblockWork<depth, kLanes> work(const Params& p, Shared& s) {
        const TileItem& t = p.batch.tiles[s.cells.tile];
        return {p.batch, p.out, s, t, p.sources[t.chunk], p.batch.chunks[t.chunk]};
    }

    // Which axis a phase transforms, or -1. Long lines fill the registers, so they are called where few others are in use.
    static MMIP_RULE constexpr int line_step(int phase) {
        int step = -1;
        if (phase >= kLengths) step = (phase - kLengths) % kLengthPhases - 1;
        else if (phase >= kMerged) step = (phase - kMerged) % kRoughPhases - 1;
        else if (phase >= kSingles && phase < kPalettes) step = (phase - kSingles) % kRoughPhases - 1;
        return step < kLineSteps ? step : -1;
    }

    // All other phases: one function, or the kernel would grow too large.
    static MMIP_PART void run_part(const Params& p, Shared& s, int64_t group, int lane, int phase) {
        const Work w({{work(p, s), s, p, group}});
        if (phase < kSingles) w.start(lane);
        else if (phase < kPalettes) w.rough_round((phase - kSingles) / kRoughPhases, (phase - kSingles) % kRoughPhases, lane);
        else if (phase < kMerged) w.search_palettes(phase - kPalettes, lane);
        else if (phase < kLengths) w.rough_round(Order::kSingles + (phase - kMerged) / kRoughPhases, (phase - kMerged) % kRoughPhases, lane);
        else w.length_round((phase - kLengths) / kLengthPhases, (phase - kLengths) % kLengthPhases, lane);
    }

    struct Work : PaletteSearch<depth, kLanes> {
        using Base = PaletteSearch<depth, kLanes>;
        using Choice = BlockChoice<depth, Work>;
        using Base::s;

        MMIP_RULE explicit Work(const Base& base) : Base(base) {}

        // Of the view of rules/blocks/choice.h, with those of search_work.h.
        MMIP_RULE bool dense(int) const { return false; }
        MMIP_RULE int unseen(int) const { return 0; }
        MMIP_RULE int64_t rough(int o, int k) const { return s.rough_cost[o][k]; }
        MMIP_RULE int64_t decided(int o, int k) const { return o < Order::kSingles ? s.length_cost[o][k] : this->decided_cost(k); }

        MMIP_RULE void rough_round(int o, int step, int lane) const {
            if (step == 0) {
                if (lane < kCells) s.tried[lane] = Choice::offers(*this, o, lane) ? Order::mode(o) : -1;
            } else if (step == kLineSteps + 1) {
                this->take_dcs(lane);
            } else if (step == kLineSteps + 2) {
                this->estimate(lane);
            } else if (lane < kCells && this->first_of(lane, Order::mode(o)) == lane) {
                const bool tried = s.tried[lane] >= 0;
                if (tried) s.rough_cost[o][lane] = this->cost(lane, Order::cells(o));
                if (o == 0 && tried) s.palette_dc[lane] = s.dcs[lane];
                if (o == Order::kQuad) Choice::compare_quad(*this, lane, tried);
                else if (o < Order::kQuad && tried) Choice::settle_single(*this, o, lane);
            }
        }

        // By code lengths: the modes that are near, then the winners (o == kOptions).
        MMIP_RULE void length_round(int o, int step, int lane) const {
            const bool last = o == Order::kOptions;
            if (step == 0) {
                if (lane >= kCells) return;
                s.rest[lane] = 0;
                if (last) this->try_chosen(lane);
                else s.tried[lane] = Choice::weighs(*this, o, lane) ? Order::mode(o) : -1;
            } else if (!last && !this->full() && step + 1 < kLengthPhases) {
                return;
            } else if (step == kLineSteps + 1) {
                this->take_dcs(lane);
            } else if (step == kLineSteps + 2) {
                this->find(lane);
            } else if (step == kLineSteps + 3) {
                this->count_before(lane);
            } else if (step == kLineSteps + 4) {
                this->list(lane);
            } else if (step == kLineSteps + 5) {
                this->clear(lane);
            } else if (step == kLineSteps + 6) {
                this->decide(lane);
            } else if (last) {
                this->store(lane);
            } else if (lane < kCells && this->first_of(lane, Order::mode(o)) == lane) {
                settle(o, lane);
            }
        }

        MMIP_RULE void settle(int o, int first) const {
            const bool tried = this->full() ? s.tried[first] >= 0 : Choice::offers(*this, o, first);
            if (o == Order::kQuad) Choice::settle_quad(*this, first);
            else if (o > Order::kQuad) Choice::settle_large(*this, o, first, tried);
            else if (this->full() && tried) s.length_cost[o][first] = this->decided_cost(first);
        }
    };
};

}  // namespace mmip
