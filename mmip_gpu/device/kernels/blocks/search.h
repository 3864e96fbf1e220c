// The analysis of a superblock where code lengths decide: efforts 2 (indices) and 3 (modes and indices).
// Values: see search_work.h. One group = one superblock; candidates come in rounds, one mode each: by rough costs, then (effort 3)
// by code lengths where those are near, then the winners. Encoder side of FORMAT.md sections 2 to 5; choices are those of
// rules/blocks/choose.h, in the order in which the core makes them (passes/blocks/analyze_kernels.h).
#pragma once

#include "device/kernels/palette/search_palettes.h"

namespace mmip {

template <int depth>
struct SearchKernel {
    using Lines = BlockLines<depth>;
    using Modes = SearchModes<depth>;
    static constexpr int kLanes = 128, kResident = depth == 8 ? 5 : 4;   // groups wait for single lanes: many small ones hide it
    static constexpr int kCells = Lines::kCells, kLineSteps = Lines::kPasses;
    static constexpr int kRoughPhases = kLineSteps + 4, kLengthPhases = kLineSteps + 8;   // of a round
    static constexpr int kSingles = 2, kPalettes = kSingles + Modes::kSingles * kRoughPhases;
    static constexpr int kMerged = kPalettes + PaletteSearch<depth, kLanes>::kPhases, kLengths = kMerged + Modes::kMerged * kRoughPhases;
    static constexpr int kPhases = kLengths + (Modes::kOptions + 1) * kLengthPhases;

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
        if (phase < kSingles) w.begin(lane);
        else if (phase < kPalettes) w.rough_round((phase - kSingles) / kRoughPhases, (phase - kSingles) % kRoughPhases, lane);
        else if (phase < kMerged) w.search_palettes(phase - kPalettes, lane);
        else if (phase < kLengths) w.rough_round(Modes::kSingles + (phase - kMerged) / kRoughPhases, (phase - kMerged) % kRoughPhases, lane);
        else w.length_round((phase - kLengths) / kLengthPhases, (phase - kLengths) % kLengthPhases, lane);
    }

    struct Work : PaletteSearch<depth, kLanes> {
        using Base = PaletteSearch<depth, kLanes>;
        using Base::s;
        static constexpr int kQuad = Modes::kSingles, kGroup = Lines::kGroup;

        MMIP_RULE explicit Work(const Base& base) : Base(base) {}

        MMIP_RULE void begin(int lane) const {
            this->start(lane);
            if (lane >= kCells) return;
            s.least[lane] = s.least_rough[lane] = 0;
            s.best[lane] = 0;
            s.chosen[lane] = kMode8;
        }

        // Whether option o may be taken at cell k.
        MMIP_RULE bool possible(int o, int k) const {
            const int many = Lines::block_cells(Modes::mode(o));
            return many == 1 ? this->present(k) && !this->reversible(k) : this->can_merge(k - k % many, many);
        }

        MMIP_RULE void merge(int first, int many, int mode) const {
            for (int k = first; k < first + many; ++k) s.chosen[k] = mode;
        }

        // --- rough costs

        MMIP_RULE void rough_round(int o, int step, int lane) const {
            if (step == 0) {
                if (lane < kCells) s.tried[lane] = possible(o, lane) ? Modes::mode(o) : -1;
            } else if (step == kLineSteps + 1) {
                this->take_dcs(lane);
            } else if (step == kLineSteps + 2) {
                this->estimate(lane);
            } else if (lane < kCells && this->first_of(lane, Modes::mode(o)) == lane) {
                if (s.tried[lane] >= 0) s.rough_cost[o][lane] = this->cost(lane, Lines::block_cells(Modes::mode(o)));
                if (o < Modes::kSingles) settle_single(o, lane);
                else if (o == kQuad) compare_quad(lane);
            }
        }

        MMIP_RULE void settle_single(int o, int k) const {
            if (s.tried[k] < 0) return;
            if (o == 0) s.palette_dc[k] = s.dcs[k];
            if (o > 0 && s.rough_cost[o][k] >= s.least[k]) return;
            s.least[k] = s.rough_cost[o][k];
            s.best[k] = o;
        }

