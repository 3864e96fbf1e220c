// See jpeg_repair.h.
#include "passes/jpegorigin/jpeg_repair.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "passes/jpegorigin/jpeg_dct.h"
#include "rules/jpegorigin/jpeg_form.h"

namespace mmip {
namespace {

constexpr int kTried = 6, kTabu = 6;                         // moves that are looked at in a step; steps for which a move is not undone
constexpr float kActive = 0.3f;                              // share of a basis function's energy where bounds are broken, about

using Block = std::array<float, 64>;

struct Basis {
    float of[64][64];
    Basis() {
        for (int k = 0; k < 64; ++k)
            for (int i = 0; i < 64; ++i) of[k][i] = kJpegDct[k >> 3][i >> 3] * kJpegDct[k & 7][i & 7];
    }
};

// By how much each sample breaks its bounds, and the sum of squares of that.
float broken(const JpegBounds& bounds, const Block& samples, Block& by) {
    float sum = 0;
    for (int i = 0; i < 64; ++i) {
        by[i] = std::max(bounds.low[i] - samples[i], 0.f) - std::max(samples[i] - bounds.high[i], 0.f);
        sum += by[i] * by[i];
    }
    return sum;
}

float broken_after(const JpegBounds& bounds, const Block& samples, const float* basis, float move) {
    float sum = 0;
    for (int i = 0; i < 64; ++i) {
        const float x = samples[i] + move * basis[i], d = std::max(bounds.low[i] - x, 0.f) + std::max(x - bounds.high[i], 0.f);
        sum += d * d;
    }
    return sum;
}

struct Move {
    int coefficient = -1, sign = 0;
    float after = 1e30f;
};

// The best of the moves that promise most.
Move best_move(const JpegBounds& bounds, const Block& samples, const Block& by, const uint8_t* steps, const Basis& basis, const std::array<int, 64>& tabu, int step) {
    float slopes[64];
    jpeg_forward(by.data(), slopes);
    std::array<std::pair<float, int>, 64> promising;
    for (int k = 0; k < 64; ++k) {
        const float q = steps[k];
        promising[k] = {tabu[k] > step ? -1e30f : 2.f * q * std::fabs(slopes[k]) - kActive * q * q, k};
    }
    std::partial_sort(promising.begin(), promising.begin() + kTried, promising.end(),
                      [](const auto& a, const auto& b) { return a.first > b.first || (a.first == b.first && a.second < b.second); });
    Move best;
    for (int t = 0; t < kTried && promising[t].first > -1e29f; ++t) {
        const int k = promising[t].second, sign = slopes[k] < 0 ? -1 : 1;
        const float after = broken_after(bounds, samples, basis.of[k], static_cast<float>(sign * steps[k]));
        if (after < best.after) best = {k, sign, after};
    }
    return best;
}

}  // namespace

bool repair_jpeg_block(const JpegBounds& bounds, const uint8_t* steps, int moves, int16_t* block) {
    static const Basis basis;
    Block samples{}, by;
    for (int k = 0; k < 64; ++k)
        for (int i = 0; i < 64 && block[k] != 0; ++i) samples[i] += static_cast<float>(block[k] * steps[k]) * basis.of[k][i];
    std::array<int16_t, 64> best;
    std::copy_n(block, 64, best.begin());
    float least = broken(bounds, samples, by);
    std::array<int, 64> tabu{};
    for (int step = 0; step < moves && least > 0.f; ++step) {
        const Move move = best_move(bounds, samples, by, steps, basis, tabu, step);
        if (move.coefficient < 0) break;
        const int k = move.coefficient;
        block[k] = static_cast<int16_t>(std::clamp(block[k] + move.sign, -kJpegMaxCoefficient, kJpegMaxCoefficient));
        for (int i = 0; i < 64; ++i) samples[i] += static_cast<float>(move.sign * steps[k]) * basis.of[k][i];
        tabu[k] = step + kTabu;
        if (const float now = broken(bounds, samples, by); now < least) least = now, std::copy_n(block, 64, best.begin());
    }
    std::copy_n(best.begin(), 64, block);
    return least == 0.f;
}

}  // namespace mmip
