// The arithmetic of soft compression: planes of one colour, residuals, layers, gaps and escapes.
// Values: one sample, residual or gap. Host and device, integers alone. Implements FORMAT.md section 8.11.
#pragma once

#include "rules/coding/bitstream.h"

namespace MMIP_NS {

constexpr int kSoftMinDepth = 8, kSoftMaxDepth = 16;  // bits of a sample
constexpr int kSoftMaxComponents = 255;
constexpr int kSoftMaxDetailBits = 5, kSoftMaxRawBits = 8;
constexpr int kSoftPairLimit = 13, kSoftShapeLimit = 15;  // longest codewords
constexpr int kSoftMaxShapes = 1 << 13;
constexpr int kSoftSide = 4;                          // largest height and width of a shape
constexpr int kSoftCellBits = 8;                      // of a cell in a codebook, at most
constexpr int kSoftMinTileLog2 = 3, kSoftMaxTileLog2 = 12;
constexpr int kSoftParameterBits = 10;                // of the Golomb parameter

// Three samples of one position, or its components Y, U, V.
struct SoftColour {
    int32_t a, b, c;
};

MMIP_RULE SoftColour soft_colour_forward(int32_t red, int32_t green, int32_t blue) {
    return {(red + 2 * green + blue) >> 2, red - green, blue - green};
}

MMIP_RULE SoftColour soft_colour_inverse(int32_t y, int32_t u, int32_t v) {
    const int32_t green = y - ((u + v) >> 2);
    return {u + green, green, v + green};
}

// A residual of a plane with `bits` bits, wrapped and made non-negative: 0, -1, 1, -2, 2 .. become 0, 1, 2, 3, 4 ..
MMIP_RULE uint32_t soft_fold(int32_t sample, int32_t prediction, int bits) {
    const uint32_t wrapped = static_cast<uint32_t>(sample - prediction) << (32 - bits);
    const int32_t residual = static_cast<int32_t>(wrapped) >> (32 - bits);
    return static_cast<uint32_t>(residual > 0 ? 2 * residual : -2 * residual - (residual < 0 ? 1 : 0));
}

MMIP_RULE int32_t soft_unfold(uint32_t folded, int32_t prediction, int bits) {
    const int32_t half = static_cast<int32_t>((folded + 1) >> 1);
    const int32_t residual = (folded & 1) != 0 ? -half : half;
    return static_cast<int32_t>(static_cast<uint32_t>(prediction + residual) & ((uint32_t{1} << bits) - 1));
}

// W + N - NW, kept between W and N.
MMIP_RULE int32_t soft_prediction(int32_t west, int32_t north, int32_t northwest) {
    const int32_t low = west < north ? west : north, high = west < north ? north : west, plane = west + north - northwest;
    const int32_t capped = plane < high ? plane : high;
    return capped > low ? capped : low;
}

// Golomb code of a gap: quotient in unary, remainder in truncated binary.
MMIP_RULE int soft_gap_bits(uint32_t gap, uint32_t parameter) {
    const int k = bit_length(parameter - 1);
    const uint32_t shorter = (uint32_t{1} << k) - parameter, quotient = gap / parameter;
    return static_cast<int>(quotient) + 1 + k - (gap - quotient * parameter < shorter ? 1 : 0);
}

MMIP_RULE void soft_put_gap(BitWriter& out, uint32_t gap, uint32_t parameter) {
    const int k = bit_length(parameter - 1);
    const uint32_t shorter = (uint32_t{1} << k) - parameter;
    uint32_t quotient = gap / parameter;
    const uint32_t rest = gap - quotient * parameter;
    for (; quotient >= 32; quotient -= 32) out.put(0xffffffffu, 32);
    out.put((uint64_t{1} << (quotient + 1)) - 2, static_cast<int>(quotient) + 1);
    if (rest < shorter) out.put(rest, k > 0 ? k - 1 : 0);
    else out.put(rest + shorter, k);
}

// A gap of at most `most`; a larger one comes back as `most` + 1.
MMIP_RULE uint32_t soft_take_gap(BitReader& bits, uint32_t parameter, uint32_t most) {
    const int k = bit_length(parameter - 1);
    const uint32_t shorter = (uint32_t{1} << k) - parameter;
    uint64_t base = 0;
    for (;;) {
        bits.refill();
        const uint32_t ones = ~bits.peek(32);
        if (ones != 0) {
            const int count = 32 - bit_length(ones);
            base += static_cast<uint64_t>(count) * parameter;
            bits.skip(count + 1);
            break;
        }
        base += uint64_t{32} * parameter;
        bits.skip(32);
        if (base > most) return most + 1;
    }
    bits.refill();
    uint32_t rest = bits.take(k > 0 ? k - 1 : 0);
    if (k > 0 && rest >= shorter) rest = (rest << 1 | bits.take(1)) - shorter;
    return base + rest > most ? most + 1 : static_cast<uint32_t>(base + rest);
}

}  // namespace MMIP_NS
