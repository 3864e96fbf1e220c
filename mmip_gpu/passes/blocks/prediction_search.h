// Which prediction of a block costs an encoder least, and what is left of the block's coefficients after it.
// Values: samples of the block [y][x], its coefficients in the transposed layout, and restored integers of its tile in; a prediction and
// coefficients out. Home: host, per instruction set. One item of work = one block. Encoder's own, not part of the format.
#pragma once

#include "rules/prediction/tried_predictions.h"
#include "passes/blocks/block_predictor.h"
#include "passes/blocks/candidate.h"

namespace MMIP_NS {

class PredictionSearch {
public:
    alignas(64) F8 part[4096 / 8];           // room for the samples of a block

    void use(const mmip::TileView& tile, const int32_t* restored) { predictor_.use(tile, restored); }

    // A block, whose own DCs count as known; `samples` stay until the next one.
    void begin(int first, int size, const F8* samples) {
        size_ = size, own_ = samples, hints_ = 0, is_searched_ = false;
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
        if (!is_searched_) find();
        for (int i = 0; i < found_.count; ++i) f(found_.prediction[i]);
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
    void find() {
        is_searched_ = true;
        found_.begin();
        consider(kPredictSlice);
        if (!predictor_.fits(kPredictPlanar)) return;
        consider(kPredictPlanar);
        const uint64_t tried = first_angles(hints_);
        for (int angle = kFirstAngle; angle <= kLastAngle; ++angle)
            if ((tried >> angle & 1) != 0) consider(angle);
        for (int step = first_angle_step(hints_); step > 0 && found_.best != kPredictNone; step /= 2) {
            const int middle = found_.best;
            if (is_angle(middle - step)) consider(middle - step);
            if (is_angle(middle + step)) consider(middle + step);
        }
    }

    void consider(int prediction) {
        if (!predictor_.fits(prediction)) return;
        predictor_.predict(prediction, trial_);
        found_.take(prediction, difference());
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
            mean = cell_mean(mean);
            I8 left{};
            for (int y = 0; y < 8; ++y) left += from_mean(rows[y], mean);
            for (int lane = 0; lane < 8; ++lane) sum += left[lane];
        }
        return sum;
    }

    BlockPredictor predictor_;
    SpectrumTransform transform_;
    const F8* own_ = nullptr;
    int size_ = 8;
    bool is_searched_ = false;
    uint64_t hints_ = 0;
    FoundPredictions found_;
    alignas(64) F8 trial_[4096 / 8], spectrum_[4096 / 8], rest_[4096 / 8];
};

}  // namespace MMIP_NS
