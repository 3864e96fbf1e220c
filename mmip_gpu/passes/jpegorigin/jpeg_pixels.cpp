// See jpeg_pixels.h.
#include "passes/jpegorigin/jpeg_pixels.h"

#include <algorithm>
#include <cstdlib>

#include "passes/parallel.h"
#include "rules/jpegorigin/jpeg_colour.h"

namespace mmip {
namespace {

bool saturated(const uint8_t* p, int components) {
    for (int c = 0; c < components; ++c)
        if (p[c] == 0 || p[c] == 255) return true;
    return false;
}

bool gives(int y, int cb, int cr, const uint8_t* rgb) {
    if (y < 0 || y > 255 || cb < 0 || cb > 255 || cr < 0 || cr > 255) return false;
    const JpegColour p = jpeg_colour(y, cb, cr);
    return jpeg_clamp(p.r) == rgb[0] && jpeg_clamp(p.g) == rgb[1] && jpeg_clamp(p.b) == rgb[2];
}

}  // namespace

// 2^16 times the weights of the standard; then the neighbours of what is nearest.
bool jpeg_ycc_of(const uint8_t* rgb, int* ycc) {
    const int r = rgb[0], g = rgb[1], b = rgb[2];
    ycc[0] = jpeg_clamp((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
    ycc[1] = jpeg_clamp(128 + ((-11058 * r - 21710 * g + 32768 * b + 32768) >> 16));
    ycc[2] = jpeg_clamp(128 + ((32768 * r - 27439 * g - 5329 * b + 32768) >> 16));
    if (gives(ycc[0], ycc[1], ycc[2], rgb)) return true;
    for (int dy = -1; dy <= 1; ++dy)
        for (int db = -1; db <= 1; ++db)
            for (int dr = -1; dr <= 1; ++dr)
                if (gives(ycc[0] + dy, ycc[1] + db, ycc[2] + dr, rgb)) {
                    ycc[0] += dy, ycc[1] += db, ycc[2] += dr;
                    return true;
                }
    return false;
}

JpegReach jpeg_reach(const uint8_t* rgb, int64_t pixels, int64_t step) {
    JpegReach reach;
    for (int64_t i = 0; i < pixels; i += step) {
        const uint8_t* p = rgb + 3 * i;
        if (saturated(p, 3) || (p[0] == p[1] && p[1] == p[2])) continue;
        int ycc[3];
        ++reach.counted;
        reach.reached += jpeg_ycc_of(p, ycc) ? 1 : 0;
    }
    return reach;
}

JpegPixels jpeg_pixels_of(const uint8_t* pixels, int64_t count, int components, int threads) {
    JpegPixels all;
    for (int c = 0; c < components; ++c) all.planes[c].resize(count);
    all.known.resize(count);
    constexpr int64_t kPiece = 1 << 14;
    parallel_for((count + kPiece - 1) / kPiece, threads, [&](int64_t piece, int) {
        for (int64_t i = piece * kPiece; i < std::min(count, (piece + 1) * kPiece); ++i) {
            const uint8_t* p = pixels + components * i;
            all.known[i] = saturated(p, components) ? 0 : 1;
            if (components == 1) {
                all.planes[0][i] = p[0];
                continue;
            }
            int ycc[3];
            if (!jpeg_ycc_of(p, ycc)) all.known[i] = 0;
            for (int c = 0; c < 3; ++c) all.planes[c][i] = static_cast<int16_t>(ycc[c]);
        }
    });
    return all;
}

}  // namespace mmip
