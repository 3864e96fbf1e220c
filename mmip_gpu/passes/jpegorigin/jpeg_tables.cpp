// See jpeg_tables.h.
#include "passes/jpegorigin/jpeg_tables.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "passes/jpegorigin/jpeg_dct.h"

namespace mmip {
namespace {

constexpr float kCounted = 2.6f;                             // smaller ones may be zeros and their errors
constexpr int kMostBlocks = 6000, kMostValues = 600, kSteps = 256;

using Scores = std::array<std::array<float, kSteps>, 64>;
using Values = std::array<std::vector<float>, 64>;

// log2 of how much likelier a value is if it is a multiple of the step than if it is any number. Errors have a sigma of 0.36 where
// a block has many coefficients; where it has few, all roundings go the same way, the DC's most of all.
float step_score(float value, int step, float log, bool dc) {
    const float multiple = std::floor(value / static_cast<float>(step) + 0.5f) * static_cast<float>(step), d = std::fabs(value - multiple);
    if (multiple == 0.f) return -6.f;
    const float score = dc ? -2.5f - 0.136f * d * d : (d < 0.6f ? 0.15f - 5.57f * d * d : -1.85f - 1.5f * (d - 0.6f));
    return std::max(log + score, -6.f);
}

float approximate_log2(int v) {
    int whole = 0;
    while (v >> (whole + 1) != 0) ++whole;
    return static_cast<float>(whole) + static_cast<float>(v) / static_cast<float>(1 << whole) - 1.f;
}

bool block_known(const uint8_t* known, int stride, int y, int x) {
    for (int i = 0; i < 8 && known != nullptr; ++i)
        for (int j = 0; j < 8; ++j)
            if (known[static_cast<int64_t>(y + i) * stride + x + j] == 0) return false;
    return true;
}

Values large_coefficients(const FloatPlane& plane, int y0, int x0, const uint8_t* known) {
    Values values;
    const int64_t rows = std::max(0, (plane.ny - y0) / 8), columns = std::max(0, (plane.nx - x0) / 8), all = rows * columns;
    const int64_t stride = std::max<int64_t>(1, all / kMostBlocks);
    for (int64_t i = 0; i < all; i += stride) {
        const int y = y0 + 8 * static_cast<int>(i / columns), x = x0 + 8 * static_cast<int>(i % columns);
        if (!block_known(known, plane.nx, y, x)) continue;
        float in[64], out[64];
        for (int k = 0; k < 64; ++k) in[k] = plane.row(y + k / 8)[x + k % 8] - 128.f;
        jpeg_forward(in, out);
        for (int k = 0; k < 64; ++k)
            if (std::fabs(out[k]) > kCounted && values[k].size() < kMostValues) values[k].push_back(std::fabs(out[k]));
    }
    return values;
}

}  // namespace

JpegTable find_jpeg_table(const FloatPlane& plane, int y0, int x0, const uint8_t* known, int table, int expected) {
    const Values values = large_coefficients(plane, y0, x0, known);
    Scores scores{};
    for (int step = 1; step < kSteps; ++step) {
        const float log = approximate_log2(step);
        for (int k = 0; k < 64; ++k)
            for (const float v : values[k]) scores[k][step] += step_score(v, step, log, k == 0);
    }
    JpegTable found;
    const auto total = [&](int quality) {
        float sum = 0;
        for (int k = 0; k < 64; ++k) sum += scores[k][jpeg_step(table, quality, k)];
        return sum;
    };
    found.quality = expected > 0 ? expected : 50;
    float best = total(found.quality) + (expected > 0 ? 5.f : 0.f);
    for (int quality = 1; quality <= 100; ++quality)
        if (const float sum = total(quality); sum > best) best = sum, found.quality = quality;
    for (int k = 0; k < 64; ++k) {
        found.steps[k] = static_cast<uint8_t>(jpeg_step(table, found.quality, k));
        found.own[k] = found.steps[k];
        if (values[k].empty()) continue;
        found.own[k] = static_cast<uint8_t>(std::max_element(scores[k].begin() + 1, scores[k].end()) - scores[k].begin());
    }
    return found;
}

}  // namespace mmip
