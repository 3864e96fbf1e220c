// Values for samples under the padding mask: what a pull-push pyramid of cell means gives a cell, and what projections keep.
// Values: floats; a level is a slice of the grid of cells with how sure its values are, 0..1. Host and device.
// Encoder only: no part of FORMAT.md. Each result depends on levels that are finished, so cells may go in any order.
#pragma once

#include "rules/blocks/transform.h"

namespace MMIP_NS {

constexpr int kFillRounds = 6;
constexpr float kFillFirst = 1.5f, kFillLast = 0.6f;   // of a step; smaller coefficients are dropped (research, section 3)
// Stands for the step of a reversible class, in samples of 8 and of 16 bits (128 of 4 .. 512 gave the fewest bits on CT).
constexpr float kReversibleStep8 = 8.0f, kReversibleStep16 = 128.0f;

MMIP_RULE float reversible_fill_step(int sample_bytes) { return sample_bytes == 1 ? kReversibleStep8 : kReversibleStep16; }

MMIP_RULE float fill_mean(int64_t sum, int64_t count) { return static_cast<float>(sum) / static_cast<float>(count); }

// Coefficients below it are dropped.
MMIP_RULE float fill_limit(float step, int round) {
    return step * (kFillFirst - (kFillFirst - kFillLast) * static_cast<float>(round) / (kFillRounds - 1));
}

template <class V>
MMIP_RULE V kept_above(V coefficient, float limit) {
    const V magnitude = coefficient < 0 ? -coefficient : coefficient;
    return magnitude < limit ? V{} : coefficient;
}

// A sample of type T out of what was found for it.
template <class T>
MMIP_RULE T filled_sample(float value) {
    constexpr int is_signed = static_cast<T>(-1) < 0 ? 1 : 0, bits = 8 * static_cast<int>(sizeof(T));
    constexpr float low = is_signed ? -static_cast<float>(1 << (bits - 1)) : 0.0f, high = static_cast<float>((1 << (bits - is_signed)) - 1);
    return static_cast<T>(round_even(value < low ? low : (high < value ? high : value)));
}

MMIP_RULE int64_t rounded_down(float v) {
    const int64_t i = static_cast<int64_t>(v);
    return static_cast<float>(i) > v ? i - 1 : i;
}

struct FillLevel {
    float* value;
    float* weight;
    int64_t ny, nx;

    MMIP_RULE int64_t at(int64_t y, int64_t x) const { return within(y, ny) * nx + within(x, nx); }
    static MMIP_RULE int64_t within(int64_t i, int64_t n) { return i < 0 ? 0 : (i < n ? i : n - 1); }
};

// Sets a cell of the next coarser level, of half the size rounded up.
MMIP_RULE void pull_cell(const FillLevel& fine, const FillLevel& coarse, int64_t y, int64_t x) {
    float sum = 0, weight = 0;
    for (int64_t j = 2 * y; j < 2 * y + 2 && j < fine.ny; ++j)
        for (int64_t i = 2 * x; i < 2 * x + 2 && i < fine.nx; ++i) {
            const int64_t at = j * fine.nx + i;
            sum = sum + fine.value[at] * fine.weight[at];
            weight = weight + fine.weight[at];
        }
    coarse.value[y * coarse.nx + x] = weight > 0 ? sum / weight : 0.0f;
    coarse.weight[y * coarse.nx + x] = weight < 1.0f ? weight : 1.0f;
}

// Value between the cells of a level, whose cell (y, x) stands at ((y + 0.5) size, (x + 0.5) size).
MMIP_RULE float between_cells(const FillLevel& level, float y, float x) {
    const int64_t iy = rounded_down(y), ix = rounded_down(x);
    const float fy = y - static_cast<float>(iy), fx = x - static_cast<float>(ix);
    const float a = level.value[level.at(iy, ix)], b = level.value[level.at(iy, ix + 1)];
    const float c = level.value[level.at(iy + 1, ix)], d = level.value[level.at(iy + 1, ix + 1)];
    const float top = a + (b - a) * fx, bottom = c + (d - c) * fx;
    return top + (bottom - top) * fy;
}

// Fills what a cell does not know from the coarser level, which is filled.
MMIP_RULE void push_cell(const FillLevel& fine, const FillLevel& coarse, int64_t y, int64_t x) {
    const int64_t at = y * fine.nx + x;
    const float weight = fine.weight[at];
    if (weight >= 1.0f) return;
    const float guess = between_cells(coarse, 0.5f * static_cast<float>(y) - 0.25f, 0.5f * static_cast<float>(x) - 0.25f);
    fine.value[at] = weight * fine.value[at] + (1.0f - weight) * guess;
}

}  // namespace MMIP_NS
