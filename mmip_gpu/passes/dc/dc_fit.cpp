// See dc_fit.h.
#include "passes/dc/dc_fit.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace mmip {
namespace {

constexpr int kMost = 6;              // unknown weights: all but that of W, which makes the sum 64
constexpr int kRounds = 3;
constexpr double kRidge = 1.0;       // keeps neighbours that tell nothing (all alike) at weight 0
constexpr int64_t kMostCells = 16384; // more are sampled, tile by tile
constexpr int kDescriptionBits = 8 * kDcWeights;

// A cell with all its neighbours: values relative to W, in steps.
struct Sample {
    double target;
    std::array<double, kMost> neighbours;
};

class Sampler {
public:
    Sampler(const Coefficients& c, const std::vector<std::vector<uint32_t>>& steps) : c_(c), steps_(steps) {}

    // Samples of first slices (later = 0) or of later ones.
    std::vector<Sample> collect(bool later) const {
        const int64_t stride = std::max<int64_t>(1, c_.cells / kMostCells);
        std::vector<Sample> samples;
        samples.reserve(static_cast<size_t>(c_.cells / stride));
        for (size_t t = 0; t < c_.tiles.size(); t += static_cast<size_t>(stride)) collect_tile(c_.tiles[t], later, samples);
        return samples;
    }

private:
    // Which cells of the tile are masked everywhere.
    std::vector<uint8_t> masked_cells(const Tile& tile) const {
        std::vector<uint8_t> masked(tile.order->cells(), 0);
        const int depth = c_.geometry.depth;
        for (size_t i = 0; c_.mask && i < masked.size(); ++i) {
            const uint64_t* mask = c_.mask.get() + (tile.base + static_cast<int64_t>(i)) * depth;
            masked[i] = std::all_of(mask, mask + depth, [](uint64_t bits) { return bits == ~uint64_t{0}; });
        }
        return masked;
    }

    // The DC of another cell in steps of the class of this one.
    double in_steps_of(int64_t cell, int64_t other, size_t component) const {
        const double dc = c_.dc[other];
        if (steps_.size() == 1) return dc;
        return dc * steps_[c_.classes[other]][component] / steps_[c_.classes[cell]][component];
    }

    void collect_tile(const Tile& tile, bool later, std::vector<Sample>& samples) const {
        const TileOrder& order = *tile.order;
        const int row = order.ax, slice = order.ax * order.ay;
        const int offsets[8] = {0, -1, -row, -row - 1, -row + 1, -slice, -slice - 1, -slice - row};
        const int used = later ? 8 : 5;
        const size_t component = static_cast<size_t>(tile.plane) % steps_[0].size();
        const std::vector<uint8_t> masked = masked_cells(tile);
        for (int z = later ? 1 : 0; z < (later ? order.az : 1); ++z)
            for (int y = 1; y < order.ay; ++y)
                for (int x = 1; x + 1 < order.ax; ++x) {
                    const int cell = z * slice + y * row + x;
                    double v[8];
                    bool whole = true, flat = true;
                    for (int i = 0; i < used && whole; ++i) {
                        const int at = cell + offsets[i];
                        whole = masked[at] == 0;
                        v[i] = in_steps_of(tile.base + cell, tile.base + at, component);
                        flat = flat && v[i] == v[0];
                    }
                    if (!whole || flat) continue;   // a flat one adds nothing to any sum
                    Sample s{v[0] - v[1], {}};
                    for (int i = 2; i < used; ++i) s.neighbours[i - 2] = v[i] - v[1];
                    samples.push_back(s);
                }
    }

