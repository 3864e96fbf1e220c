// The quantized coefficients of JPEG blocks as mixed bits: counts, the inner 7 x 7, the first row and column, the DC last.
// Values: blocks of 64 coefficients in natural order, in and out of a range code. Host and device.
// Implements FORMAT.md section 8.10 (coefficients). The walk is the same for writing and reading.
#pragma once

#include "rules/jpegorigin/jpeg_values.h"

namespace MMIP_NS {

// A block, those around it (null where there is none; other: of a component before, at its place), and what decoding gave next to it.
struct JpegBlock {
    int16_t* values;
    const int16_t *west, *north, *corner, *other;
    const uint8_t* steps;
    int chroma, component;                                   // 0 or 1; 0, 1, 2
    const int16_t *samples_west, *samples_north;             // first sample of the block at its left, above; null
    int64_t stride;
};

MMIP_RULE int jpeg_at(const int16_t* block, int i) { return block != nullptr ? block[i] : 0; }

// Nonzero coefficients: of the inner 7 x 7, of a line of seven.
MMIP_RULE int jpeg_inner_count(const int16_t* block) {
    int n = 0;
    for (int i = 9; i < 64 && block != nullptr; ++i) n += (i & 7) != 0 && block[i] != 0;
    return n;
}
MMIP_RULE int jpeg_line_count(const int16_t* block, int step) {
    int n = 0;
    for (int i = 1; i < 8 && block != nullptr; ++i) n += block[i * step] != 0;
    return n;
}

// What a first coefficient of a line across the border must be for the border to be smooth; the block beyond ends there.
// step: 8 for the row u = 0 (lines go down), 1 for the column v = 0. In 1/16 of a quantized coefficient.
MMIP_RULE int jpeg_line_prediction(const JpegBlock& b, const int16_t* beyond, int at, int step) {
    if (beyond == nullptr) return 0;
    int sum = 128 * beyond[at] * b.steps[at];
    for (int k = 1; k < 8; ++k) {
        const int i = at + k * step, other = (k & 1) != 0 ? -beyond[i] : beyond[i];
        sum += 181 * (other - b.values[i]) * b.steps[i];
    }
    return sum / (8 * b.steps[at]);
}

template <class Coder>
MMIP_RULE bool code_inner(JpegValues<Coder>& coder, const JpegBlock& b, int count) {
    int left = count, last = 0, before = 0;
    coder.kind = kJpegInnerValue;
    for (int k = 4; k < 64 && left > 0; ++k) {
        const int i = kJpegZigzag[k];
        if (i < 8 || (i & 7) == 0) continue;
        const int w = jpeg_at(b.west, i), n = jpeg_at(b.north, i), c = jpeg_at(b.corner, i), o = jpeg_at(b.other, i);
        const int around = jpeg_log((13 * (jpeg_abs(w) + jpeg_abs(n)) + 6 * jpeg_abs(c)) >> 2);
        const int inside = jpeg_least(jpeg_abs(b.values[i - 1]) * ((i & 7) > 1) + jpeg_abs(b.values[i - 8]) * (i >= 16) + jpeg_abs(b.values[i - 9]) * ((i & 7) > 1 && i >= 16), 15);
        coder.context(0, k * 16 + around);
        coder.context(1, k * 64 + left);
        coder.context(2, around * 64 + left);
        coder.context(3, (k * 5 + jpeg_level(w)) * 5 + jpeg_level(n));
        coder.context(4, (k * 16 + inside) * 2 + (left > 7));
        coder.context(5, (k * 5 + jpeg_level(o)) * 3 + b.component);
        coder.context(6, (jpeg_least(last, 3) * 4 + jpeg_least(before, 3)) * 64 + left);
        coder.context(7, (jpeg_least(left * 8 / (64 - k), 15) * 16 + around) * 16 + jpeg_log(inside));
        coder.set = jpeg_least(around, 7);
        const int v = coder.value(b.values[i]);
        if (jpeg_abs(v) > kJpegMaxCoefficient) return false;
        b.values[i] = static_cast<int16_t>(v);
        before = last, last = jpeg_abs(v);
        left -= v != 0 ? 1 : 0;
    }
    return left == 0;
}

// A line of seven: the row u = 0 (along = 1), or the column v = 0 (along = 8), with the blocks across it and beside it.
struct JpegLine {
    int along, row;
    const int16_t *beyond, *beside;

