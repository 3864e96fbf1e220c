// Finds the JPEG file that an image was, from the pixels alone: grid, sampling, tables, coefficients.
// Values: pixels as bytes, components last. Home: host. What is found is checked by decoding; nothing is taken on trust.
#pragma once

#include "passes/jpegorigin/jpeg_recover.h"

namespace mmip {

// What is seen without looking for coefficients.
struct JpegTrace {
    bool decoded = false;                                    // all pixels are among those that a decoder gives: only colour tells
    bool grid = false;                                       // blocks show
    int grid_y = 0, grid_x = 0;
};

// Samples of 64 windows; for colour also whether pixels have Y, Cb, Cr at all.
JpegTrace probe_jpeg(const uint8_t* pixels, int ny, int nx, int components);

// The best fit, or one whose `wrong` is -1 where none gives back `least` of 1000 pixels.
JpegFit find_jpeg(const uint8_t* pixels, int ny, int nx, int components, int least, int threads);

}  // namespace mmip
