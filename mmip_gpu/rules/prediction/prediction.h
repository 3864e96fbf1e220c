// Prediction of a block from samples that stages 1 and 2 gave before it in the tile: numbering, symbols, neighbours, samples.
// Values: small integers; int32 samples within kPredictedLimit in, int32 samples out. Host and device. Implements FORMAT.md section
// 4.5 and the symbols of 8.2. Depth 1 only; places are in cells of the tile.
#pragma once

#include "rules/blocks/blocks.h"

namespace MMIP_NS {

constexpr int kPredictNone = 0, kPredictPlanar = 1, kPredictSlice = 35;
constexpr int kFirstAngle = 3, kLastAngle = 34;   // numbered as in HEVC; 10 is horizontal, 26 vertical
constexpr int kHorizontalAngle = 10, kVerticalAngle = 26, kFirstVertical = 18;
constexpr int kPredictions = 36;                  // 2 is reserved

constexpr int kSymbolNone = 0, kSymbolAsW = 1, kSymbolAsN = 2, kSymbolPlanar = 3, kSymbolSlice = 4, kSymbolAngle = 5;
constexpr int kAngleBits = 5;                     // raw bits after kSymbolAngle

constexpr int kLargestPredicted = 32;             // samples along a block that planar and angles may have
constexpr int kEdgeSamples = 4 * kLargestPredicted + 1;
constexpr int kPredictionUnit = 256;              // of column 0 of a stage array: mode + 256 x prediction
constexpr int32_t kPredictedLimit = 1 << 21;      // of |R2|

// Whether a block of so many cells at this place may have a prediction at all; only then is a symbol sent.
MMIP_RULE bool may_be_predicted(int cells, int z, int y, int x) { return z > 0 || (cells < 64 && (y > 0 || x > 0)); }

MMIP_RULE bool prediction_fits(int prediction, int cells, int z, int y, int x) {
    if (prediction == kPredictNone) return true;
    if (prediction == kPredictSlice) return z > 0;
    const bool known = prediction == kPredictPlanar || (prediction >= kFirstAngle && prediction <= kLastAngle);
    return known && cells < 64 && (y > 0 || x > 0);
}

// Class of the symbol; w, n: predictions of the cells left of and above the block's first one, none outside the tile.
MMIP_RULE int prediction_class(int cells, int w, int n) {
    const int size = cells == 64 ? 3 : (cells == 16 ? 2 : (cells > 1 ? 1 : 0));
    return 3 * size + (w != kPredictNone ? 1 : 0) + (n != kPredictNone ? 1 : 0);
}

// The lowest symbol that says it.
MMIP_RULE int prediction_symbol(int prediction, int w, int n) {
    if (prediction == kPredictNone) return kSymbolNone;
    if (prediction == w) return kSymbolAsW;
    if (prediction == n) return kSymbolAsN;
    return prediction == kPredictPlanar ? kSymbolPlanar : (prediction == kPredictSlice ? kSymbolSlice : kSymbolAngle);
}

// What a symbol says, -1 where it says nothing; `angle`: the raw bits after kSymbolAngle.
MMIP_RULE int predicted_by_symbol(int symbol, int angle, int w, int n) {
    if (symbol == kSymbolNone) return kPredictNone;
    if (symbol == kSymbolAsW) return w != kPredictNone ? w : -1;
    if (symbol == kSymbolAsN) return n != kPredictNone ? n : -1;
    if (symbol == kSymbolPlanar) return kPredictPlanar;
    return symbol == kSymbolSlice ? kPredictSlice : (symbol == kSymbolAngle ? kFirstAngle + angle : -1);
}

// How many samples of the row above a block of n x n at (y, x) there are, from its first column on: 0, or n to 2 n.
MMIP_RULE int samples_above(int y, int x, int n, int ax) {
    if (y == 0) return 0;
    const int m = n / kCellSize, right = x + m, width = superblock_width(1);
    if (right >= ax) return n;
    const bool in_superblock = y % width != 0;
    if (in_superblock && right % width == 0) return n;
    if (in_superblock && superblock_index({0, (y - 1) % width, right % width}, 1) > superblock_index({0, y % width, x % width}, 1)) return n;
    return kCellSize * (right + m <= ax ? 2 * m : ax - x);
}

// The neighbours of a block in one line of 4 n + 1: from the lowest at the left up to the corner, number 2 n, then along the row
// above. `block`: its first sample of R2, rows `stride` apart; `above`: samples_above. The block has y > 0 or x > 0.
struct BlockEdge {
    const int32_t* block;
    int stride, n, above;
    bool has_left;

    MMIP_RULE int32_t in_row(int k) const { return above > 0 ? block[(k < above ? k : above - 1) - stride] : block[-1]; }
    MMIP_RULE int32_t in_column(int k) const { return has_left ? block[(k < n ? k : n - 1) * stride - 1] : block[-stride]; }
    MMIP_RULE int32_t corner() const { return above > 0 ? block[has_left ? -stride - 1 : -stride] : block[-1]; }

