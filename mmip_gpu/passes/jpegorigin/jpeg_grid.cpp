// See jpeg_grid.h.
#include "passes/jpegorigin/jpeg_grid.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "passes/jpegorigin/jpeg_dct.h"

namespace mmip {
namespace {

constexpr int kWindow = kJpegWindow;
constexpr float kNearZero = 0.9f;                            // three times the error that rounding leaves

// Adds for each of 8 x 8 places of a block in the window how many of its AC coefficients are almost zero.
void count_window(const JpegWindow& window, std::array<int, 64>& counts) {
    float across[kWindow][8][8];                             // row, frequency, place
    for (int y = 0; y < kWindow; ++y) {
        const float* row = window[y];
        for (int v = 0; v < 8; ++v)
            for (int p = 0; p < 8; ++p) {
                float sum = 0;
                for (int x = 0; x < 8; ++x) sum += kJpegDct[v][x] * row[p + x];
                across[y][v][p] = sum;
            }
    }
    for (int q = 0; q < 8; ++q)
        for (int p = 0; p < 8; ++p) {
            int near = 0;
            for (int u = 0; u < 8; ++u)
                for (int v = 0; v < 8; ++v) {
                    float sum = 0;
                    for (int y = 0; y < 8; ++y) sum += kJpegDct[u][y] * across[q + y][v][p];
                    near += u + v > 0 && std::fabs(sum) < kNearZero;
                }
            counts[8 * q + p] += near;
        }
}

bool flat(const JpegWindow& window) {
    for (const auto& row : window)
        for (const float v : row)
            if (v != window[0][0]) return false;
    return true;
}

}  // namespace

JpegGrid find_jpeg_grid(int ny, int nx, int windows, const std::function<void(int, int, JpegWindow&)>& load) {
    JpegGrid grid;
    const int rows = (ny - kWindow) / 8 + 1, columns = (nx - kWindow) / 8 + 1;
    if (ny < kWindow || nx < kWindow) return grid;
    const int64_t all = static_cast<int64_t>(rows) * columns;
    const int64_t stride = std::max<int64_t>(1, all / windows) | 1;   // odd, so that it visits other columns in the next row
    std::array<int, 64>& counts = grid.counts;
    int used = 0;
    for (int64_t i = 0, tried = 0; tried < all && tried < 2 * windows && used < windows; ++tried, i = (i + stride) % all) {
        const int y = 8 * static_cast<int>(i / columns), x = 8 * static_cast<int>(i % columns);
        JpegWindow window;
        load(y, x, window);
        if (flat(window)) continue;
        count_window(window, counts);
        ++used;
    }
    const int64_t coefficients = 63 * used;
    if (used == 0) return grid;
    std::array<int, 64> order;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return counts[a] > counts[b]; });
    grid.y = order[0] / 8, grid.x = order[0] % 8;
    grid.second_y = order[1] / 8, grid.second_x = order[1] % 8;
    grid.share = static_cast<int>(1000 * counts[order[0]] / coefficients);
    grid.rest = static_cast<int>(1000 * counts[order[2]] / coefficients);
    return grid;
}

}  // namespace mmip
