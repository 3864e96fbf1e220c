// See fit_sets.h.
#include "passes/predictive/fit_sets.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>

#include "passes/parallel.h"
#include "passes/predictive/fit_kernels.h"

namespace mmip {
namespace {

constexpr int kReweightings = 3;             // of least squares, towards least absolute errors
constexpr size_t kFewestSamples = 64;
constexpr double kLeastError = 0.5, kRidge = 1e-6;

// Samples as differences to W, and the weighted normal equations of n unknowns that they make.
template <int n_>
class LeastSquares {
public:
    explicit LeastSquares(size_t count) : rows_(count * kFitRow, 0.0), targets_(count), count_(static_cast<int64_t>(count)) {}

    void set(size_t i, const int32_t* neighbours, int32_t target) {
        for (int k = 0; k < n_; ++k) rows_[i * kFitRow + k] = neighbours[k + 1] - neighbours[0];
        targets_[i] = target - neighbours[0];
    }

    // By Cholesky's factors, with a little added to the diagonal.
    std::array<double, n_> solve(const std::vector<double>& weights) {
        double a[kFitRow * kFitRow], right[kFitRow];
        fit_kernels().add_squares({rows_.data(), targets_.data(), weights.data(), count_, n_, a, right});
        double total = 0;
        for (const double weight : weights) total += weight;
        for (int i = 0; i < n_; ++i) a[i * kFitRow + i] += kRidge * total + 1e-3;
        for (int i = 0; i < n_; ++i)
            for (int j = 0; j <= i; ++j) {
                double sum = a[i * kFitRow + j];
                for (int k = 0; k < j; ++k) sum -= a[i * kFitRow + k] * a[j * kFitRow + k];
                if (i == j && !(sum > 1e-9)) return {};
                a[i * kFitRow + j] = i == j ? std::sqrt(sum) : sum / a[j * kFitRow + j];
            }
        std::array<double, n_> x;
        std::copy_n(right, n_, x.begin());
        for (int i = 0; i < n_; ++i) {
            for (int k = 0; k < i; ++k) x[i] -= a[i * kFitRow + k] * x[k];
            x[i] /= a[i * kFitRow + i];
        }
        for (int i = n_ - 1; i >= 0; --i) {
            for (int k = i + 1; k < n_; ++k) x[i] -= a[k * kFitRow + i] * x[k];
            x[i] /= a[i * kFitRow + i];
        }
        return x;
    }

