// Least squares that follow the samples: sums of products that fade, and the weights that solve them.
// Values: binary32 features and sums, solved in binary64; only + - * / in the order of FORMAT.md section 8.9. Host.
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

constexpr int kSquaresPeriod = 64;                        // samples between two solutions
constexpr float kSquaresFade = 0.875f;                    // of the sums, after each solution
constexpr double kSquaresRidge = 0.015625, kLeastPivot = 9.5367431640625e-07, kMostWeight = 1024;

// Rows of sums are whole groups of four: x has room for them, with zeros after the target.
template <int features>
struct OnlineSquares {
    static constexpr int kRoom = (features + 4) / 4 * 4;

    alignas(16) float sums[features + 1][kRoom];          // row `features`: products with the target
    alignas(16) float weights[kRoom];
    int seen;

    void reset() {
        for (auto& row : sums)
            for (float& s : row) s = 0;
        for (float& w : weights) w = 0;
        seen = 0;
    }

    MMIP_RULE float predict(const float* x) const {
        float s[4] = {0, 0, 0, 0};
        for (int i = 0; i < kRoom; i += 4)
            for (int k = 0; k < 4; ++k) s[k] += weights[i + k] * x[i + k];
        return (s[0] + s[1]) + (s[2] + s[3]);
    }

    // x[features] is the target.
    MMIP_RULE void add(const float* x, float importance) {
        MMIP_UNROLL
        for (int i = 0; i <= features; ++i) {
            const float scaled = importance * x[i];
            for (int j = 0; j <= i; j += 4)
                for (int k = 0; k < 4; ++k) sums[i][j + k] += scaled * x[j + k];
        }
        if (++seen % kSquaresPeriod == 0) solve();
    }

    // Elimination of the symmetric sums; the weights stay where it fails.
    __attribute__((noinline)) void solve() {
        double m[features + 1][features], inverse[features], column[features + 1], found[features];
        for (int i = 0; i <= features; ++i)
            for (int j = 0; j < features && j <= i; ++j) m[i][j] = static_cast<double>(sums[i][j]) + (i == j ? kSquaresRidge : 0.0);
        for (auto& row : sums)
            for (float& s : row) s *= kSquaresFade;
        for (int k = 0; k < features; ++k) {
            if (!(m[k][k] >= kLeastPivot)) return;
            inverse[k] = 1.0 / m[k][k];
            for (int i = k + 1; i <= features; ++i) column[i] = m[i][k];
            for (int i = k + 1; i <= features; ++i) {
                const double factor = m[i][k] = column[i] * inverse[k];
                const int end = i < features ? i : features - 1;
                for (int j = k + 1; j <= end; ++j) m[i][j] -= factor * column[j];
            }
        }
        for (int i = features - 1; i >= 0; --i) {
            found[i] = m[features][i];
            for (int k = i + 1; k < features; ++k) found[i] -= m[k][i] * found[k];
            if (!(found[i] < kMostWeight && found[i] > -kMostWeight)) return;
        }
        for (int i = 0; i < features; ++i) weights[i] = static_cast<float>(found[i]);
    }
};

}  // namespace MMIP_NS
