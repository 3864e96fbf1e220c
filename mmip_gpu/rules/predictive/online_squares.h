// Least squares that follow the samples: sums_ of products that fade, and the weights_ that solve them.
// Values: binary32 features and sums, solved in binary64; only + - * / in the order of FORMAT.md section 8.9. Host.
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

constexpr int kSquaresPeriod = 64;                        // samples between two solutions
constexpr float kSquaresFade = 0.875f;                    // of the sums, after each solution
constexpr double kSquaresRidge = 0.015625, kLeastPivot = 9.5367431640625e-07, kMostWeight = 1024;

// Features come in groups of four: zeros stand in the place of the target and after it.
typedef float SquaresLanes __attribute__((vector_size(16)));
typedef int32_t SquaresIntegers __attribute__((vector_size(16)));
typedef double SquaresDoubles __attribute__((vector_size(16)));

// Samples are kept until their sums are needed; every sum adds them in their order.
template <int features>
class OnlineSquares {
public:
    static constexpr int kGroups = features / 4 + 1, kDoubles = features / 2 + 1;
    static_assert(features % 2 == 0);

    void reset() {
        for (auto& row : sums_)
            for (SquaresLanes& s : row) s = SquaresLanes{};
        for (auto& row : kept_)
            for (SquaresLanes& x : row) x = SquaresLanes{};
        for (SquaresLanes& w : weights_) w = SquaresLanes{};
        seen_ = 0;
    }

    MMIP_RULE float predict(const SquaresLanes* x) const {
        SquaresLanes s{};
        for (int i = 0; i < kGroups; ++i) s += weights_[i] * x[i];
        return (s[0] + s[1]) + (s[2] + s[3]);
    }

    MMIP_RULE void add(const SquaresLanes* x, float target, float importance) {
        for (int i = 0; i < kGroups; ++i) kept_[seen_][i] = x[i];
        kept_[seen_][features / 4][features % 4] = target;
        importances_[seen_] = importance;
        if (++seen_ < kSquaresPeriod) return;
        seen_ = 0;
        renew();
    }

private:
    __attribute__((noinline)) void renew() {
        add_kept<0>();
        solve();
    }

    // Rows from `row` on, two at a time.
    template <int row>
    MMIP_RULE void add_kept() {
        if constexpr (row <= features) {
            constexpr int kRows = row < features ? 2 : 1, kEnd = (row + kRows - 1) / 4 + 1;
            SquaresLanes sum[kRows][kEnd];
            for (int r = 0; r < kRows; ++r) __builtin_memcpy(sum[r], sums_[row + r], sizeof sum[r]);
            for (int t = 0; t < kSquaresPeriod; ++t)
                for (int r = 0; r < kRows; ++r) {
                    const float scaled = importances_[t] * kept_[t][(row + r) / 4][(row + r) % 4];
                    for (int j = 0; j < kEnd; ++j) sum[r][j] += scaled * kept_[t][j];
                }
            for (int r = 0; r < kRows; ++r) __builtin_memcpy(sums_[row + r], sum[r], sizeof sum[r]);
            add_kept<row + kRows>();
        }
    }

    // Elimination of the symmetric sums; the weights stay where it fails.
    void solve() {
        union Row {
            SquaresDoubles group[kDoubles];
            double at[2 * kDoubles];
        } m[features + 1], column{};
        double factors[features][features + 1], found[features];
        for (int i = 0; i <= features; ++i) {
            for (int j = 0; j < 2 * kDoubles; ++j) m[i].at[j] = static_cast<double>(sums_[i][j / 4][j % 4]);
            if (i < features) m[i].at[i] += kSquaresRidge;
        }
        for (auto& row : sums_)
            for (SquaresLanes& s : row) s *= kSquaresFade;
        for (int k = 0; k < features; ++k) {
            if (!(m[k].at[k] >= kLeastPivot)) return;
            const double inverse = 1.0 / m[k].at[k];
            for (int i = k + 1; i <= features; ++i) column.at[i] = m[i].at[k];
            for (int i = k + 1; i <= features; ++i) {
                const double factor = factors[k][i] = column.at[i] * inverse;
                for (int j = (k + 1) / 2; j <= i / 2; ++j) m[i].group[j] -= factor * column.group[j];
            }
        }
        for (int i = features - 1; i >= 0; --i) {
            found[i] = factors[i][features];
            for (int k = i + 1; k < features; ++k) found[i] -= factors[i][k] * found[k];
            if (!(found[i] < kMostWeight && found[i] > -kMostWeight)) return;
        }
        for (int i = 0; i < features; ++i) weights_[i / 4][i % 4] = static_cast<float>(found[i]);
    }

    alignas(64) SquaresLanes sums_[features + 1][kGroups];  // row `features`: products with the target
    SquaresLanes kept_[kSquaresPeriod][kGroups];
    float importances_[kSquaresPeriod];
    SquaresLanes weights_[kGroups];
    int seen_;
};

}  // namespace MMIP_NS