    double error(size_t i, const std::array<double, n_>& x) const {
        double e = targets_[i];
        for (int k = 0; k < n_; ++k) e -= x[k] * rows_[i * kFitRow + k];
        return std::fabs(e);
    }

private:
    std::vector<double> rows_, targets_;
    int64_t count_;
};

struct Sample {
    const int32_t* neighbours;
    int32_t target;
    bool has_previous;
};

// The number of numbers >= 0 that half of them are below: the middle one, among those with its exponent and first four bits.
double median(const std::vector<double>& numbers) {
    constexpr int64_t kSteps = 1024, kFirst = (1023 - 32) << 4;   // 2^-32 to 2^32
    std::array<uint32_t, kSteps> counts{};
    const auto step_of = [](double v) {
        int64_t bits;
        std::memcpy(&bits, &v, sizeof bits);
        return static_cast<size_t>(std::clamp<int64_t>((bits >> 48) - kFirst, 0, kSteps - 1));
    };
    for (const double v : numbers) ++counts[step_of(v)];
    size_t rank = numbers.size() / 2, step = 0;
    while (rank >= counts[step]) rank -= counts[step++];
    std::vector<double> near;
    for (const double v : numbers)
        if (step_of(v) == step) near.push_back(v);
    std::nth_element(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(rank), near.end());
    return near[rank];
}

// Weights in 1/256 of `count` neighbours, W first, out of the samples.
template <size_t count>
std::array<int16_t, count> fit_weights(const std::vector<Sample>& samples) {
    std::array<int16_t, count> weights{};
    weights[0] = kWeightOne;
    if (samples.size() < kFewestSamples) return weights;
    std::vector<double> sample_weights(samples.size(), 1.0), errors(samples.size());
    std::array<double, count - 1> x{};
    LeastSquares<static_cast<int>(count) - 1> squares(samples.size());
    for (size_t i = 0; i < samples.size(); ++i) squares.set(i, samples[i].neighbours, samples[i].target);
    for (int round = 0; round < kReweightings; ++round) {
        x = squares.solve(sample_weights);
        for (size_t i = 0; i < samples.size(); ++i) errors[i] = squares.error(i, x);
        const double floor = std::max(kLeastError, 0.5 * median(errors));
        for (size_t i = 0; i < samples.size(); ++i) sample_weights[i] = 1.0 / std::max(errors[i], floor);
    }
    constexpr int limit = (1 << (kWeightBits - 1)) - 1;
    int rest = kWeightOne;
    for (size_t k = 1; k < count; ++k) {
        weights[k] = static_cast<int16_t>(std::clamp(static_cast<int>(std::floor(x[k - 1] * kWeightOne + 0.5)), -limit, limit));
        rest -= weights[k];
    }
    weights[0] = static_cast<int16_t>(rest);
    return weights;
}

int64_t sample_cost(const PredictorSet& set, const Sample& s) {
    const bool deep = set.with_previous && s.has_previous;
    const int16_t* w = deep ? set.later.data() : set.first.data();
    int64_t sum = 128;
    for (int i = 0; i < (deep ? kNeighbours3d : kNeighbours2d); ++i) sum += static_cast<int64_t>(w[i]) * s.neighbours[i];
    const int32_t* n = s.neighbours;
    int32_t low = std::min(n[0], n[1]), high = std::max(n[0], n[1]);
    if (set.bound_ne) low = std::min(low, n[3]), high = std::max(high, n[3]);
    if (deep) low = std::min(low, n[kNeighbours2d]), high = std::max(high, n[kNeighbours2d]);
    const int32_t p = static_cast<int32_t>(std::clamp<int64_t>(sum >> 8, low, high));
    return logarithm(std::abs(s.target - p) + 1);
}

int64_t cost_of(const PredictorSet& set, const std::vector<Sample>& samples) {
    int64_t total = 0;
    for (const Sample& s : samples) total += sample_cost(set, s);
    return total;
}

PredictorSet fit_set(const std::vector<Sample>& samples, bool is_deep) {
    PredictorSet set;
    set.first = fit_weights<kNeighbours2d>(samples);
    std::copy(set.first.begin(), set.first.end(), set.later.begin());
    if (!is_deep) return set;
    std::vector<Sample> later;
    for (const Sample& s : samples)
        if (s.has_previous) later.push_back(s);
    PredictorSet deep = set;
    deep.with_previous = true;
    deep.later = fit_weights<kNeighbours3d>(later);
    return cost_of(deep, later) < cost_of(set, later) ? deep : set;
}

std::vector<Sample> samples_of(const BrickSamples& b) {
    std::vector<Sample> found;
    found.reserve(b.count());
    for (size_t i = 0; i < b.count(); ++i) found.push_back({b.neighbours.data() + i * kNeighbours3d, b.targets[i], b.has_previous[i] != 0});
    return found;
}

// Bricks by how much neighbouring samples differ in them, the same number in every group.
std::vector<int> groups_by_activity(const std::vector<std::vector<Sample>>& bricks, int groups) {
    std::vector<double> activity(bricks.size());
    for (size_t b = 0; b < bricks.size(); ++b) {
        double sum = 0;
        for (const Sample& s : bricks[b]) sum += std::abs(s.neighbours[0] - s.neighbours[1]);
        activity[b] = sum / static_cast<double>(std::max<size_t>(bricks[b].size(), 1));
    }
    std::vector<size_t> order(bricks.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return activity[a] < activity[b]; });
    std::vector<int> group(bricks.size());
    for (size_t i = 0; i < order.size(); ++i) group[order[i]] = static_cast<int>(i * groups / order.size());
    return group;
}

}  // namespace

PredictorSet median_set() {
    PredictorSet set;
    set.first = {kWeightOne, kWeightOne, -kWeightOne};
    std::copy(set.first.begin(), set.first.end(), set.later.begin());
    set.bound_ne = false;
    return set;
}

std::vector<PredictorSet> fit_sets(const std::vector<BrickSamples>& given, bool is_deep, int most, int rounds, int threads) {
    std::vector<std::vector<Sample>> bricks;
    for (const BrickSamples& b : given) bricks.push_back(samples_of(b));
    std::vector<int> group = groups_by_activity(bricks, most);
    std::vector<PredictorSet> sets;
    for (int round = 0; round < rounds; ++round) {
        std::vector<std::optional<PredictorSet>> of_group(static_cast<size_t>(most));
        parallel_for(most, threads, [&](int64_t g, int) {
            std::vector<Sample> own;
            for (size_t b = 0; b < bricks.size(); ++b)
                if (group[b] == g) own.insert(own.end(), bricks[b].begin(), bricks[b].end());
            if (own.size() >= kFewestSamples) of_group[g] = fit_set(own, is_deep);
        });
        sets.clear();
        for (const auto& set : of_group)
            if (set) sets.push_back(*set);
        if (sets.empty() || round + 1 == rounds) break;
        parallel_for(static_cast<int64_t>(bricks.size()), threads, [&](int64_t b, int) {
            int64_t least = INT64_MAX;
            for (size_t s = 0; s < sets.size(); ++s) {
                const int64_t cost = cost_of(sets[s], bricks[b]);
                if (cost < least) least = cost, group[b] = static_cast<int>(s);
            }
        });
    }
    if (sets.empty()) sets.push_back(median_set());
    return sets;
}

}  // namespace mmip
