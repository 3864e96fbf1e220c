// A palette cell: its samples take one of 2 to 4 values. Contexts of the map of which, and what the values are.
// Values: one colour number (0 .. colours - 1) a sample, raster order; gaps between the ascending values. Host and device.
// Implements FORMAT.md section 8.5. The walk is the same for writing, reading and costing; the coder is mask.h's.
#pragma once

#include "rules/padding/mask.h"
#include "rules/tokens/symbols.h"

namespace MMIP_NS {

constexpr int kMaxColours = 4;
constexpr int kPaletteGaps = kMaxColours - 1;                // scan positions of the gaps; the words of the map follow
constexpr int kWordSamples = 12;                             // of 2 bits each
constexpr int kLongestGap = 25;                              // bits
constexpr int kPaletteSamples = 512;                         // of a cell, at most

MMIP_RULE constexpr int palette_words(int depth) { return (64 * depth + kWordSamples - 1) / kWordSamples; }
MMIP_RULE constexpr int palette_positions(int depth) { return kPaletteGaps + palette_words(depth); }
MMIP_RULE constexpr float palette_unit(int depth) { return depth == 8 ? 0.125f : 0.25f; }   // of a gap, in steps

constexpr int kSameFirst = 64, kSameLater = 128, kSecondContexts = 16, kRestContexts = 2, kStartContexts = 3, kGapContexts = 24;
constexpr int kSecond = kSameFirst + kSameLater, kRest = kSecond + kSecondContexts, kStart = kRest + kRestContexts;
constexpr int kGapSize = kStart + kStartContexts, kGapBit = kGapSize + kGapContexts;
constexpr int kPaletteContexts = kGapBit + 1;

// Probability of a 1 in 1/65536 and number of decisions seen (up to 7), per context.
struct PaletteModel {
    uint16_t probability[kPaletteContexts];
    uint8_t seen[kPaletteContexts];

    MMIP_RULE void reset() {
        for (int c = 0; c < kPaletteContexts; ++c) {
            probability[c] = first(c);
            seen[c] = 0;
        }
    }

    // What a context begins with.
    static MMIP_RULE uint16_t first(int c) {
        if (c >= kGapSize) return c < kGapBit ? 49152 : 32768;
        if (c >= kSecond) return 32768;
        const bool later = c >= kSameFirst;
        const int agreeing = bit_count(later ? c & 63 : c & 31), all = later ? 6 : 5;
        return static_cast<uint16_t>(4096 + 56 * 1024 * agreeing / all);
    }

    MMIP_RULE void adapt(int context, int bit) {
        const int p = probability[context], shift = 2 + seen[context] / 2;
        probability[context] = static_cast<uint16_t>(bit != 0 ? p + ((65536 - p) >> shift) : p - (p >> shift));
        if (seen[context] < 7) ++seen[context];
    }

