// Tiles whose blocks are chosen, closed: indices decided anew on what true predictions leave, block after block in coding order.
// Values: see closing_work.h. One group = one tile; the phases repeat for each of its blocks, whose samples the lanes share: the block by
// itself, the search of predictions, up to five of them as candidates, code lengths, R2. Encoder side of FORMAT.md sections 3 to 5.
#pragma once

#include "device/kernels/blocks/closing_search.h"

namespace mmip {

struct CloseKernel {
    using Params = ClosingParams;
    using Shared = ClosingState;
    using Block = BlockRestorer<ClosingParams>;
    static constexpr int kLanes = Block::kLanes, kResident = 8;
    static constexpr int kRound = 7;         // phases of a round of candidates: the first alone, then others, in two rounds if need be
    static constexpr int kOwn = 2, kSearch = kOwn + kRound, kFirst = kSearch + ClosingSearch::kPhases, kSecond = kFirst + kRound;
    static constexpr int kDecide = kSecond + kRound, kRestore = kDecide + 3, kPhases = kRestore + 1 + Block::kPhases;

    static MMIP_RULE void start(const Params& p, Shared& s, int64_t group, int lane) {
        ClosingScratch& scratch = p.scratch[group];
        for (int c = 0; c < kCandidates; ++c)
            for (int i = lane; i < 4096; i += kLanes) scratch.magnitudes[c][i] = 0;
        if (lane == 0) s.block.next = 0;
    }

    static MMIP_RULE bool more(const Params& p, const Shared& s, int64_t group) { return s.block.next < p.tiles[p.group_tiles[group]].cells(); }

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (line_pass(phase) >= 0) {
            const ClosingWork w = work(p, s, group);
            ClosingWork::transform(s, w.many_from(begin_of(w, phase)), line_pass(phase), lane);
        } else if constexpr (phase == 0 || phase >= kRestore) {
            restore<phase>(p, s, group, lane);
        } else {
            run_part(p, s, group, lane, phase);
        }
    }

private:
    template <int phase>
    static MMIP_RULE void restore(const Params& p, Shared& s, int64_t group, int lane) {
        const DecodeTile& tile = p.tiles[p.group_tiles[group]];
        const DecodeItem& item = p.items[tile.item];
        if constexpr (phase + 1 == kPhases) work(p, s, group).add_error(lane);
        if constexpr (phase == 0 || phase == kRestore) Block::find(p, s.block, tile, item, lane);
        else Block::run<phase - kRestore - 1>(p, s.block, tile, item, lane);
    }

    static MMIP_RULE ClosingWork work(const Params& p, Shared& s, int64_t group) {
        const int32_t at = p.group_tiles[group];
        return {p, s, at, p.scratch[group], p.tiles[at]};
    }

    static MMIP_RULE constexpr bool is_round(int phase) { return (phase >= kOwn && phase < kSearch) || (phase >= kFirst && phase < kDecide); }
    static MMIP_RULE constexpr int round_step(int phase) { return (phase - (phase < kSearch ? kOwn : kFirst)) % kRound; }

    // Which axis a phase transforms, or -1.
    static MMIP_RULE constexpr int line_pass(int phase) {
        const int step = is_round(phase) ? round_step(phase) : 0;
        return step == 1 || step == 2 ? step - 1 : -1;
    }

    // The first candidate of a round.
    static MMIP_RULE int begin_of(const ClosingWork& w, int phase) {
        return phase < kSearch ? 0 : (phase < kSecond ? 1 : 1 + superblock_cells(1) / w.cells());
    }

    // Phases but those of lines and of R2: one function, or the kernel would grow too large.
    static MMIP_PART void run_part(const Params& p, Shared& s, int64_t group, int lane, int phase) {
        const ClosingSearch w({work(p, s, group)});
        if (phase == 1) w.load(lane);
        else if (is_round(phase)) run_round(w, begin_of(w, phase), round_step(phase), lane);
        else if (phase < kFirst) w.search(phase - kSearch, lane);
        else if (phase == kDecide) w.decide(lane);
        else if (phase == kDecide + 1) w.choose(lane);
        else w.store(lane);
    }

    static MMIP_RULE void run_round(const ClosingWork& w, int begin, int step, int lane) {
        if (step == 0) w.fill(begin, lane);
        else if (step == 3) w.finish(begin, lane);
        else if (step == 4) w.find(begin, lane);
        else if (step == 5) w.count_before(begin, lane);
        else w.list(begin, lane);
    }
};

}  // namespace mmip