    MMIP_RULE int32_t operator[](int k) const {
        return k < 2 * n ? in_column(2 * n - 1 - k) : (k > 2 * n ? in_row(k - 2 * n - 1) : corner());
    }
};

// `slice`: R2 of the slice from the tile's first sample on.
MMIP_RULE BlockEdge edge_of(const int32_t* slice, int stride, int y, int x, int n, int ax) {
    return {slice + (y * stride + x) * kCellSize, stride, n, samples_above(y, x, n, ax), x > 0};
}

MMIP_RULE void find_edge(const BlockEdge& from, int32_t* edge) {
    const int n = from.n;
    for (int k = 0; k < 2 * n; ++k) edge[2 * n + 1 + k] = from.in_row(k);
    for (int k = 0; k < 2 * n; ++k) edge[2 * n - 1 - k] = from.in_column(k);
    edge[2 * n] = from.corner();
}

MMIP_RULE int32_t smoothed(int32_t before, int32_t at, int32_t after) { return (before + 2 * at + after + 2) >> 2; }

// Smoothed along the line, its ends left alone.
MMIP_RULE void smooth_edge(const int32_t* edge, int n, int32_t* smooth) {
    smooth[0] = edge[0];
    for (int k = 1; k < 4 * n; ++k) smooth[k] = smoothed(edge[k - 1], edge[k], edge[k + 1]);
    smooth[4 * n] = edge[4 * n];
}

// The same, value after value.
struct SmoothEdge {
    const BlockEdge& edge;

    MMIP_RULE int32_t operator[](int k) const {
        return k == 0 || k == 4 * edge.n ? edge[k] : smoothed(edge[k - 1], edge[k], edge[k + 1]);
    }
};

// Of the angles from the last one down to 18: in 1/32 sample a row (vertical angles) or column (horizontal ones); and 8192 / it,
// negated, for those below 0.
MMIP_TABLE int8_t kAngleSteps[17] = {32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32};
MMIP_TABLE int16_t kInverseAngles[8] = {-4096, -1638, -910, -630, -482, -390, -315, -256};

MMIP_RULE int angle_place(int prediction) { return prediction < kFirstVertical ? prediction - 2 : kLastAngle - prediction; }
MMIP_RULE int angle_step(int prediction) { return kAngleSteps[angle_place(prediction)]; }
MMIP_RULE int inverse_angle(int prediction) { return kInverseAngles[angle_place(prediction) - 9]; }   // of a step below 0

MMIP_RULE bool takes_smooth_edge(int prediction, int n) {
    const int step = angle_step(prediction);
    return step != 0 && (n > 8 || step >= 9 || step <= -9);
}

// Sample (y, x) of the planar prediction.
template <class Edge>
MMIP_RULE int32_t planar_at(const Edge& edge, int n, int y, int x) {
    const int left = 2 * n - 1, row = 2 * n + 1, shift = n == 8 ? 4 : (n == 16 ? 5 : 6);
    return ((n - 1 - x) * edge[left - y] + (x + 1) * edge[row + n] + (n - 1 - y) * edge[row + x] + (y + 1) * edge[left - n] + n) >> shift;
}

// Sample (y, x) of an angle from the edge that takes_smooth_edge asks for.
template <class Edge>
MMIP_RULE int32_t angle_at(const Edge& edge, int n, int prediction, int y, int x) {
    const int step = angle_step(prediction), forward = prediction >= kFirstVertical ? 1 : -1;
    const int moved = ((forward > 0 ? y : x) + 1) * step, f = moved & 31, first = (moved >> 5) + 1 + (forward > 0 ? x : y);
    int32_t sum = 16;
    for (int k = first; k < first + (f > 0 ? 2 : 1); ++k) {   // before the corner the other side goes on
        const int at = k >= 0 ? forward * k : -forward * ((k * inverse_angle(prediction) + 128) >> 8);
        sum += (k == first ? 32 - f : f) * edge[2 * n + at];
    }
    return sum >> 5;
}

// Sample (y, x) of P of a block; its prediction fits there and is not none. `slice_stride`: samples from a slice to the next one.
MMIP_RULE int32_t prediction_at(const BlockEdge& edge, int slice_stride, int prediction, int y, int x) {
    if (prediction == kPredictSlice) return edge.block[y * edge.stride + x - slice_stride];
    if (prediction == kPredictPlanar) return planar_at(edge, edge.n, y, x);
    if (takes_smooth_edge(prediction, edge.n)) return angle_at(SmoothEdge{edge}, edge.n, prediction, y, x);
    return angle_at(edge, edge.n, prediction, y, x);
}

// The same of planar and angles, out of the edge of find_edge and what smooth_edge makes of it.
MMIP_RULE int32_t prediction_from(const int32_t* edge, const int32_t* smooth, int n, int prediction, int y, int x) {
    if (prediction == kPredictPlanar) return planar_at(edge, n, y, x);
    return angle_at(takes_smooth_edge(prediction, n) ? smooth : edge, n, prediction, y, x);
}

// A decoded value as a sample of R2: nearest integer, half to even, kept within kPredictedLimit. V: float, or a vector of them.
template <class V>
MMIP_RULE V predicted_sample(V value) {
    const V high = V{} + static_cast<float>(kPredictedLimit), low = -high;
    const V above = value < low ? low : value;
    return ((above > high ? high : above) + 12582912.0f) - 12582912.0f;
}

}  // namespace MMIP_NS
