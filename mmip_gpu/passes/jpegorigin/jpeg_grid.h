// Looks for the grid of blocks that a JPEG file left in its pixels.
// Values: a plane of samples; how many coefficients of the blocks at each of 64 places of the grid are almost zero. Home: host.
#pragma once

#include <array>
#include <cstdint>

namespace mmip {

struct JpegPlane {
    const int16_t* samples;
    int ny, nx;
    int64_t stride;
};

struct JpegGrid {
    int y = 0, x = 0;                                        // first row and column of a block
    int second_y = 0, second_x = 0;                          // of the next best place: a file saved twice has two grids
    int share = 0, rest = 0;                                 // of coefficients near zero, in 1/1000: at the best place, at the third
    std::array<int, 64> counts{};                            // 8 y + x

    bool clear() const { return share - rest >= 20 || 1000 - rest > (1000 - share) * 13 / 10; }
};

// Windows of 15 x 15 samples that are not flat, about `windows` of them over the plane.
JpegGrid find_jpeg_grid(const JpegPlane& plane, int windows);

}  // namespace mmip