    const Coefficients& c_;
    const std::vector<std::vector<uint32_t>>& steps_;
};

template <int n>
double error_of(const Sample& s, const double* weights) {
    double prediction = 0;
    for (int i = 0; i < n; ++i) prediction += weights[i] * s.neighbours[i];
    return s.target - prediction;
}

// Solves the n normal equations in place; rows of n + 1. False where they have no one answer.
bool solve(double a[kMost][kMost + 1], int n) {
    for (int i = 0; i < n; ++i) {
        int pivot = i;
        for (int r = i + 1; r < n; ++r)
            if (std::fabs(a[r][i]) > std::fabs(a[pivot][i])) pivot = r;
        if (!(std::fabs(a[pivot][i]) > 1e-6)) return false;
        for (int k = 0; k <= n; ++k) std::swap(a[i][k], a[pivot][k]);
        for (int r = 0; r < n; ++r) {
            if (r == i) continue;
            const double factor = a[r][i] / a[i][i];
            for (int k = i; k <= n; ++k) a[r][k] -= factor * a[i][k];
        }
    }
    for (int i = 0; i < n; ++i) a[i][n] /= a[i][i];
    return true;
}

// Bits of the residuals' sizes and low bits, roughly.
template <int n>
int64_t residual_bits(const std::vector<Sample>& samples, const double* weights) {
    int64_t bits = 0;
    for (const Sample& s : samples) bits += 2 * bit_length(static_cast<uint32_t>(std::min(std::fabs(error_of<n>(s, weights)) + 0.5, 1e9)));
    return bits;
}

// Least absolute errors by reweighted least squares; `weights` (of N, NW, .. in 1/64, W first) becomes better or stays.
template <int count>
int64_t fit(const std::vector<Sample>& samples, int8_t* weights) {
    constexpr int n = count - 1;
    double known[kMost], found[kMost];
    for (int i = 0; i < n; ++i) known[i] = found[i] = weights[i + 1] / 64.0;
    for (int round = 0; round < kRounds; ++round) {
        double a[kMost][kMost + 1] = {};
        for (int i = 0; i < n; ++i) a[i][i] = kRidge;
        for (const Sample& s : samples) {
            const double w = 1.0 / (std::fabs(error_of<n>(s, found)) + 1.0);
            for (int i = 0; i < n; ++i) {
                const double wi = w * s.neighbours[i];
                for (int k = i; k < n; ++k) a[i][k] += wi * s.neighbours[k];
                a[i][n] += wi * s.target;
            }
        }
        for (int i = 1; i < n; ++i)
            for (int k = 0; k < i; ++k) a[i][k] = a[k][i];
        if (!solve(a, n)) return 0;
        for (int i = 0; i < n; ++i) found[i] = a[i][n];
    }
    int8_t rounded[kMost + 1];
    int rest = 64;
    for (int i = 0; i < n; ++i) {
        const double scaled = std::floor(found[i] * 64.0 + 0.5);
        if (!(std::fabs(scaled) <= 127)) return 0;
        rounded[i + 1] = static_cast<int8_t>(scaled);
        rest -= rounded[i + 1];
        found[i] = rounded[i + 1] / 64.0;
    }
    if (rest < -128 || rest > 127) return 0;
    rounded[0] = static_cast<int8_t>(rest);
    const int64_t saved = residual_bits<n>(samples, known) - residual_bits<n>(samples, found);
    if (saved > 0) std::copy_n(rounded, count, weights);
    return std::max<int64_t>(saved, 0);
}

}  // namespace

DcWeights fit_dc_weights(const Coefficients& c, const std::vector<std::vector<uint32_t>>& steps) {
    const Sampler sampler(c, steps);
    DcWeights weights = builtin_dc_weights();
    int64_t saved = fit<kDcFirstWeights>(sampler.collect(false), weights.of);
    saved += fit<kDcLaterWeights>(sampler.collect(true), weights.of + kDcFirstWeights);
    return saved > kDescriptionBits ? weights : builtin_dc_weights();
}

bool operator==(const DcWeights& a, const DcWeights& b) { return std::equal(a.of, a.of + kDcWeights, b.of); }

void put_weights(const DcWeights& weights, BitString& head) {
    const bool own = !(weights == builtin_dc_weights());
    head.put(own ? 1 : 0, 1);
    for (int i = 0; own && i < kDcWeights; ++i) head.put(static_cast<uint8_t>(weights.of[i]), 8);
}

}  // namespace mmip