    static MMIP_RULE int bit_count(int v) {
        int n = 0;
        for (; v != 0; v &= v - 1) ++n;
        return n;
    }
};

// Codes (or reads) the colour of the sample (z, y, x) of a cell of rows of 8, those before it in raster order being known.
template <class Coder>
MMIP_RULE int code_colour(const uint8_t* cell, int z, int y, int x, int colours, Coder& coder) {
    const uint8_t* at = cell + (z * 8 + y) * 8 + x;
    const int v = *at;
    if (z == 0 && y == 0 && x == 0) {
        const int high = colours > 2 ? coder.decide(kStart, v >> 1) : 0;
        return 2 * high + (2 * high + 1 < colours ? coder.decide(kStart + 1 + high, v & 1) : 0);
    }
    const int c = x > 0 ? at[-1] : (y > 0 ? at[-8] : at[-64]);
    const int n = y > 0 ? at[-8] : (z > 0 ? at[-64] : c), nw = x > 0 && y > 0 ? at[-9] : n, ne = x < 7 && y > 0 ? at[-7] : n;
    int p = c, second = -1, context;
    if (z == 0) {
        const int ww = x > 1 ? at[-2] : c, nn = y > 1 ? at[-16] : n;
        context = (n == c) | (nw == c) << 1 | (ne == c) << 2 | (ww == c) << 3 | (nn == c) << 4 | (x == 0) << 5;
        second = n != c ? n : (nw != c ? nw : (ne != c ? ne : -1));
    } else {
        p = at[-64];
        const int pe = x < 7 ? at[-63] : p, ps = y < 7 ? at[-56] : p;
        context = kSameFirst + ((n == c) | (nw == c) << 1 | (ne == c) << 2 | (p == c) << 3 | (pe == c) << 4 | (ps == c) << 5 | (x == 0) << 6);
        second = n != c ? n : (p != c ? p : (pe != c ? pe : (ps != c ? ps : (ne != c ? ne : (nw != c ? nw : -1)))));
    }
    if (coder.decide(context, v == c) != 0) return c;
    if (colours == 2) return 1 - c;
    if (second >= 0 && coder.decide(kSecond + ((n == second) | (ne == second) << 1 | ((z > 0 ? p : nw) == second) << 2 | (z > 0) << 3), v == second) != 0)
        return second;
    int rest = colours - 1 - (second >= 0 ? 1 : 0), found = -1;
    for (int k = 0; k < colours && found < 0; ++k) {
        if (k == c || k == second) continue;
        if (rest == 1 || coder.decide(kRest + rest - 2, v == k) != 0) found = k;
        --rest;
    }
    return found;
}

// Codes (or reads into place) the colour of every sample of a cell of `slices` x 8 x 8.
template <class Coder>
MMIP_RULE void code_colours(uint8_t* cell, int slices, int colours, Coder& coder) {
    for (int z = 0; z < slices; ++z)
        for (int y = 0; y < 8; ++y)
            for (int x = 0; x < 8; ++x) cell[(z * 8 + y) * 8 + x] = static_cast<uint8_t>(code_colour(cell, z, y, x, colours, coder));
}

// A gap of 1 or more; 0: a reader found one that is too large.
template <class Coder>
MMIP_RULE uint32_t code_gap(uint32_t gap, Coder& coder) {
    const int size = bit_length(gap);
    int s = 1;
    while (coder.decide(kGapSize + (s < kGapContexts ? s : kGapContexts) - 1, size > s) != 0)
        if (++s > kLongestGap) return 0;
    uint32_t value = 1;
    for (int k = s - 2; k >= 0; --k) value = 2 * value + static_cast<uint32_t>(coder.decide(kGapBit, (gap >> k) & 1));
    return value;
}

// Whether the indices of a cell at the positions before `high` are those of a palette: gaps without holes, words of colours that have
// a value, nothing else.
MMIP_RULE bool is_palette(const int32_t* q, int depth, int high) {
    if (high < palette_positions(depth)) return false;
    int colours = 1;
    while (colours < kMaxColours && q[colours - 1] > 0) ++colours;
    bool good = colours > 1;
    for (int k = 0; k < kPaletteGaps; ++k) good = good && (k < colours - 1 ? q[k] < (1 << kLongestGap) : q[k] == 0);
    for (int w = 0; w < palette_words(depth); ++w) {
        const int32_t word = q[kPaletteGaps + w];
        good = good && word >= 0 && word >> (2 * kWordSamples) == 0;
        for (int i = 0; i < kWordSamples; ++i) good = good && ((word >> (2 * i)) & 3) < (w * kWordSamples + i < 64 * depth ? colours : 1);
    }
    for (int k = palette_positions(depth); k < high; ++k) good = good && q[k] == 0;
    return good;
}

// The gaps of a palette cell stand first among its entries.
MMIP_RULE int palette_gaps(const uint16_t* positions, int count) {
    int n = 0;
    while (n < count && positions[n] < kPaletteGaps) ++n;
    return n;
}

// Codes a palette cell out of its entries, which are gaps and words of colours. colours: scratch, one a sample.
template <class Coder>
MMIP_RULE void code_palette(const uint16_t* positions, const int32_t* values, int count, int depth, uint8_t* colours, Coder& coder) {
    const int gaps = palette_gaps(positions, count), samples = 64 * depth;
    for (int k = 0; k < gaps; ++k) code_gap(static_cast<uint32_t>(values[k]), coder);
    for (int s = 0; s < samples; ++s) colours[s] = 0;
    for (int k = gaps; k < count; ++k) {
        const int first = (positions[k] - kPaletteGaps) * kWordSamples;
        for (int s = 0; s < kWordSamples && first + s < samples; ++s) colours[first + s] = static_cast<uint8_t>((values[k] >> (2 * s)) & 3);
    }
    code_colours(colours, depth, gaps + 1, coder);
}

// The values of the colours: `total` = sum over the samples of the offset of their colour, in units.
struct PaletteValues {
    float of[kMaxColours];
};

MMIP_RULE PaletteValues palette_values(float mean, const int32_t* gaps, int64_t total, int samples, float unit) {
    const float base = mean - static_cast<float>(total) * unit / static_cast<float>(samples);
    PaletteValues values;
    int32_t offset = 0;
    for (int k = 0; k < kMaxColours; ++k) {
        values.of[k] = base + static_cast<float>(offset) * unit;
        if (k + 1 < kMaxColours) offset += gaps[k];
    }
    return values;
}

// Sum over the samples of one word of the map of the offset of their colour, in units.
MMIP_RULE int64_t word_total(int32_t word, const int32_t* gaps) {
    int64_t total = 0;
    for (int v = word; v != 0; v >>= 2)
        for (int k = 0; k < (v & 3); ++k) total += gaps[k];
    return total;
}

// Mean of a window of `scale` samples on y and x, and of `deep` on z, of a cell whose slices and rows stand so far apart.
MMIP_RULE float window_mean(const float* cell, int slice, int row, int z, int y, int x, int scale, int deep) {
    float sum = 0.0f;
    for (int k = z * deep; k < (z + 1) * deep; ++k)
        for (int j = y * scale; j < (y + 1) * scale; ++j)
            for (int i = x * scale; i < (x + 1) * scale; ++i) sum += cell[k * slice + j * row + i];
    return sum * (1.0f / static_cast<float>(deep * scale * scale));
}

}  // namespace MMIP_NS
