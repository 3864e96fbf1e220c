// The quantized coefficients of a JPEG file from its pixels, its form being known.
// Values: pixels as bytes, components last; blocks of coefficients out. Home: host. FORMAT.md section 8.10 says what decoding them gives.
#pragma once

#include "passes/jpegorigin/jpeg_image.h"
#include "passes/jpegorigin/jpeg_pixels.h"

namespace mmip {

struct JpegFit {
    JpegForm form;
    JpegComponents components;
    int64_t wrong = 0;                                       // pixels that decoding does not give back
};

JpegFit recover_jpeg(const JpegForm& form, const uint8_t* pixels, const JpegPixels& exact, int rounds, int threads);

// More rounds, from what was found.
void improve_jpeg(JpegFit& fit, const uint8_t* pixels, const JpegPixels& exact, int rounds, int threads);

// Fewer pixels wrong, where single blocks can be mended: one that is cut, or has small steps.
void repair_jpeg(JpegFit& fit, const uint8_t* pixels, const JpegPixels& exact, int threads);

}  // namespace mmip
