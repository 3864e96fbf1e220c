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

// The neighbours of a block in one line of 4 n + 1: from the lowest at the left up to the corner, edge[2 n], then along the row
// above. `slice`: R2 of the slice from the tile's first sample on, rows `stride` apart. The block has y > 0 or x > 0.
MMIP_RULE void find_edge(const int32_t* slice, int stride, int y, int x, int n, int ax, int32_t* edge) {
    const int32_t* block = slice + (y * stride + x) * kCellSize;
    const int above = samples_above(y, x, n, ax);
    int32_t* row = edge + 2 * n + 1;
    for (int k = 0; k < above; ++k) row[k] = block[k - stride];
    for (int k = above; k < 2 * n; ++k) row[k] = above > 0 ? row[above - 1] : block[-1];
    for (int k = 0; k < 2 * n; ++k) edge[2 * n - 1 - k] = x > 0 ? block[(k < n ? k : n - 1) * stride - 1] : row[0];
    edge[2 * n] = above > 0 && x > 0 ? block[-stride - 1] : (above > 0 ? row[0] : block[-1]);
}

// (a + 2 b + c + 2) >> 2 along the line, its ends left alone.
MMIP_RULE void smooth_edge(const int32_t* edge, int n, int32_t* smooth) {
    smooth[0] = edge[0];
    for (int k = 1; k < 4 * n; ++k) smooth[k] = (edge[k - 1] + 2 * edge[k] + edge[k + 1] + 2) >> 2;
    smooth[4 * n] = edge[4 * n];
}

// In 1/32 sample a row (vertical angles) or column (horizontal ones); and 8192 / it, negated, for those below 0.
MMIP_RULE int angle_step(int prediction) {
    constexpr int8_t steps[17] = {32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32};
    return prediction < kFirstVertical ? steps[prediction - 2] : steps[kLastAngle - prediction];
}

MMIP_RULE int inverse_angle(int step) {
    constexpr int16_t inverses[8] = {4096, 1638, 910, 630, 482, 390, 315, 256};
    const int at = step == -32 ? 7 : (step == -26 ? 6 : (step == -21 ? 5 : (step == -17 ? 4 : (step == -13 ? 3 : (step == -9 ? 2 : (step == -5 ? 1 : 0))))));
    return -inverses[at];
}

MMIP_RULE bool takes_smooth_edge(int prediction, int n) {
    const int step = angle_step(prediction);
    return step != 0 && (n > 8 || step >= 9 || step <= -9);
}

// Planar, rows n apart.
MMIP_RULE void predict_planar(const int32_t* edge, int n, int32_t* out) {
    const int32_t *left = edge + 2 * n - 1, *row = edge + 2 * n + 1;
    const int shift = n == 8 ? 4 : (n == 16 ? 5 : 6);
    for (int y = 0; y < n; ++y)
        for (int x = 0; x < n; ++x)
            out[y * n + x] = ((n - 1 - x) * left[-y] + (x + 1) * row[n] + (n - 1 - y) * row[x] + (y + 1) * left[-n] + n) >> shift;
}

// An angle from the edge that takes_smooth_edge asks for, rows n apart.
MMIP_RULE void predict_angle(const int32_t* edge, int n, int prediction, int32_t* out) {
    const int step = angle_step(prediction), corner = 2 * n, forward = prediction >= kFirstVertical ? 1 : -1;
    int32_t line[3 * kLargestPredicted + 2];   // the side that the angle runs along, from before the corner on
    int32_t* reference = line + kLargestPredicted;
    for (int k = 0; k <= 2 * n; ++k) reference[k] = edge[corner + forward * k];
    reference[2 * n + 1] = 0;                  // taken 0 times
    const int low = (n * step) >> 5;
    if (low < -1)
        for (int k = low, inverse = inverse_angle(step); k < 0; ++k) reference[k] = edge[corner - forward * ((k * inverse + 128) >> 8)];
    const int along = forward > 0 ? 1 : n, across = forward > 0 ? n : 1;
    for (int r = 0; r < n; ++r) {
        const int at = ((r + 1) * step) >> 5, f = ((r + 1) * step) & 31;
        const int32_t* from = reference + at + 1;
        for (int i = 0; i < n; ++i) out[r * across + i * along] = ((32 - f) * from[i] + f * from[i + 1] + 16) >> 5;
    }
}

// Scratch of a prediction.
struct PredictionScratch {
    int32_t edge[kEdgeSamples], smooth[kEdgeSamples];
};

// P of a block of n x n samples at cell (y, x) of a slice, rows n apart; its prediction fits there and is not none. `slice` as in
// find_edge; `slice_stride`: samples from a slice to the next one.
MMIP_RULE void predict_block(const int32_t* slice, int stride, int slice_stride, int y, int x, int n, int ax, int prediction, PredictionScratch& scratch, int32_t* out) {
    if (prediction == kPredictSlice) {
        const int32_t* before = slice - slice_stride + (y * stride + x) * kCellSize;
        for (int j = 0; j < n; ++j)
            for (int i = 0; i < n; ++i) out[j * n + i] = before[j * stride + i];
        return;
    }
    find_edge(slice, stride, y, x, n, ax, scratch.edge);
    if (prediction == kPredictPlanar) return predict_planar(scratch.edge, n, out);
    if (!takes_smooth_edge(prediction, n)) return predict_angle(scratch.edge, n, prediction, out);
    smooth_edge(scratch.edge, n, scratch.smooth);
    predict_angle(scratch.smooth, n, prediction, out);
}

// A decoded value as a sample of R2: nearest integer, half to even, kept within kPredictedLimit. V: float, or a vector of them.
template <class V>
MMIP_RULE V predicted_sample(V value) {
    const V high = V{} + static_cast<float>(kPredictedLimit), low = -high;
    const V above = value < low ? low : value;
    return ((above > high ? high : above) + 12582912.0f) - 12582912.0f;
}

}  // namespace MMIP_NS
