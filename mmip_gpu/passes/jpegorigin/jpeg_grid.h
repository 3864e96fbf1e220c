// Looks for the grid of blocks that a JPEG file left in its pixels.
// Values: windows of samples; how many coefficients of the blocks at each of 64 places of the grid are almost zero. Home: host.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

namespace mmip {

constexpr int kJpegWindow = 15;                              // samples of a window on y and x: 8 x 8 places of a block
using JpegWindow = float[kJpegWindow][kJpegWindow];

struct JpegGrid {
    int y = 0, x = 0;                                        // first row and column of a block
    int second_y = 0, second_x = 0;                          // of the next best place: a file saved twice has two grids
    int share = 0, rest = 0;                                 // of coefficients near zero, in 1/1000: at the best place, at the third
    std::array<int, 64> counts{};                            // 8 y + x

    bool clear() const { return share - rest >= 20 || 1000 - rest > (1000 - share) * 13 / 10; }
};

// Windows that are not flat, about `windows` of them over ny x nx samples; load(y, x, window) fills one.
JpegGrid find_jpeg_grid(int ny, int nx, int windows, const std::function<void(int, int, JpegWindow&)>& load);

}  // namespace mmip
