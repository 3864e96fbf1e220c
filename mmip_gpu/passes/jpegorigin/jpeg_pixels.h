// From RGB pixels back to the Y, Cb, Cr that a JPEG decoder made them of.
// Values: bytes, components last; one integer triple for each pixel that has one. Home: host. FORMAT.md section 8.10 (colour).
#pragma once

#include <cstdint>
#include <vector>

namespace mmip {

// How many of the pixels looked at have Y, Cb, Cr that give exactly them; grey and saturated pixels are not counted.
struct JpegReach {
    int64_t reached = 0, counted = 0;
};

struct JpegPixels {
    std::vector<int16_t> planes[3];
    std::vector<uint8_t> known;                              // 0: saturated, or not reached: the planes hold what is nearest
};

bool jpeg_ycc_of(const uint8_t* rgb, int* ycc);
JpegReach jpeg_reach(const uint8_t* rgb, int64_t pixels, int64_t step);
JpegPixels jpeg_pixels_of(const uint8_t* pixels, int64_t count, int components, int threads);

}  // namespace mmip