        // Mode 16 against the cells by rough costs, and what is to be weighed by code lengths.
        MMIP_RULE void compare_quad(int first) const {
            int64_t split = 0;
            for (int k = first; k < first + kGroup; ++k) split += s.least[k];
            const bool possible = s.tried[first] >= 0;
            const int64_t whole = possible ? s.rough_cost[kQuad][first] : 0;
            s.merge[first] = compare_merge(possible, whole, split, this->is_first());
            s.least_rough[first] = s.merge[first].wins ? whole : split;
        }

        // --- code lengths of the modes that are near, then of the winners (o == kOptions)

        MMIP_RULE void length_round(int o, int step, int lane) const {
            const bool last = o == Modes::kOptions;
            if (step == 0) {
                if (lane >= kCells) return;
                s.rest[lane] = 0;
                s.tried[lane] = last ? (this->present(lane) ? s.chosen[lane] : -1) : (this->full() && weighs(o, lane) ? Modes::mode(o) : -1);
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
            } else if (lane < kCells && this->first_of(lane, Modes::mode(o)) == lane) {
                if (o < Modes::kSingles) settle_lengths(o, lane);
                else if (o == kQuad) settle_quad(lane);
                else if constexpr (Modes::kMerged > 1) settle_large(o, lane);
            }
        }

        // Whether effort 3 weighs option o at cell k by code lengths.
        MMIP_RULE bool weighs(int o, int k) const {
            if (!possible(o, k)) return false;
            if (o < kQuad) return s.merge[k - k % kGroup].try_split && is_near(s.rough_cost[o][k], s.least[k], this->is_first());
            const int first = this->first_of(k, Modes::mode(o));
            if constexpr (Modes::kMerged > 1)
                if (o > kQuad) return is_near(s.rough_cost[o][first], of_parts(s.least_rough, o, first), this->is_first());
            return s.merge[first].try_whole;
        }

        // Sum over the blocks that a larger one merges.
        MMIP_RULE int64_t of_parts(const int64_t* costs, int o, int first) const {
            const int many = Lines::block_cells(Modes::mode(o)), part = Lines::block_cells(Modes::mode(o - 1));
            int64_t sum = 0;
            for (int k = first; k < first + many; k += part) sum += costs[k];
            return sum;
        }

        MMIP_RULE void settle_lengths(int o, int k) const {
            if (this->full() && s.tried[k] >= 0) s.length_cost[o][k] = this->decided_cost(k);
        }

        // The modes of the cells of a group; returns their cost.
        MMIP_RULE int64_t choose_cells(int first) const {
            int64_t sum = 0;
            for (int k = first; k < first + kGroup; ++k) {
                if (!possible(0, k)) continue;
                int best = s.best[k];
                int64_t cost = s.least[k];
                if (this->full()) {
                    const int64_t limit = s.least[k];
                    const bool palette = best == Modes::kPalette;
                    best = -1;
                    for (int o = 0; o < Modes::kSingles; ++o)
                        if (is_near(s.rough_cost[o][k], limit, this->is_first()) && (best < 0 || s.length_cost[o][k] < cost)) best = o, cost = s.length_cost[o][k];
                    if (palette && (best < 0 || limit < cost)) best = Modes::kPalette, cost = limit;
                }
                s.chosen[k] = Modes::mode(best);
                sum += cost;
            }
            return sum;
        }

        MMIP_RULE void settle_quad(int first) const {
            const bool full = this->full();
            const Merge m = s.merge[first];
            const int64_t split = !full || m.try_split ? choose_cells(first) : 0;
            const int64_t whole = !m.try_whole ? 0 : (full ? this->decided_cost(first) : s.rough_cost[kQuad][first]);
            const bool wins = full && m.try_whole && m.try_split ? whole < split : m.wins;
            s.least[first] = wins ? whole : split;
            if (wins) merge(first, kGroup, kMode16);
        }

        MMIP_RULE void settle_large(int o, int first) const {
            const bool full = this->full(), tried = full ? s.tried[first] >= 0 : possible(o, first);
            const int64_t rough = of_parts(s.least_rough, o, first), best = of_parts(s.least, o, first);
            const int64_t whole = tried ? s.rough_cost[o][first] : 0, own = tried && full ? this->decided_cost(first) : whole;
            const bool wins = tried && own < best;
            s.least_rough[first] = wins ? least(whole, rough) : rough;
            s.least[first] = wins ? own : best;
            if (wins) merge(first, Lines::block_cells(Modes::mode(o)), Modes::mode(o));
        }
    };
};

}  // namespace mmip
