// The contexts of a sample of kind 3: classes of the residuals around it, and which adaptive bits it is coded with.
// Values: samples, residuals and a prediction in 1/16; numbers of contexts. Host and device, integers. Implements FORMAT.md section 8.9.
#pragma once

#include "rules/tokens/symbols.h"

namespace MMIP_NS {

constexpr int kValueContexts = 2048, kFlagClasses = 8, kFlagContexts = 256 * kFlagClasses, kEnergyClasses = 40;
constexpr int kSignClasses = 28, kSignContexts = 9 * 8 * kSignClasses, kHashContexts = 4096, kMixingClasses = 3;
constexpr int kContextsOfFirst = 4, kContextsOfLater = 6, kPredictionUnit = 16;
constexpr int kLargestStart = 9;

constexpr int kMaxMixedTileLog2 = 18;                          // samples of a tile
MMIP_TABLE int kMixedTileLog2[3] = {4, 9, 9};                  // on z, y, x at most

// Sizes of the tables of contexts.
MMIP_TABLE int kContextCounts[kContextsOfLater] = {kValueContexts, kFlagContexts, kEnergyClasses, kSignContexts, kHashContexts, kHashContexts};

MMIP_RULE uint32_t magnitude_of(int32_t v) { return v < 0 ? 0u - static_cast<uint32_t>(v) : static_cast<uint32_t>(v); }

// Quarter octaves from 8 on.
MMIP_RULE int energy_class(uint32_t energy) {
    const int k = bit_length(energy | 8) - 1, large = 8 + 4 * (k - 3) + static_cast<int>((energy >> (k - 2)) & 3);
    const int found = energy < 8 ? static_cast<int>(energy) : large;
    return found < kEnergyClasses ? found : kEnergyClasses - 1;
}

MMIP_RULE int mixing_class(int energy_class) { return energy_class < 4 ? 0 : energy_class < 16 ? 1 : 2; }

// The size of a residual that is asked for first.
MMIP_RULE int start_size(uint32_t energy) {
    const int k = bit_length(energy >> 3);
    return k < kLargestStart ? k : kLargestStart;
}

MMIP_RULE int sign_of(int32_t v) { return (v > 0) | (v < 0) << 1; }

// Of the products of five numbers with odd constants.
MMIP_RULE int hash_context(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e) {
    uint32_t h = static_cast<uint32_t>(a) * 2654435761u ^ static_cast<uint32_t>(b) * 2246822519u ^ static_cast<uint32_t>(c) * 3266489917u ^
                 static_cast<uint32_t>(d) * 668265263u ^ static_cast<uint32_t>(e) * 374761393u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return static_cast<int>(h >> 20);
}

// What is around a sample: W .. NN of its slice, P of the slice before, residuals at W and N.
struct MixedSurroundings {
    int32_t w, n, nw, ne, ww, nn, p, pe, residual_w, residual_n;
    uint32_t energy;
    bool has_previous;
};

// prediction: in 1/16. Fills the numbers of the four contexts that every component has; returns the whole number that is predicted.
MMIP_RULE int32_t sample_contexts(const MixedSurroundings& s, int32_t prediction, int energy, int* found) {
    const int32_t whole = (prediction + kPredictionUnit / 2) >> 4;
    const int fraction = ((prediction + kPredictionUnit / 2) & 15) >> 1;
    int flags = (s.w == s.n) | (s.n == s.nw) << 1 | (s.n == s.ne) << 2 | (s.w == s.ww) << 3 | (s.n == s.nn) << 4 | (s.w == whole) << 5;
    if (s.has_previous) flags |= (s.p == whole) << 6 | (s.p == s.pe) << 7;
    const int sign_class = 2 * energy / 3;
    found[0] = whole & (kValueContexts - 1);
    found[1] = flags * kFlagClasses + (energy < kFlagClasses ? energy : kFlagClasses - 1);
    found[2] = energy;
    found[3] = ((sign_of(s.residual_w) + 3 * sign_of(s.residual_n)) * 8 + fraction) * kSignClasses + (sign_class < kSignClasses ? sign_class : kSignClasses - 1);
    return whole;
}

}  // namespace MMIP_NS
