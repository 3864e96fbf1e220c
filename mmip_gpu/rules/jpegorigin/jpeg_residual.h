// What decoding the coefficients of a JPEG does not give back: residuals of pixels as mixed bits, a flag for each block of 8 x 8.
// Values: pixel minus decoded pixel, components last, in and out of a range code. Host and device.
// Implements FORMAT.md section 8.10 (residual). The walk is the same for writing and reading.
#pragma once

#include "rules/jpegorigin/coefficients.h"

namespace MMIP_NS {

constexpr int kJpegFlagNode = 30;

// Rows of residuals as wide as the image; zeros lie around them.
struct JpegResidual {
    int16_t* values;
    int ny, nx, components;

    MMIP_RULE int at(int y, int x, int c) const {
        return y < 0 || x < 0 || x >= nx || c < 0 ? 0 : values[(static_cast<int64_t>(y) * nx + x) * components + c];
    }
    MMIP_RULE bool any(int y0, int y1, int x0, int x1) const {
        for (int y = y0; y < y1; ++y)
            for (int64_t i = static_cast<int64_t>(x0) * components; i < static_cast<int64_t>(x1) * components; ++i)
                if (values[static_cast<int64_t>(y) * nx * components + i] != 0) return true;
        return false;
    }
};

// Rows y0 .. y1 - 1 and columns x0 .. x1 - 1 of a block; flags of the blocks at its left and above. Returns its own flag.
template <class Coder>
MMIP_RULE int code_residual_block(JpegValues<Coder>& coder, const JpegResidual& r, int y0, int y1, int x0, int x1, int west, int north) {
    coder.chroma = 0, coder.kind = kJpegResidual, coder.set = 0;
    const int around = west + 2 * north + 4 * (y1 - y0 < 8 ? 1 : 0) + 8 * (x1 - x0 < 8 ? 1 : 0);
    for (int i = 0; i < kMixInputs; ++i) coder.context(i, i < 2 ? around : 0);
    const int flag = coder.bit(kJpegFlagNode, r.any(y0, y1, x0, x1) ? 1 : 0);
    for (int y = y0; y < y1 && flag != 0; ++y)
        for (int x = x0; x < x1; ++x)
            for (int c = 0; c < r.components; ++c) {
                const int w = r.at(y, x - 1, c), n = r.at(y - 1, x, c), d = r.at(y - 1, x - 1, c), e = x + 1 < x1 || y == y0 ? r.at(y - 1, x + 1, c) : 0;
                const int before = r.at(y, x, c - 1), first = c > 1 ? r.at(y, x, 0) : 0;
                const int near = jpeg_least(jpeg_abs(w) + jpeg_abs(n), 15), more = jpeg_least(near + jpeg_abs(d) + jpeg_abs(e), 31);
                coder.context(0, near * 3 + c);
                coder.context(1, (jpeg_level(w) * 5 + jpeg_level(n)) * 3 + c);
                coder.context(2, (jpeg_level(before) * 5 + jpeg_level(first)) * 3 + c);
                coder.context(3, ((jpeg_level(before) * 5 + jpeg_level(w)) * 5 + jpeg_level(n)) * 3 + c);
                coder.context(4, more * 3 + c);
                coder.context(5, ((before + first) & 0x1FF) * 3 + c);
                coder.context(6, (((w + n) & 0x1FF) * 3 + c));
                coder.context(7, (around * 8 + (y & 7)) * 8 + (x & 7));
                coder.set = jpeg_least(jpeg_abs(before) + near, 7);
                r.values[(static_cast<int64_t>(y) * r.nx + x) * r.components + c] = static_cast<int16_t>(coder.value(r.at(y, x, c)));
            }
    return flag;
}

}  // namespace MMIP_NS
