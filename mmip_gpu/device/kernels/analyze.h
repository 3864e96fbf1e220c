// The analysis of a superblock where rounding decides indices: samples in, block modes, DCs and nonzero indices out.
// Values: see superblock_work.h. One group = one superblock; candidates come in rounds, one mode each. Encoder side of FORMAT.md
// sections 2 to 5; choices are those of rules/choose.h.
// A round transforms all its candidates in one buffer and keeps their costs; the winners are transformed again at the end.
#pragma once

#include "superblock_work.h"

namespace mmip {

template <int depth>
struct AnalyzeKernel {
    using Lines = BlockLines<depth>;
    static constexpr int kLanes = depth == 8 ? 128 : 64;
    static constexpr int kRounds = depth == 8 ? 3 : 4;           // modes 8, 4, 16, 32; then the winners
    static constexpr int kFirstRound = 4, kRoundPhases = Lines::kPasses + 3;
    static constexpr int kLast = kFirstRound + kRounds * kRoundPhases, kPhases = kLast + Lines::kPasses + 5;
    static constexpr int kCells = Lines::kCells;

    struct Params {
        int64_t groups;
        Batch batch;
        const SampleItem* sources;
        AnalyzedCells out;
    };
    struct Shared : SuperblockState<depth> {
        int64_t activity[kCells], best[kCells];
        int32_t even[4];
        int64_t all;                         // cost of all cells without mode 32
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, nullptr, nullptr, group, lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const Work w{{p.batch, p.out, s, t, p.sources[t.chunk], p.batch.chunks[t.chunk]}, s};
            if constexpr (phase == 1) w.begin(lane);
            else if constexpr (phase == 2) w.measure_activity(lane);
            else if constexpr (phase == 3) w.choose_first(lane);
            else if constexpr (phase < kLast) w.template round<(phase - kFirstRound) % kRoundPhases, (phase - kFirstRound) / kRoundPhases>(lane);
            else w.template finish<phase - kLast>(lane);
        }
    }

private:
    struct Work : SuperblockWork<depth, kLanes> {
        using Base = SuperblockWork<depth, kLanes>;
        using Base::kCellLanes;
        Shared& s;

        MMIP_RULE Work(const Base& base, Shared& shared) : Base(base), s(shared) {}

        MMIP_RULE void begin(int lane) const {
            this->start(lane);
            if (lane < kCells) s.activity[lane] = 0;
        }

        // Differences between rows; whole numbers, so that any order gives the same sum.
        MMIP_RULE void measure_activity(int lane) const {
            if (this->source.search == 0) return;
            const int k = lane / kCellLanes;
            const CellOffset o = Lines::origin(k);
            int64_t sum = 0;
            for (int i = lane % kCellLanes; i < depth * 56; i += kCellLanes) {
                const int at = Lines::at(o.z + i / 56, o.y + i / 8 % 7, o.x + i % 8);
                sum += truncate(absolute(s.samples[at] - s.samples[at + Lines::kRow]));
            }
            add_to(&s.activity[k], sum);
        }

        // What the first round tries: mode 8, but where a large block is taken unseen.
        MMIP_RULE void choose_first(int lane) const {
            if (lane >= kCells) return;
            const int first = lane - lane % Lines::kGroup;
            int64_t sum = 0, squares = 0;
            for (int i = first; i < first + Lines::kGroup; ++i) sum += s.activity[i], squares += square(s.activity[i]);
            const bool even = this->can_merge(first, Lines::kGroup) && is_even_block(sum, squares, Lines::kGroup, depth * 56, this->step(first));
            if (lane == first) s.even[first / Lines::kGroup] = even ? 1 : 0;
            s.chosen[lane] = kMode8;
            if (this->source.search != 0) s.tried[lane] = this->present(lane) && !even && !this->reversible(lane) ? kMode8 : -1;
            s.best[lane] = 0;
            s.rough[lane] = Rough{};
        }

