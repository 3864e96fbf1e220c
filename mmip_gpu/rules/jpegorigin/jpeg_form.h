// What a JPEG file fixed before any sample: components, sampling, where its grid lies, its quantization tables.
// Values: plain integers. Host and device. Implements FORMAT.md section 8.10 (form, tables, grid).
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

constexpr int kJpegFull = 0, kJpegHalfX = 1, kJpegHalf = 2, kJpegHalfY = 3;   // chroma: 4:4:4 (and grey), 4:2:2, 4:2:0, 4:4:0
constexpr int kJpegSamplings = 4;
constexpr int kJpegMaxCoefficient = 2047;
constexpr int kJpegOwnTable = 0;                             // quality 0: the steps themselves follow

// Natural position (8 u + v, u downwards) of the k-th coefficient.
MMIP_TABLE uint8_t kJpegZigzag[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

// The example tables of the standard (Annex K), natural order: luma, chroma.
MMIP_TABLE uint8_t kJpegExampleSteps[2][64] = {
    {16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,  14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80, 62,
     18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,  49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99},
    {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}};

// The step of position i at a quality of 1..100.
MMIP_RULE int jpeg_step(int table, int quality, int i) {
    const int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    const int step = (kJpegExampleSteps[table][i] * scale + 50) / 100;
    return step < 1 ? 1 : (step > 255 ? 255 : step);
}

MMIP_RULE bool jpeg_halves_x(int sampling) { return sampling == kJpegHalfX || sampling == kJpegHalf; }
MMIP_RULE bool jpeg_halves_y(int sampling) { return sampling == kJpegHalf || sampling == kJpegHalfY; }

// Image of ny x nx samples that begins offset_y, offset_x samples behind the first block of the grid.
struct JpegForm {
    int32_t ny, nx, components, sampling, offset_y, offset_x;
    uint8_t quality[2];                                      // luma, chroma
    uint8_t steps[2][64];                                    // natural order

    MMIP_RULE int shift_x(int c) const { return c > 0 && jpeg_halves_x(sampling) ? 1 : 0; }
    MMIP_RULE int shift_y(int c) const { return c > 0 && jpeg_halves_y(sampling) ? 1 : 0; }
    MMIP_RULE int unit_x() const { return jpeg_halves_x(sampling) ? 16 : 8; }
    MMIP_RULE int unit_y() const { return jpeg_halves_y(sampling) ? 16 : 8; }
    // Samples of a component, from the first block of the grid on.
    MMIP_RULE int rows(int c) const { return (offset_y + ny + shift_y(c)) >> shift_y(c); }
    MMIP_RULE int columns(int c) const { return (offset_x + nx + shift_x(c)) >> shift_x(c); }
    MMIP_RULE int block_rows(int c) const { return (rows(c) + 7) >> 3; }
    MMIP_RULE int block_columns(int c) const { return (columns(c) + 7) >> 3; }
    // First row of blocks of band `band`; bands are as many as band_rows go into ny, and the last one has what is left.
    MMIP_RULE int band_begin(int c, int band, int band_rows, int bands) const {
        return band >= bands ? block_rows(c) : ((band * band_rows) >> shift_y(c)) >> 3;
    }
    MMIP_RULE const uint8_t* table(int c) const { return steps[c > 0 ? 1 : 0]; }
};

}  // namespace MMIP_NS