    MMIP_RULE JpegLine(const JpegBlock& b, int step) : along(step), row(step == 1 ? 1 : 0), beyond(row != 0 ? b.north : b.west), beside(row != 0 ? b.west : b.north) {}
};

template <class Coder>
MMIP_RULE int code_line_count(JpegValues<Coder>& coder, const JpegBlock& b, const JpegLine& line, int inner) {
    const int n = jpeg_line_count(line.beyond, line.along), w = jpeg_line_count(line.beside, line.along), o = jpeg_line_count(b.other, line.along);
    const int done = line.row != 0 ? 0 : jpeg_line_count(b.values, 1);
    coder.kind = line.row != 0 ? kJpegRow : kJpegColumn;
    coder.context(0, inner);
    coder.context(1, (n * 8 + w) * 2);
    coder.context(2, inner * 8 + n);
    coder.context(3, inner * 8 + w);
    coder.context(4, (o * 3 + b.component) * 8 + (inner >> 2));
    coder.context(5, done * 64 + inner);
    coder.context(6, done * 8 + n);
    coder.context(7, n + w);
    coder.set = jpeg_least(inner, 7);
    return coder.number(jpeg_line_count(b.values, line.along), 3);
}

template <class Coder>
MMIP_RULE bool code_line(JpegValues<Coder>& coder, const JpegBlock& b, int inner, int along) {
    const JpegLine line(b, along);
    int left = code_line_count(coder, b, line, inner), last = 0;
    coder.kind = line.row != 0 ? kJpegRowValue : kJpegColumnValue;
    for (int k = 1; k < 8 && left > 0; ++k) {
        const int i = k * along;
        const int p = jpeg_line_prediction(b, line.beyond, i, 9 - along), size = jpeg_least(jpeg_log(p), 10), sided = p < 0 ? 11 + size : size;
        const int w = jpeg_at(line.beside, i), n = jpeg_at(line.beyond, i), e = jpeg_least(inner, 7);
        const int around = jpeg_log((13 * (jpeg_abs(w) + jpeg_abs(n)) + 6 * jpeg_abs(jpeg_at(b.corner, i))) >> 2);
        coder.context(0, (k * 32 + sided) * 8 + left);
        coder.context(1, (k * 16 + around) * 8 + left);
        coder.context(2, k * 64 + jpeg_least(jpeg_abs(p) / 8, 31) * (p < 0 ? -1 : 1) + 31);
        coder.context(3, (k * 5 + jpeg_level(w)) * 5 + jpeg_level(n));
        coder.context(4, (k * 5 + jpeg_level(jpeg_at(b.other, i))) * 3 + b.component);
        coder.context(5, (sided * 16 + around) * 8 + e);
        coder.context(6, (k * 8 + left) * 4 + jpeg_least(last, 3));
        coder.context(7, (sided * 8 + left) * 8 + e);
        coder.set = jpeg_least(size, 7);
        const int v = coder.value(b.values[i]);
        if (jpeg_abs(v) > kJpegMaxCoefficient) return false;
        b.values[i] = static_cast<int16_t>(v);
        last = jpeg_abs(v);
        left -= v != 0 ? 1 : 0;
    }
    return left == 0;
}

// Of the DC, in quantized units, and how far the sixteen places of the border disagree.
struct JpegDcPrediction {
    int value, spread, sides;
};

MMIP_RULE JpegDcPrediction jpeg_dc_prediction(const JpegBlock& b) {
    int32_t own[64];
    own[0] = 0;
    for (int i = 1; i < 64; ++i) own[i] = b.values[i] * b.steps[i];
    jpeg_idct(own);
    int sums[2] = {0, 0}, count = 0, least = 1 << 20, most = -(1 << 20);
    for (int side = 0; side < 2; ++side) {
        const int16_t* from = side == 0 ? b.samples_north : b.samples_west;
        if (from == nullptr) continue;
        ++count;
        for (int k = 0; k < 8; ++k) {
            const int16_t* line = side == 0 ? from + k : from + k * b.stride;
            const int64_t next = side == 0 ? b.stride : 1;
            const int at = side == 0 ? k : 8 * k, step = side == 0 ? 8 : 1;
            const int d = 3 * line[7 * next] - line[6 * next] - 3 * own[at] + own[at + step];
            sums[side] += d;
            least = jpeg_least(least, d), most = d > most ? d : most;
        }
    }
    if (count == 0) return {0, 0, 0};
    const int unit = 2 * count * b.steps[0], sum = sums[0] + sums[1];
    const int value = static_cast<int>(floor_divide(2 * sum + unit, 2 * unit));
    return {value < -kJpegMaxCoefficient ? -kJpegMaxCoefficient : jpeg_least(value, kJpegMaxCoefficient), (most - least) / b.steps[0], count == 2 ? (sums[0] - sums[1]) / (2 * b.steps[0]) : 0};
}

template <class Coder>
MMIP_RULE bool code_dc(JpegValues<Coder>& coder, const JpegBlock& b, int inner) {
    const JpegDcPrediction p = jpeg_dc_prediction(b);
    const int spread = jpeg_log(p.spread), sides = jpeg_least(jpeg_log(p.sides), 10), sided = p.sides < 0 ? 11 + sides : sides;
    const int lines = jpeg_line_count(b.values, 1) + jpeg_line_count(b.values, 8);
    coder.kind = kJpegDc;
    coder.context(0, spread);
    coder.context(1, sided);
    coder.context(2, spread * 16 + sides);
    coder.context(3, inner);
    coder.context(4, lines * 16 + spread);
    coder.context(5, jpeg_level(jpeg_at(b.other, 0)) * 3 + b.component);
    coder.context(6, jpeg_least(p.spread, 255));
    coder.context(7, jpeg_least(jpeg_abs(p.sides), 127));
    coder.set = jpeg_least(spread, 7);
    const int v = coder.value(b.values[0] - p.value) + p.value;
    b.values[0] = static_cast<int16_t>(v);
    return jpeg_abs(v) <= kJpegMaxCoefficient;
}

template <class Coder>
MMIP_RULE Status code_jpeg_block(JpegValues<Coder>& coder, const JpegBlock& b) {
    coder.chroma = b.chroma;
    const int w = jpeg_inner_count(b.west), n = jpeg_inner_count(b.north), c = jpeg_inner_count(b.corner), o = jpeg_inner_count(b.other);
    const int mean = b.west == nullptr ? n : (b.north == nullptr ? w : (w + n + 1) / 2);
    coder.kind = kJpegInner;
    coder.context(0, mean);
    coder.context(1, (w >> 1) * 32 + (n >> 1));
    coder.context(2, o * 3 + b.component);
    coder.context(3, n);
    coder.context(4, w);
    coder.context(5, (mean >> 1) * 32 + (o >> 1));
    coder.context(6, (mean >> 1) * 32 + (c >> 1));
    coder.context(7, 2 * n + 2 * w - c + 64);
    coder.set = jpeg_log(mean);
    const int inner = coder.number(jpeg_inner_count(b.values), 6);
    if (inner > 49) return kStatusSymbol;
    return code_inner(coder, b, inner) && code_line(coder, b, inner, 1) && code_line(coder, b, inner, 8) && code_dc(coder, b, inner) ? kOk : kStatusValue;
}

}  // namespace MMIP_NS
