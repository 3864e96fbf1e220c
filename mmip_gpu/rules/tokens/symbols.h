// Symbols and contexts: what a block header, a token and a DC are called in the code families.
// Values: small integers. Host and device. Implements FORMAT.md sections 8.1 and 8.2; the code tables are huffman.h's.
#pragma once

#include "rules/format.h"

namespace mmip {

// What the token context of a position needs: one load of 16 bytes.
struct alignas(16) BlockPosition {
    uint16_t near[6];                        // three neighbours of weight 2, three of weight 1; the block's count = none
    uint16_t sums;                           // room rows of kPlaceClasses x kNeighbourSums and place rows of kNeighbourSums in
    uint8_t room;                            // count_log of the positions of the stage from this one on
    uint8_t place;                           // place_class
};

}  // namespace mmip

namespace MMIP_NS {

MMIP_RULE int bit_length(uint32_t v) {
#if defined(__CUDA_ARCH__)
    return 32 - __clz(v);
#else
    return 63 - __builtin_clzll(2 * static_cast<uint64_t>(v) + 1);   // without a branch
#endif
}

MMIP_RULE uint32_t index_magnitude(int32_t q) { return static_cast<uint32_t>(q < 0 ? -q : q); }

// N(n): counts and runs share one alphabet of 26 symbols; extra_bits low bits of n follow raw.
MMIP_RULE int count_symbol(uint32_t n) {
    const int e = bit_length(n | 8) - 1;   // n | 8: both sides can be computed, so that no branch is needed
    const int large = 8 + 2 * (e - 3) + static_cast<int>((n >> (e - 1)) & 1);
    return n < 8 ? static_cast<int>(n) : large;
}

MMIP_RULE int count_extra_bits(int symbol) { return symbol < 8 ? 0 : (symbol - 8) / 2 + 2; }

// Smallest n with this symbol; the raw bits are added to it.
MMIP_RULE uint32_t count_base(int symbol) {
    if (symbol < 8) return static_cast<uint32_t>(symbol);
    return static_cast<uint32_t>(2 + ((symbol - 8) & 1)) << ((symbol - 8) / 2 + 2);
}

MMIP_RULE int header_context(uint32_t density_sum, int neighbours) {
    if (neighbours == 0) return 0;
    const uint32_t mean = density_sum / static_cast<uint32_t>(neighbours);
    if (mean == 0) return 1;
    constexpr uint32_t thresholds[13] = {256,  406,   645,   1024,  1625,  2580, 4096,
                                         6502, 10321, 16384, 26008, 41285, 65536};
    int above = 0;
    for (int i = 0; i < 13; ++i) above += thresholds[i] <= mean ? 1 : 0;
    return 2 + above;
}

// `merges`: 0 where only unmerged blocks may start, 1 where mode 16 may too, 2 where mode 32 may.
MMIP_RULE int header_class(int context, int merges) {
    const int level = (context - 2) / 3 + 1;
    return 5 * merges + (context < 2 ? 0 : level < 4 ? level : 4);
}

MMIP_RULE uint32_t density(uint32_t nonzeros, int cells) { return 512 * nonzeros / static_cast<uint32_t>(cells); }

// L(n): four times the base 2 logarithm of a count up to 4096, rounded down.
MMIP_RULE int count_log(uint32_t n) {
    const uint64_t square = static_cast<uint64_t>(n) * n, fourth = square * square;
#if defined(__CUDA_ARCH__)
    return 63 - __clzll(static_cast<long long>(fourth | 1));
#else
    return 63 - __builtin_clzll(fourth | 1);
#endif
}

// g of the token context: how far it is to the next nonzero if the nonzeros left share the positions left evenly.
MMIP_RULE int gap_class(int room_log, int left_log) {
    const int g = (room_log - left_log + 1) >> 1;
    return g < 0 ? 0 : g < kGapClasses - 1 ? g : kGapClasses - 1;
}

// r of the token context: how far into the positions low .. high - 1 of the stage the position p is.
MMIP_RULE int place_class(int p, int low, int high) {
    return bit_length(static_cast<uint32_t>(64 * (p - low) / (high - low) + 1)) - 1;
}

constexpr uint32_t kEnoughMagnitude = 16;         // |q| above it counts like it in a token context
constexpr int kNeighbourSums = 9 * 16 + 1;        // of such |q|
constexpr int kCountLogs = 48;                    // logarithms of the AC positions of a block

// v of the token context: |q| at six earlier positions, three of weight 2, then three of weight 1.
template <class Magnitudes>
MMIP_RULE uint32_t neighbour_sum(const Magnitudes& magnitudes, const uint16_t* near) {
    return 2 * (magnitudes[near[0]] + magnitudes[near[1]] + magnitudes[near[2]]) + magnitudes[near[3]] + magnitudes[near[4]] +
           magnitudes[near[5]];
}

constexpr uint32_t kSaturatingMagnitude = 32;     // from which on one |q| alone gives the last neighbour_class

MMIP_RULE int neighbour_class(uint32_t v) {
    constexpr uint32_t thresholds[kNeighbourClasses - 1] = {1, 2, 4, 7, 12, 18, kSaturatingMagnitude};
    int above = 0;
    for (int i = 0; i < kNeighbourClasses - 1; ++i) above += thresholds[i] <= v ? 1 : 0;
    return above;
}

MMIP_RULE int token_context(int gap, int place, uint32_t neighbours) {
    return (gap * kPlaceClasses + place) * kNeighbourClasses + neighbour_class(neighbours);
}

// Sizes: |q| = 1, 2, 3, then 4..5, 6..7, then powers of two; 0 for 0.
MMIP_RULE int token_size(uint32_t magnitude) {
    const int by_length = bit_length(magnitude) + 2, small = static_cast<int>(magnitude < 4 ? magnitude : magnitude / 2 + 2);
    return magnitude < 8 ? small : by_length < kEscapeSize ? by_length : kEscapeSize;
}

// Raw bits that follow a size below kEscapeSize: the sign, and what is above the smallest |q| of the size.
MMIP_RULE int size_bits(int size) { return size < 4 ? (size > 0 ? 1 : 0) : size < 6 ? 2 : size - 2; }

MMIP_RULE uint32_t size_base(int size) {
    return static_cast<uint32_t>(size < 4 ? size : size < 6 ? 2 * size - 4 : 1 << (size - 3));
}

MMIP_RULE int dc_context(uint64_t error_sum, uint32_t weight) {
    if (weight == 0) return 11;
    const uint64_t mean = 8 * error_sum / weight;
    return mean < 1024 ? bit_length(static_cast<uint32_t>(mean)) : 11;
}

MMIP_RULE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
MMIP_RULE int64_t greatest(int64_t a, int64_t b) { return a > b ? a : b; }

// a + b - c, kept between a and b (the median predictor).
MMIP_RULE int64_t median_prediction(int64_t a, int64_t b, int64_t c) {
    const int64_t low = least(a, b), high = greatest(a, b);
    return least(greatest(a + b - c, low), high);
}

MMIP_RULE int64_t floor_divide(int64_t a, int64_t b) {
    const int64_t q = a / b;
    return q - ((a % b != 0 && a < 0) ? 1 : 0);
}

// Class of a cell from W, N and NW; `before` stands in where neither W nor N exists.
MMIP_RULE int predicted_class(bool has_w, bool has_n, int w, int n, int nw, int before) {
    if (has_w && has_n) return nw == w ? n : w;
    if (has_w) return w;
    return has_n ? n : before;
}

}  // namespace MMIP_NS
