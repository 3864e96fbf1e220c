// YCoCg-R, the reversible colour transform.
// Values: int32 samples after the offset. Host and device. Implements FORMAT.md section 2.
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

struct Colour {
    int32_t a, b, c;   // R, G, B or Y, Co, Cg
};

MMIP_RULE Colour colour_forward(Colour rgb) {
    const int32_t co = rgb.a - rgb.c;
    const int32_t t = rgb.c + (co >> 1);
    const int32_t cg = rgb.b - t;
    return {t + (cg >> 1), co, cg};
}

MMIP_RULE Colour colour_inverse(Colour ycc) {
    const int32_t t = ycc.a - (ycc.c >> 1);
    const int32_t blue = t - (ycc.b >> 1);
    return {blue + ycc.b, ycc.c + t, blue};
}

}  // namespace MMIP_NS
