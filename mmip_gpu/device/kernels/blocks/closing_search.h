// The search of a close: which predictions of a block are worth being decided between by code lengths.
// Values: samples of the block and R2 of those before it in; candidates out. One group = one block at a time; predictions are looked at side
// by side, in rounds, a lane each and cell. Encoder's own, not part of the format; the rules are those of
// rules/prediction/tried_predictions.h.
#pragma once

#include "device/kernels/blocks/closing_work.h"

namespace mmip {

struct ClosingSearch : ClosingWork {
    static constexpr int kRounds = 3, kPhases = 2 + 2 * kRounds + 1;

    MMIP_RULE explicit ClosingSearch(const ClosingWork& work) : ClosingWork(work) {}

    MMIP_RULE void search(int phase, int lane) const {
        if (phase == 0) find_line(lane);
        else if (phase == 1) smooth_line(lane);
        else if (phase + 1 == kPhases) take_candidates(lane);
        else if (phase % 2 == 0) begin_round(phase == 2, lane);
        else look(lane);
    }

private:
    MMIP_RULE int last_of_line() const { return searches() && has_edge() ? 4 * size() : -1; }

    MMIP_RULE void find_line(int lane) const {
        const BlockEdge edge = RestoredTile(p, tile).edge(s.block.z, s.block.y, s.block.x, size());
        for (int k = lane; k <= last_of_line(); k += kLanes) s.edge[k] = edge[k];
    }

    MMIP_RULE void smooth_line(int lane) const {
        const int last = last_of_line();
        for (int k = lane; k <= last; k += kLanes) s.smooth[k] = k == 0 || k == last ? s.edge[k] : smoothed(s.edge[k - 1], s.edge[k], s.edge[k + 1]);
    }

    MMIP_RULE void try_next(int prediction) const { s.differences[s.tried_count] = 0, s.tried[s.tried_count++] = prediction; }

    MMIP_RULE void begin_round(bool is_first, int lane) const {
        if (lane != 0) return;
        if (is_first) return try_first();
        take_differences();
        const int middle = s.best.best, step = middle != kPredictNone ? s.step : 0;
        s.tried_count = 0, s.step /= 2;
        if (step == 0) return;
        if (is_angle(middle - step)) try_next(middle - step);
        if (is_angle(middle + step)) try_next(middle + step);
    }

    MMIP_RULE void try_first() const {
        s.best.begin();
        s.tried_count = 0;
        uint64_t hints = 0;
        for (int k = 0; k < 3 && source().search == kSearchFull; ++k) hints |= uint64_t{1} << known(k);   // which has searched already
        s.step = first_angle_step(hints);
        if (!searches()) return;
        if (prediction_fits(kPredictSlice, cells(), s.block.z, s.block.y, s.block.x)) try_next(kPredictSlice);
        if (!has_edge()) return;
        try_next(kPredictPlanar);
        for (int angle = kFirstAngle; angle <= kLastAngle; ++angle)
            if ((first_angles(hints) >> angle & 1) != 0) try_next(angle);
    }

    MMIP_RULE void take_differences() const {
        for (int i = 0; i < s.tried_count; ++i) s.best.take(s.tried[i], s.differences[i]);
    }

    // Predictions that are known before the search.
    MMIP_RULE int known(int k) const { return k == 0 ? p.predictions[first()] : (k == 1 ? s.w : s.n); }

    MMIP_RULE void look(int lane) const {
        for (int i = lane; i < s.tried_count * cells(); i += kLanes) add_to(&s.differences[i / cells()], difference(s.tried[i / cells()], i % cells()));
    }

    // What a prediction leaves of a cell of the block, in raster order.
    MMIP_PART int64_t difference(int prediction, int k) const {
        const int along = size() / kCellSize, y0 = k / along * kCellSize, x0 = k % along * kCellSize;
        const auto left = [&](int i) {
            const int y = y0 + i / kCellSize, x = x0 + i % kCellSize;
            return truncate(scratch.samples[y * size() + x] - to_float(predicted(prediction, y, x)));
        };
        int32_t total = 0;
        for (int i = 0; i < kCellSamples; ++i) total += left(i);
        const int32_t mean = cell_mean(total);
        int64_t sum = 0;
        for (int i = 0; i < kCellSamples; ++i) sum += from_mean(left(i), mean);
        return sum;
    }

    MMIP_RULE void take_candidates(int lane) const {
        if (lane != 0) return;
        take_differences();
        if (!searches()) return;
        for (int k = 0; k < 3; ++k) take(known(k));
        for (int i = 0; i < s.best.count; ++i) take(s.best.prediction[i]);
    }

    MMIP_RULE void take(int prediction) const {
        for (int c = 0; c < s.candidate_count; ++c)
            if (s.candidates[c] == prediction) return;
        if (prediction_fits(prediction, cells(), s.block.z, s.block.y, s.block.x)) add_candidate(prediction);
    }
};

}  // namespace mmip
