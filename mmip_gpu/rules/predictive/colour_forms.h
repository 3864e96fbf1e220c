// Three channels as components that predict each other, and back.
// Values: V = int32_t or LanesI; channels 0 .. 2^bits - 1. Host and device. Implements FORMAT.md section 2.1.
#pragma once

#include "rules/predictive/integer_lanes.h"

namespace MMIP_NS {

enum ColourForm : int32_t {
    kFormPlain = 0,          // one component, or G, R, B
    kFormYCoCg = 1,          // YCoCg-R of section 2, Co and Cg plus 2^bits
    kFormDifference = 2,     // G, R - G + 2^bits, B - G + 2^bits
    kFormPalette = 3,        // one component: the number of a colour
};
constexpr int kColourForms = 4, kMaxPalette = 1 << 12;

// Bits of component i of channels of so many bits.
MMIP_RULE int component_bits(int form, int bits, int i) { return bits + (form != kFormPlain && i > 0 ? 1 : 0); }

template <class V>
MMIP_RULE void to_components(int form, int bits, V r, V g, V b, V* c) {
    const int32_t middle = 1 << bits;
    if (form == kFormYCoCg) {
        const V co = r - b, t = b + (co >> 1), cg = g - t;
        c[0] = t + (cg >> 1), c[1] = co + middle, c[2] = cg + middle;
    } else if (form == kFormDifference) {
        c[0] = g, c[1] = r - g + middle, c[2] = b - g + middle;
    } else {
        c[0] = g, c[1] = r, c[2] = b;
    }
}

// Overwrites components by channels R, G, B.
template <class V>
MMIP_RULE void to_channels(int form, int bits, V& c0, V& c1, V& c2) {
    const int32_t middle = 1 << bits;
    V r = c1, g = c0, b = c2;
    if (form == kFormYCoCg) {
        const V co = c1 - middle, cg = c2 - middle, t = c0 - (cg >> 1);
        g = cg + t;
        b = t - (co >> 1);
        r = b + co;
    } else if (form == kFormDifference) {
        r = c1 - middle + c0;
        b = c2 - middle + c0;
    }
    c0 = r, c1 = g, c2 = b;
}

}  // namespace MMIP_NS
