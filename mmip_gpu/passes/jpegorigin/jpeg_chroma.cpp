// See jpeg_chroma.h.
#include "passes/jpegorigin/jpeg_chroma.h"

#include <algorithm>

namespace mmip {
namespace {

// Sample j of a line: weights -1, 3, 3, -1 over 4 on the four around it undo the weights 1, 3 of upsampling.
template <class At>
float down(const At& at, int j, int odd, int n) {
    const auto inside = [&](int k) { return at(std::clamp(2 * j - odd + k, 0, n - 1)); };
    return 0.75f * (inside(0) + inside(1)) - 0.25f * (inside(-1) + inside(2));
}

}  // namespace

FloatPlane downsampled(const FloatPlane& full, bool half_x, bool half_y, int odd_x, int odd_y) {
    FloatPlane across(full.ny, half_x ? (full.nx + odd_x + 1) / 2 : full.nx);
    for (int y = 0; y < full.ny; ++y) {
        const float* in = full.row(y);
        float* out = across.row(y);
        for (int x = 0; x < across.nx; ++x) out[x] = half_x ? down([&](int k) { return in[k]; }, x, odd_x, full.nx) : in[x];
    }
    if (!half_y) return across;
    FloatPlane both((full.ny + odd_y + 1) / 2, across.nx);
    for (int y = 0; y < both.ny; ++y)
        for (int x = 0; x < both.nx; ++x) both.row(y)[x] = down([&](int k) { return across.row(k)[x]; }, y, odd_y, full.ny);
    return both;
}

float upsampling_misses(const FloatPlane& full, const FloatPlane& samples, bool half_x, bool half_y, int odd_x, int odd_y, const uint8_t* known) {
    const auto other = [](int at, int odd, int m) { return std::clamp(((at + odd) & 1) != 0 ? ((at + odd) >> 1) + 1 : ((at + odd) >> 1) - 1, 0, m - 1); };
    int64_t missed = 0, count = 1;
    for (int y = 0; y < full.ny; y += 3) {
        const int j = half_y ? (y + odd_y) >> 1 : y, k = half_y ? other(y, odd_y, samples.ny) : y;
        const float *near = samples.row(j), *far = samples.row(k);
        for (int x = 0; x < full.nx; ++x) {
            if (known[static_cast<int64_t>(y) * full.nx + x] == 0) continue;
            const int i = half_x ? (x + odd_x) >> 1 : x, h = half_x ? other(x, odd_x, samples.nx) : x;
            const float a = 0.75f * near[i] + 0.25f * far[i], b = 0.75f * near[h] + 0.25f * far[h];
            const float d = full.row(y)[x] - (0.75f * a + 0.25f * b);
            missed += d * d > 1.5f ? 1 : 0;
            ++count;
        }
    }
    return static_cast<float>(missed) / static_cast<float>(count);
}

}  // namespace mmip