        template <int step, int number>
        MMIP_RULE void round(int lane) const {
            if (this->source.search == 0) return;
            if constexpr (step < Lines::kPasses) {
                this->transform(step, lane);
            } else if constexpr (step == Lines::kPasses) {
                this->take_dcs(lane);
            } else if constexpr (step == Lines::kPasses + 1) {
                this->estimate(lane);
            } else if (lane == 0) {
                if constexpr (number == 0) choose_cells();
                else if constexpr (number == 1) choose_quads();
                else if constexpr (number == 2) merge_quads();
                else merge_all();
                for (int k = 0; k < kCells; ++k) s.rough[k] = Rough{};
            }
        }

        // After mode 8: mode 4 is tried where a cell is dense.
        MMIP_RULE void choose_cells() const {
            for (int k = 0; k < kCells; ++k) {
                const bool dense = s.tried[k] == kMode8 && s.rough[k].nonzeros > Lines::kCellSamples / kDenseShare;
                if (s.tried[k] == kMode8) s.best[k] = this->cost(k, 1);
                s.tried[k] = dense ? kMode4 : -1;
            }
        }

        // After mode 4: mode 16 is tried.
        MMIP_RULE void choose_quads() const {
            for (int k = 0; k < kCells; ++k) {
                if (s.tried[k] == kMode4 && this->cost(k, 1) < s.best[k]) {
                    s.best[k] = this->cost(k, 1);
                    s.chosen[k] = kMode4;
                }
                s.tried[k] = this->can_merge(k - k % Lines::kGroup, Lines::kGroup) ? kMode16 : -1;
            }
        }

        // After mode 16: mode 32 is tried where all of the superblock merged.
        MMIP_RULE void merge_quads() const {
            bool all = true;
            s.all = 0;
            for (int first = 0; first < kCells; first += Lines::kGroup) {
                int64_t split = 0;
                for (int k = first; k < first + Lines::kGroup; ++k) split += s.best[k];
                const bool tried = s.tried[first] == kMode16;
                const int64_t whole = tried ? this->cost(first, Lines::kGroup) : 0;
                const bool merged = tried && (s.even[first / Lines::kGroup] != 0 || whole < split);
                s.all += merged ? whole : split;
                all = all && merged;
                for (int k = first; k < first + Lines::kGroup && merged; ++k) s.chosen[k] = kMode16;
            }
            const bool larger = depth == 1 && all && this->can_merge(0, kCells);
            for (int k = 0; k < kCells; ++k) s.tried[k] = larger ? kMode32 : -1;
        }

        MMIP_RULE void merge_all() const {
            const bool merged = s.tried[0] == kMode32 && this->cost(0, kCells) < s.all;
            for (int k = 0; k < kCells && merged; ++k) s.chosen[k] = kMode32;
        }

        template <int step>
        MMIP_RULE void finish(int lane) const {
            if constexpr (step == 0) {
                if (lane < kCells) s.tried[lane] = this->present(lane) ? s.chosen[lane] : -1;
            } else if constexpr (step <= Lines::kPasses) {
                this->transform(step - 1, lane);
            } else if constexpr (step == Lines::kPasses + 1) {
                this->take_dcs(lane);
            } else if constexpr (step == Lines::kPasses + 2) {
                this->find_entries(lane, kStepOne - this->source.rounding);
            } else if constexpr (step == Lines::kPasses + 3) {
                this->count_before(lane);
            } else {
                const int k = lane / kCellLanes, mode = s.tried[k];
                if (mode < 0) return;
                IndexSums sums{};
                this->put_rounded(lane, sums);
                if (lane % kCellLanes == 0) sums.distortion += this->put_cell(k, mode, this->entries_of(mode, k - k % Lines::block_cells(mode)));
                this->add_sums(k, sums);
            }
        }
    };
};

}  // namespace mmip
