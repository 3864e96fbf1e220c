// The analysis of a superblock where rounding decides indices: samples in, block modes, DCs and nonzero indices out.
// Values: see superblock_work.h. One group = one superblock; candidates come in rounds, one mode each. Encoder side of FORMAT.md
// sections 2 to 5; choices are those of rules/blocks/choose.h.
// A round offers its mode where it may win, transforms all candidates in one buffer and keeps the best costs; the winners are
// transformed again at the end.
#pragma once

#include "device/kernels/blocks/superblock_work.h"

namespace mmip {

template <int depth>
struct AnalyzeKernel {
    using Lines = BlockLines<depth>;
    static constexpr int kLanes = depth == 8 ? 128 : 256;
    static constexpr int kRounds = depth == 8 ? 3 : 5;           // modes 8, 4, 16, 32, 64; then the winners
    static constexpr int kFirstRound = 4, kRoundPhases = Lines::kPasses + 4;
    static constexpr int kLast = kFirstRound + kRounds * kRoundPhases, kPhases = kLast + Lines::kPasses + 5;
    static constexpr int kCells = Lines::kCells;

    struct Params {
        int64_t groups;
        Batch batch;
        const SampleItem* sources;
        AnalyzedCells out;
        MMIP_FIELDS(groups, batch, sources, out)
    };
    struct Shared : SuperblockState<depth> {
        int64_t activity[kCells];
        int64_t best[kCells];                // least cost so far, of a block at its first cell
        int32_t unseen[kCells];              // cells of the block that is taken for the best without a comparison, or 0
        bool dense[kCells];
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
        static constexpr int kFirstMerge = 2;    // of the rounds
        Shared& s;

        MMIP_RULE Work(const Base& base, Shared& shared) : Base(base), s(shared) {}

        MMIP_RULE void begin(int lane) const {
            this->start(lane);
            if (lane < kCells) s.activity[lane] = 0;
        }

        // Differences between rows; whole numbers, so that any order gives the same sum.
        MMIP_RULE void measure_activity(int lane) const {
            if (this->source.search == kSearchNone) return;
            const int k = lane / kCellLanes;
            const CellOffset o = Lines::origin(k);
            int64_t sum = 0;
            for (int i = lane % kCellLanes; i < depth * 56; i += kCellLanes) {
                const int at = Lines::at(o.z + i / 56, o.y + i / 8 % 7, o.x + i % 8);
                sum += truncate(absolute(s.samples[at] - s.samples[at + Lines::kRow]));
            }
            add_to(&s.activity[k], sum);
        }

        MMIP_RULE bool is_even(int first, int many) const {
            if (!this->can_merge(first, many)) return false;
            int64_t sum = 0, squares = 0;
            for (int i = first; i < first + many; ++i) sum += s.activity[i], squares += square(s.activity[i]);
            return is_even_block(sum, squares, many, depth * 56, this->step(first));
        }

        // Where a large block is taken unseen.
        MMIP_RULE void choose_first(int lane) const {
            if (lane >= kCells) return;
            const int larger = block_shape(kMode32, depth).cells;
            s.chosen[lane] = kMode8;
            s.best[lane] = 0;
            s.dense[lane] = false;
            s.unseen[lane] = 0;
            if (larger > 0 && is_even(lane - lane % larger, larger)) s.unseen[lane] = larger;
            else if (is_even(lane - lane % Lines::kGroup, Lines::kGroup)) s.unseen[lane] = Lines::kGroup;
        }

        template <int step, int number>
        MMIP_RULE void round(int lane) const {
            if (this->source.search == kSearchNone) return;
            if constexpr (step == 0) {
                if (lane < kCells) s.tried[lane] = offer<number>(lane);
            } else if constexpr (step <= Lines::kPasses) {
                this->transform(step - 1, lane);
            } else if constexpr (step == Lines::kPasses + 1) {
                this->take_dcs(lane);
            } else if constexpr (step == Lines::kPasses + 2) {
                this->estimate(lane);
            } else if (lane < kCells) {
                if constexpr (number < kFirstMerge) settle_cell(lane);
                else settle_block(lane, kMode16 + number - kFirstMerge);
            }
        }

        // The mode that cell k is to be tried in, or -1.
        template <int number>
        MMIP_RULE int offer(int k) const {
            if constexpr (number == 0) return this->present(k) && !this->reversible(k) && s.unseen[k] == 0 ? kMode8 : -1;
            else if constexpr (number == 1) return s.dense[k] ? kMode4 : -1;
            else return offers_block(k, kMode16 + number - kFirstMerge) ? kMode16 + number - kFirstMerge : -1;
        }

        // A larger block is tried where all that it would merge has merged, but mode 16 wherever it may stand.
        MMIP_RULE bool offers_block(int k, int mode) const {
            const int many = Lines::block_cells(mode), first = k - k % many;
            if (s.unseen[k] >= many) return s.unseen[k] == many;
            if (!this->can_merge(first, many)) return false;
            bool merged = true;
            for (int i = first; i < first + many && mode != kMode16; i += part_cells(mode)) merged = merged && s.chosen[i] == mode - 1;
            return merged;
        }

        // Cells of the blocks that a block in this mode merges.
        static MMIP_RULE int part_cells(int mode) { return mode == kMode16 ? 1 : Lines::block_cells(mode - 1); }

        MMIP_RULE void settle_cell(int k) const {
            if (s.tried[k] < 0) return;
            const int64_t cost = this->cost(k, 1);
            if (s.tried[k] == kMode8) {
                s.best[k] = cost;
                s.dense[k] = s.rough[k].nonzeros > Lines::kCellSamples / kDenseShare;
            } else if (cost < s.best[k]) {
                s.best[k] = cost;
                s.chosen[k] = kMode4;
            }
        }

        MMIP_RULE void settle_block(int first, int mode) const {
            const int many = Lines::block_cells(mode);
            if (first % many != 0) return;
            int64_t split = 0;
            for (int k = first; k < first + many; k += part_cells(mode)) split += s.best[k];
            const bool tried = s.tried[first] == mode;
            const int64_t whole = tried ? this->cost(first, many) : split;
            const bool wins = tried && (s.unseen[first] == many || whole < split);
            s.best[first] = wins ? whole : split;
            for (int k = first; k < first + many && wins; ++k) s.chosen[k] = mode;
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
                this->find_entries(lane, least_scaled(this->source.search, this->source.rounding));
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
