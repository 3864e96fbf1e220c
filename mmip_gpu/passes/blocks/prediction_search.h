// Which predictions of a block an encoder weighs, and what is left of the block's coefficients after one.
// Values: samples of the block [y][x] and restored integers of its tile in; at most kWeighed predictions out. Home: host, per
// instruction set. One item of work = one block. Encoder's own, not part of the format; integers decide.
#pragma once

#include "passes/blocks/block_predictor.h"
#include "passes/blocks/candidate.h"

namespace MMIP_NS {

// Of a symbol PREDICTION with its raw bits, in a search, where the predictions of neighbours are not known yet.
MMIP_RULE int guessed_prediction_bits(int prediction) {
    if (prediction == kPredictNone) return 1;
    return prediction == kPredictPlanar || prediction == kPredictSlice ? 3 : 6;
}

// The forward transform of a block in a mode, its DC or corner dropped.
struct PredictedTransform {
    alignas(64) F8 scratch[4096 / 8];

    void run(int mode, const F8* samples, F8* coefficients) {
        if (mode == kMode16) return merged<16, 2>(samples, coefficients);
        if (mode == kMode32) return merged<32, 4>(samples, coefficients);
        if (mode == kMode64) return merged<64, 8>(samples, coefficients);
        if (mode == kMode4) forward_quarters<1>(samples, scratch, coefficients);
        else forward_planes<1, 8>(samples, scratch, coefficients);
        reinterpret_cast<float*>(coefficients)[0] = 0;
    }

private:
    template <int size, int m>
    void merged(const F8* samples, F8* coefficients) {
        forward_planes<1, size>(samples, scratch, coefficients);
        for (int x = 0; x < m; ++x)
            for (int y = 0; y < m; ++y) reinterpret_cast<float*>(coefficients)[x * size + y] = 0;
    }
};

class PredictionSearch {
public:
    static constexpr int kWeighed = 2;
    alignas(64) F8 part[4096 / 8];           // for the samples of a block

    void use(const mmip::TileView& tile, const int32_t* restored) { predictor_.use(tile, restored); }

    // A block, whose own DCs count as known; `samples` stay until the next one.
    void begin(int first, int size, const F8* samples) {
        size_ = size, own_ = samples, count_ = -1;
        predictor_.begin(first, size);
    }

    // Of saying that there is none.
    int bits_without() const { return predictor_.may_be_predicted() ? guessed_prediction_bits(kPredictNone) : 0; }

    // Replaces the coefficients of a candidate by what the best prediction leaves of them, if that costs less.
    template <class C>
    void improve(C& candidate, float inverse, int32_t rounding) {
        if (candidate.cost.bits == kBlockBits + candidate.side_bits) return;   // nothing is left to save
        if (count_ < 0) find();
        const int vectors = size_ * size_ / 8;
        int best = -1;
        for (int i = 0; i < count_; ++i) {
            transform_.run(candidate.mode, samples_[i], predicted_[i]);
            for (int v = 0; v < vectors; ++v) trial_[v] = candidate.coefficients[v] - predicted_[i][v];
            const Cost cost = rough_cost(trial_, inverse, rounding, 8 * vectors, guessed_prediction_bits(found_[i].prediction));
            if (weigh(cost) >= weigh(candidate.cost)) continue;
            best = i;
            candidate.cost = cost;
        }
        if (best < 0) return;
        candidate.prediction = found_[best].prediction;
        candidate.side_bits = guessed_prediction_bits(candidate.prediction);
        for (int v = 0; v < vectors; ++v) candidate.coefficients[v] -= predicted_[best][v];
    }

private:
    struct Found {
        int prediction;
        int64_t difference;
    };

    // The predictions that leave the least: of angles each fourth one is tried first, then those around the best.
    void find() {
        count_ = 0;
        consider(kPredictSlice);
        if (!predictor_.fits(kPredictPlanar)) return finish();
        consider(kPredictPlanar);
        int best = 6;
        int64_t least = consider(6);
        const auto closer = [&](int p) {
            if (p < kFirstAngle || p > kLastAngle) return;
            const int64_t d = consider(p);
            if (d < least) least = d, best = p;
        };
        for (int p = 10; p <= kLastAngle; p += 4) closer(p);
        for (int step = 2; step > 0; step /= 2) {
            const int middle = best;
            closer(middle - step);
            closer(middle + step);
        }
        finish();
    }

    int64_t consider(int prediction) {
        if (!predictor_.fits(prediction)) return 0;
        predictor_.predict(prediction, trial_);
        const int64_t d = difference(own_);
        enter(prediction, d);
        return d;
    }

    void finish() {
        for (int i = 0; i < count_; ++i) predictor_.predict(found_[i].prediction, samples_[i]);
    }

    void enter(int prediction, int64_t difference) {
        int at = count_ < kWeighed ? count_++ : kWeighed;
        for (; at > 0 && found_[at - 1].difference > difference; --at)
            if (at < kWeighed) found_[at] = found_[at - 1];
        if (at < kWeighed) found_[at] = {prediction, difference};
    }

    // Sum of the differences between the block and the trial, each cell's mean apart.
    int64_t difference(const F8* samples) const {
        const int groups = size_ / 8;
        int64_t sum = 0;
        for (int cy = 0; cy < groups; ++cy)
            for (int cx = 0; cx < groups; ++cx) {
                const F8 *a = samples + 8 * cy * groups + cx, *b = trial_ + 8 * cy * groups + cx;
                F8 rows[8], total{};
                for (int y = 0; y < 8; ++y) rows[y] = a[y * groups] - b[y * groups], total += rows[y];
                float mean = 0;
                for (int lane = 0; lane < 8; ++lane) mean += total[lane];
                mean *= 1.0f / 64;
                F8 left{};
                for (int y = 0; y < 8; ++y) left += absolute(rows[y] - mean);
                const I8 whole = truncate(smaller(left, 1e8f));
                for (int lane = 0; lane < 8; ++lane) sum += whole[lane];
            }
        return sum;
    }

    BlockPredictor predictor_;
    PredictedTransform transform_;
    const F8* own_ = nullptr;
    int size_ = 8, count_ = 0;
    Found found_[kWeighed + 1];
    alignas(64) F8 trial_[4096 / 8];
    alignas(64) F8 samples_[kWeighed][4096 / 8], predicted_[kWeighed][4096 / 8];
};

}  // namespace MMIP_NS
