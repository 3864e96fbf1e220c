// The analysis of a superblock where rounding decides indices: samples in, block modes, DCs and nonzero indices out.
// Values: see superblock_work.h. One group = one superblock; candidates come in rounds, one mode each. Encoder side of FORMAT.md
// sections 2 to 5; choices are those of rules/blocks/choice.h.
// A round offers its mode where it may win, transforms all candidates in one buffer and keeps the best costs; the winners are
// transformed again at the end.
#pragma once

#include "device/kernels/blocks/superblock_work.h"

namespace mmip {

template <int depth>
struct AnalyzeKernel {
    using Lines = BlockLines<depth>;
    using Order = ModeOrder<depth>;
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
            else if constexpr (phase == 3) w.find_unseen(lane);
            else if constexpr (phase < kLast) w.template round<(phase - kFirstRound) % kRoundPhases, (phase - kFirstRound) / kRoundPhases>(lane);
            else w.template finish<phase - kLast>(lane);
        }
    }

private:
    struct Work : SuperblockWork<depth, kLanes> {
        using Base = SuperblockWork<depth, kLanes>;
        using Choice = BlockChoice<depth, Work>;
        using Base::kCellLanes;
        Shared& s;

        MMIP_RULE Work(const Base& base, Shared& shared) : Base(base), s(shared) {}

        // Of the view of rules/blocks/choice.h; nothing is decided by code lengths.
        MMIP_RULE bool is_first() const { return true; }
        MMIP_RULE int64_t activity(int k) const { return s.activity[k]; }
        MMIP_RULE bool dense(int k) const { return s.dense[k]; }
        MMIP_RULE int unseen(int k) const { return s.unseen[k]; }
        MMIP_RULE int64_t rough(int o, int k) const { return this->cost(k, Order::cells(o)); }
        MMIP_RULE int64_t decided(int o, int k) const { return rough(o, k); }

        MMIP_RULE void begin(int lane) const {
            this->start(lane);
            if (lane >= kCells) return;
            s.activity[lane] = 0;
            s.unseen[lane] = 0;
            s.dense[lane] = false;
        }

        // Differences between rows; whole numbers, so that any order gives the same sum.
        MMIP_RULE void measure_activity(int lane) const {
            if (this->search() == kSearchNone) return;
            const int k = lane / kCellLanes;
            const CellOffset o = Lines::origin(k);
            int64_t sum = 0;
            for (int i = lane % kCellLanes; i < depth * 56; i += kCellLanes) {
                const int at = Lines::at(o.z + i / 56, o.y + i / 8 % 7, o.x + i % 8);
                sum += truncate(absolute(s.samples[at] - s.samples[at + Lines::kRow]));
            }
            add_to(&s.activity[k], sum);
        }

        MMIP_RULE void find_unseen(int lane) const {
            if (lane < kCells && lane % Choice::kUnseenCells == 0) Choice::find_unseen(*this, lane, [&](int k, int many) { s.unseen[k] = many; });
        }

        // Mode z1 is none of effort 1.
        template <int step, int number>
        MMIP_RULE void round(int lane) const {
            constexpr int o = number == 0 ? 0 : Order::kOptions - kRounds + number;
            if (this->search() == kSearchNone) return;
            if constexpr (step == 0) {
                if (lane < kCells) s.tried[lane] = Choice::offers(*this, o, lane) ? Order::mode(o) : -1;
            } else if constexpr (step <= Lines::kPasses) {
                this->transform(step - 1, lane);
            } else if constexpr (step == Lines::kPasses + 1) {
                this->take_dcs(lane);
            } else if constexpr (step == Lines::kPasses + 2) {
                this->estimate(lane);
            } else if (lane < kCells && lane % Order::cells(o) == 0) {
                settle(o, lane, s.tried[lane] >= 0);
            }
        }

        MMIP_PART void settle(int o, int first, bool tried) const {
            if (o > Order::kQuad) {
                Choice::settle_large(*this, o, first, tried);
            } else if (o == Order::kQuad) {
                Choice::compare_quad(*this, first, tried);
                Choice::settle_quad(*this, first);
            } else if (tried) {
                if (o == 0) s.dense[first] = is_dense(s.rough[first].nonzeros, Lines::kCellSamples);
                Choice::settle_single(*this, o, first);
            }
        }

        template <int step>
        MMIP_RULE void finish(int lane) const {
            if constexpr (step == 0) {
                this->try_chosen(lane);
            } else if constexpr (step <= Lines::kPasses) {
                this->transform(step - 1, lane);
            } else if constexpr (step == Lines::kPasses + 1) {
                this->take_dcs(lane);
            } else if constexpr (step == Lines::kPasses + 2) {
                this->find_entries(lane);
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
