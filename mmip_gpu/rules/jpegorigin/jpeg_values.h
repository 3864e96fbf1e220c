// Values of JPEG blocks as decisions: nodes found by a hash of contexts, kinds of values, sets of weights.
// Values: small integers, in and out of a range code. Host and device. Implements FORMAT.md section 8.10 (decisions).
#pragma once

#include "rules/jpegorigin/bit_mixing.h"
#include "rules/jpegorigin/idct.h"
#include "rules/jpegorigin/jpeg_form.h"
#include "rules/tokens/symbols.h"

namespace MMIP_NS {

constexpr int kJpegNodes = 64;                               // decisions of one value
constexpr int kJpegSlotLog = 16;                             // slots of one input, as a power of 2
constexpr int kJpegKinds = 8;                                // of values, and of second sets of weights
constexpr int kJpegInner = 0, kJpegRow = 1, kJpegColumn = 2, kJpegInnerValue = 3, kJpegRowValue = 4, kJpegColumnValue = 5, kJpegDc = 6, kJpegResidual = 7;

MMIP_RULE int jpeg_abs(int v) { return v < 0 ? -v : v; }
MMIP_RULE int jpeg_least(int a, int b) { return a < b ? a : b; }
MMIP_RULE int jpeg_log(int v) { return bit_length(static_cast<uint32_t>(jpeg_abs(v))); }
// -1, 0, 1, or twice that above 1
MMIP_RULE int jpeg_level(int v) { return v < -1 ? 0 : (v > 1 ? 4 : v + 2); }

struct JpegModel {
    MixingTables tables;
    uint32_t nodes[2][kMixInputs][1 << kJpegSlotLog];        // luma, chroma
    MixWeights first[2][kJpegKinds * kJpegNodes], second[2][kJpegKinds * kJpegNodes];

    MMIP_RULE void reset() {
        tables.fill();
        for (int c = 0; c < 2; ++c) {
            for (int i = 0; i < kMixInputs; ++i)
                for (int s = 0; s < 1 << kJpegSlotLog; ++s) nodes[c][i][s] = kFreshNode;
            for (int s = 0; s < kJpegKinds * kJpegNodes; ++s)
                for (int i = 0; i <= kMixInputs; ++i) first[c][s].weight[i] = second[c][s].weight[i] = i < kMixInputs ? kMixStart : 0;
        }
    }
};

// Codes one decision after the other; contexts are set for a value, nodes tell its decisions apart.
template <class Coder>
struct JpegValues {
    Coder& coder;
    JpegModel& model;
    int chroma = 0, kind = 0, set = 0;
    uint32_t base[kMixInputs];

    MMIP_RULE JpegValues(Coder& c, JpegModel& m) : coder(c), model(m) {}

    MMIP_RULE void context(int input, int value) { base[input] = (static_cast<uint32_t>(value) * kJpegKinds + static_cast<uint32_t>(kind)) * kJpegNodes; }

    MMIP_RULE int bit(int node, int value) {
        uint32_t* nodes[kMixInputs];
        for (int i = 0; i < kMixInputs; ++i) nodes[i] = &model.nodes[chroma][i][((base[i] + static_cast<uint32_t>(node)) * 2654435761u) >> (32 - kJpegSlotLog)];
        return mixed_bit(coder, model.tables, nodes, model.first[chroma][kind * kJpegNodes + node], model.second[chroma][set * kJpegNodes + node], value);
    }

    // Nodes 0 .. 11: is |v| above 0, is it at least 2, 4, 8, ..; 12: sign; 13 + s: the bit below the leading one; 26: those below.
    MMIP_RULE int value(int v) {
        const int magnitude = jpeg_abs(v), size = jpeg_log(v);
        int s = 0;
        while (s < 12 && bit(s, s < size ? 1 : 0) != 0) ++s;
        if (s == 0) return 0;
        const int negative = bit(12, v < 0 ? 1 : 0);
        int result = 1;
        for (int i = s - 2; i >= 0; --i) result = 2 * result + bit(i == s - 2 ? 13 + s : 26, (magnitude >> i) & 1);
        return negative != 0 ? -result : result;
    }

    // A number below 2^bits as a tree, bits <= 6.
    MMIP_RULE int number(int v, int bits) {
        int node = 1;
        for (int i = bits - 1; i >= 0; --i) node = 2 * node + bit(node, (v >> i) & 1);
        return node - (1 << bits);
    }
};

}  // namespace MMIP_NS
