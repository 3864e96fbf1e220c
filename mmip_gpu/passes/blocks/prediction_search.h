// Which prediction of a block costs an encoder least, and what is left of the block's coefficients after it.
// Values: samples of the block [y][x], its coefficients in the transposed layout, and restored integers of its tile in; a prediction and
// coefficients out. Home: host, per instruction set. One item of work = one block. Encoder's own, not part of the format.
#pragma once

#include "passes/blocks/block_predictor.h"
#include "passes/blocks/candidate.h"

namespace MMIP_NS {

// Of a symbol PREDICTION with its raw bits, where the predictions of neighbours are not known yet.
MMIP_RULE int guessed_prediction_bits(int prediction) {
    if (prediction == kPredictNone) return 1;
    return prediction == kPredictPlanar || prediction == kPredictSlice ? 4 : 5;
}

class PredictionSearch {
public:
    alignas(64) F8 part[4096 / 8];           // room for the samples of a block

    void use(const mmip::TileView& tile, const int32_t* restored) { predictor_.use(tile, restored); }

    // A block, whose own DCs count as known; `samples` stay until the next one.
    void begin(int first, int size, const F8* samples) {
        size_ = size, own_ = samples, found_count_ = -1, hints_ = 0;
        predictor_.begin(first, size);
    }

    // One that blocks inside or around it have.
    void hint(int prediction) { hints_ |= uint64_t{1} << prediction; }

    bool may_be_predicted() const { return predictor_.may_be_predicted(); }

    // The bits of a prediction, as long as nothing is known of the neighbours.
    int guessed_bits(int prediction) const { return may_be_predicted() ? guessed_prediction_bits(prediction) : 0; }

    // The predictions that leave the least of the block: f(prediction).
    template <class F>
    void each_found(const F& f) {
        if (found_count_ < 0) find();
        for (int i = 0; i < found_count_; ++i) f(found_[i].prediction);
    }

    // Leaves of a candidate, whose rough cost is known, what the best of these leaves of it, if that costs less.
    template <class C>
    void improve(C& candidate, float inverse, int32_t rounding) {
        if (candidate.cost.bits == kBlockBits + candidate.side_bits) return;   // nothing is left to save
        const int vectors = size_ * size_ / 8;
        each_found([&](int prediction) {
            spectrum(prediction, candidate.mode);
            for (int v = 0; v < vectors; ++v) trial_[v] = candidate.coefficients[v] - spectrum_[v];
            const Cost cost = rough_cost(trial_, inverse, rounding, 8 * vectors, guessed_bits(prediction));
            if (weigh(cost) >= weigh(candidate.cost)) return;
            candidate.prediction = prediction, candidate.cost = cost, candidate.side_bits = guessed_bits(prediction);
            for (int v = 0; v < vectors; ++v) rest_[v] = trial_[v];
        });
        if (candidate.prediction == kPredictNone) return;
        for (int v = 0; v < vectors; ++v) candidate.coefficients[v] = rest_[v];
    }

    bool fits(int prediction) const { return predictor_.fits(prediction); }

    // What a prediction leaves of a candidate, as another one.
    template <class C>
    void take_rest(int prediction, const C& candidate, C& rest) {
        rest.mode = candidate.mode, rest.prediction = prediction;
        spectrum(prediction, candidate.mode);
        for (int v = 0; v < size_ * size_ / 8; ++v) rest.coefficients[v] = candidate.coefficients[v] - spectrum_[v];
    }

    // The transform of a prediction in a mode.
    const F8* spectrum(int prediction, int mode) {
        predictor_.predict(prediction, trial_);
        transform_.run(mode, trial_, spectrum_);
        return spectrum_;
    }

private:
    static constexpr int kFound = 2;

    struct Found {
        int prediction;
        int64_t difference;
    };

    // Those that leave the least. Of angles those that were hinted at are tried, or without any hint each fourth one; then those around the best.
    void find() {
        found_count_ = 0;
        consider(kPredictSlice);
        if (!predictor_.fits(kPredictPlanar)) return;
        consider(kPredictPlanar);
        constexpr uint64_t coarse = 0x444444440, angles = (uint64_t{1} << (kLastAngle + 1)) - (uint64_t{1} << kFirstAngle);
        const uint64_t tried = hints_ != 0 ? hints_ & angles : coarse;
        int best = kPredictNone;
        int64_t least = INT64_MAX;
        const auto closer = [&](int angle) {
            if (angle < kFirstAngle || angle > kLastAngle) return;
            const int64_t found = consider(angle);
            if (found < least) least = found, best = angle;
        };
        for (int angle = kFirstAngle; angle <= kLastAngle; ++angle)
            if ((tried >> angle & 1) != 0) closer(angle);
        for (int step = hints_ != 0 ? 1 : 2; step > 0 && best != kPredictNone; step /= 2) {
            const int middle = best;
            closer(middle - step);
            closer(middle + step);
        }
    }

    int64_t consider(int prediction) {
        if (!predictor_.fits(prediction)) return 0;
        predictor_.predict(prediction, trial_);
        const Found now{prediction, difference()};
        int at = found_count_ < kFound ? found_count_++ : kFound;
        for (; at > 0 && found_[at - 1].difference > now.difference; --at)
            if (at < kFound) found_[at] = found_[at - 1];
        if (at < kFound) found_[at] = now;
        return now.difference;
    }

    // Sum of the differences between the block and the trial, each cell's mean apart; integers below 2^22.
    int64_t difference() const {
        const int groups = size_ / 8;
        int64_t sum = 0;
        for (int cell = 0; cell < groups * groups; ++cell) {
            const int from = 8 * (cell / groups) * groups + cell % groups;
            I8 rows[8], total{};
            for (int y = 0; y < 8; ++y) rows[y] = truncate(own_[from + y * groups] - trial_[from + y * groups]), total += rows[y];
            int32_t mean = 0;
            for (int lane = 0; lane < 8; ++lane) mean += total[lane];
            mean >>= 6;
            I8 left{};
            for (int y = 0; y < 8; ++y) left += rows[y] < mean ? mean - rows[y] : rows[y] - mean;
            for (int lane = 0; lane < 8; ++lane) sum += left[lane];
        }
        return sum;
    }

    BlockPredictor predictor_;
    SpectrumTransform transform_;
    const F8* own_ = nullptr;
    int size_ = 8, found_count_ = -1;
    uint64_t hints_ = 0;
    Found found_[kFound];
    alignas(64) F8 trial_[4096 / 8], spectrum_[4096 / 8], rest_[4096 / 8];
};

}  // namespace MMIP_NS
