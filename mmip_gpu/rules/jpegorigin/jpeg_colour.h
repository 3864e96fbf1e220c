// Chroma of JPEG decoders to full size ("fancy" upsampling), and YCbCr to RGB by integers.
// Values: samples 0..255. Host and device. Implements FORMAT.md section 8.10 (upsampling, colour).
#pragma once

#include "rules/jpegorigin/idct.h"

namespace MMIP_NS {

struct JpegColour {
    int r, g, b;
};

// Without the clamp to 0..255.
MMIP_RULE JpegColour jpeg_colour(int y, int cb, int cr) {
    cb -= 128, cr -= 128;
    return {y + ((91881 * cr + 32768) >> 16), y + ((-22554 * cb - 46802 * cr + 32768) >> 16), y + ((116130 * cb + 32768) >> 16)};
}

// Sample x of a row that is twice as wide: `at` the sums of two rows (4:2:0) or one row (4:2:2), `count` samples of it.
// unit: 1 for one row, 4 for sums that are four times a sample.
template <class Row>
MMIP_RULE int jpeg_upsampled(const Row& at, int count, int x, int unit) {
    const int i = x >> 1, v = at(i);
    const int half = (x & 1) != 0 ? (unit == 1 ? 2 : 7) : (unit == 1 ? 1 : 8);
    if (count <= 2) return (4 * v + 2 * unit) / (4 * unit);
    const int j = (x & 1) != 0 ? i + 1 : i - 1;
    const bool outside = j < 0 || j >= count;
    if (outside) return unit == 1 ? v : (4 * v + ((x & 1) != 0 ? 7 : 8)) >> 4;
    return (3 * v + at(j) + half) >> (unit == 1 ? 2 : 4);
}

}  // namespace MMIP_NS
