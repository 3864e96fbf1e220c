// From coefficients to indices and back, and the cost by which an encoder compares block modes.
// Values: binary32 coefficients, int32 indices. Host and device. Implements FORMAT.md section 5; every decision after the
// scaled magnitude is integer (design D2), so that all executors decide alike.
#pragma once

#include "rules/lanes.h"

namespace MMIP_NS {

constexpr float kLargestScaled = 2147482880.0f;   // below 2^31, with room for a rounding

// f = |c| / step in 1/256: the only float operation before a decision. `inverse` = 256 / step.
template <class V>
MMIP_RULE auto scaled_magnitude(V coefficient, float inverse) {
    return truncate(smaller(absolute(coefficient) * inverse, kLargestScaled) + 0.5f);
}

// What two samples differ by in 1/256 step, cut off: squares of eight such lanes add up in 32 bits.
template <class V>
MMIP_RULE auto scaled_difference(V a, V b, float inverse) {
    return truncate(smaller(absolute(a - b) * inverse, 8192.0f));
}

// |q|; `rounding` in 1/256: 128 rounds half up, less leaves a dead zone.
template <class I>
MMIP_RULE I quantize_magnitude(I scaled, int32_t rounding) {
    return (scaled + rounding) >> 8;
}

// Bits of an index in 1/4 bit, roughly: token, sign and mantissa.
template <class I>
MMIP_RULE I index_cost(I magnitude) {
    return where(magnitude > 0, 8 + 8 * float_bit_length(magnitude), I{});
}

// A scaled magnitude by another step: `ratio` is the one over the other. Nothing changes where they are equal.
MMIP_RULE float step_ratio(uint32_t from, uint32_t to) { return static_cast<float>(from) / static_cast<float>(to); }

template <class I>
MMIP_RULE I rescaled(I scaled, float ratio) {
    return truncate(smaller(to_float(scaled) * ratio, kLargestScaled));
}

constexpr int64_t kBlockBits = 5;         // a block header, roughly

MMIP_RULE int64_t square(int64_t v) { return v * v; }

constexpr int32_t kHalfUp = 128;          // rounding in 1/256

struct QuantizedDc {
    int32_t index;
    int64_t error;                        // squared, in (1/256 step)^2
};

// Rounded half up; where dc_unit > 1 (a DC image), the DC itself in 1/dc_unit step, whose errors count elsewhere.
MMIP_RULE QuantizedDc quantize_scaled_dc(int32_t scaled, bool negative, int dc_unit) {
    if (dc_unit > 1) {
        const int32_t unit = 256 / dc_unit, parts = (scaled + unit / 2) / unit;
        return {negative ? -parts : parts, 0};
    }
    const int32_t magnitude = quantize_magnitude(scaled, kHalfUp);
    return {negative ? -magnitude : magnitude, square((static_cast<int64_t>(magnitude) << 8) - scaled)};
}

MMIP_RULE QuantizedDc quantize_dc(float dc, float inverse, int dc_unit) { return quantize_scaled_dc(scaled_magnitude(dc, inverse), dc < 0, dc_unit); }

// recon = {0, d1, d2, d3} in 1/64; step_per_unit = step / 64.
MMIP_RULE float dequantize(int32_t index, const int32_t* recon, float step_per_unit) {
    const int32_t sign = index >> 31, magnitude = (index ^ sign) - sign;   // no branch: signs are as good as random
    const int64_t units = static_cast<int64_t>(kReconUnit) * magnitude - recon[magnitude < 3 ? magnitude : 3];
    return static_cast<float>((units ^ sign) - sign) * step_per_unit;
}

// What a decoder of stage 1 alone takes the two lowest AC of a cell along an axis for, from the DCs before, in and after it.
MMIP_RULE float expected_slope(float before, float after) { return (before - after) * 0.171875f; }
MMIP_RULE float expected_bend(float before, float own, float after) { return ((before + after) - (own + own)) * 0.046875f; }

// Nearest integer, half to even, kept within +-2^28 so that whatever was decoded stays an integer.
MMIP_RULE int32_t to_sample(float value) {
    const float limit = 268435456.0f;
    const float kept = value < -limit ? -limit : (value > limit ? limit : value);
#if defined(__CUDA_ARCH__)
    return __float2int_rn(kept);
#else
    return static_cast<int32_t>(__builtin_rintf(kept));
#endif
}

#if !defined(__CUDACC__)
// to_sample, the offset and the clipping of eight values at once, for samples of at most 16 bits: clipped to integers first,
// which rounding leaves alone, then rounded by an addition that leaves the result in the low bits.
struct SampleClip {
    F8 low, high;
    I8 added;

    MMIP_RULE SampleClip(int32_t offset, int32_t minimum, int32_t maximum)
        : low(F8{} + to_float(minimum - offset)), high(F8{} + to_float(maximum - offset)), added(I8{} + (offset - 0x4b400000)) {}

    MMIP_RULE I8 samples(F8 value) const {
        value = value < low ? low : value;
        const F8 rounded = (value > high ? high : value) + 12582912.0f;
        I8 bits;
        __builtin_memcpy(&bits, &rounded, sizeof bits);
        return bits + added;
    }
};
#endif

}  // namespace MMIP_NS
