// Implements phantom.h: 64 samples of a row at a time, of which Philox makes the noise in eight lanes.
#include "passes/samples/phantom.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace mmip {
namespace {

constexpr int kLanes = 8;                   // counters that are worked on together
constexpr int kRun = 8 * kLanes;            // samples of so many counters: 16 bits each

// Philox 4x32-10 (Salmon et al. 2011) with key (0, 0): counters (first + lane, y, z, 0) to four words each.
void philox(uint32_t first, uint32_t y, uint32_t z, uint32_t (&words)[4][kLanes]) {
    uint32_t key[2] = {0, 0};
    for (int i = 0; i < kLanes; ++i) words[0][i] = first + static_cast<uint32_t>(i), words[1][i] = y, words[2][i] = z, words[3][i] = 0;
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < kLanes; ++i) {
            const uint64_t a = uint64_t{0xD2511F53} * words[0][i], b = uint64_t{0xCD9E8D57} * words[2][i];
            words[0][i] = static_cast<uint32_t>(b >> 32) ^ words[1][i] ^ key[0];
            words[1][i] = static_cast<uint32_t>(b);
            words[2][i] = static_cast<uint32_t>(a >> 32) ^ words[3][i] ^ key[1];
            words[3][i] = static_cast<uint32_t>(a);
        }
        key[0] += 0x9E3779B9, key[1] += 0xBB67AE85;
    }
}

// Adds noise to the samples [first, first + kRun) of a row: a bit of sign and 15 bits that choose the quantile.
void add_noise(int64_t first, int64_t y, int64_t z, const uint8_t* magnitudes, uint16_t* samples) {
    uint32_t words[4][kLanes];
    philox(static_cast<uint32_t>(first / 8), static_cast<uint32_t>(y), static_cast<uint32_t>(z), words);
    for (int lane = 0; lane < kLanes; ++lane) {
        for (int half = 0; half < 8; ++half, ++samples) {
            const uint32_t bits = words[half / 2][lane] >> (16 * (half % 2));
            const int negative = -static_cast<int>(bits >> 15 & 1);
            *samples = static_cast<uint16_t>(std::max(*samples + (magnitudes[bits & (kNoiseQuantiles - 1)] ^ negative), 0));
        }
    }
}

double squared(double value, double centre, double semi) {
    const double u = (value - centre) / semi;
    return u * u;
}

double fraction(int64_t place, int64_t length) {
    return (static_cast<double>(place) - static_cast<double>(length) / 2) / static_cast<double>(length);
}

// The samples [first, second) of row (z, y) that lie in a tissue. Squares fall up to its middle and rise after it.
std::pair<int64_t, int64_t> span(const PhantomAxis axes[3], const Tissue& t, int64_t z, int64_t y) {
    const int64_t length = axes[2].length;
    const double up = squared(fraction(y, axes[1].length), t.centre_y, t.semi_y), deep = squared(fraction(z, axes[0].length), 0, t.semi_z);
    const auto inside = [&](int64_t x) { return squared(fraction(x, length), t.centre_x, t.semi_x) + up + deep <= 1; };
    const double centre = (t.centre_x + 0.5) * static_cast<double>(length);
    int64_t first = static_cast<int64_t>(std::floor(centre));
    if (!inside(first) && !inside(++first)) return {0, 0};
    const int64_t middle = first;
    const int64_t reach = static_cast<int64_t>(std::sqrt(std::max(1 - up - deep, 0.0)) * t.semi_x * static_cast<double>(length));
    int64_t last = std::min(middle + reach, length - 1);
    for (first = std::max(middle - reach, int64_t{0}); first < middle && !inside(first);) ++first;
    for (; first > 0 && inside(first - 1);) --first;
    for (; last > middle && !inside(last);) --last;
    for (; last + 1 < length && inside(last + 1);) ++last;
    return {first, last + 1};
}

}  // namespace

void phantom_samples(const PhantomAxis axes[3], const Tissue* tissues, int tissue_count, const uint8_t* magnitudes, uint16_t* samples) {
    std::vector<std::pair<int64_t, int64_t>> spans(static_cast<size_t>(tissue_count));
    const PhantomAxis& along = axes[2];
    uint16_t run[kRun];
    for (int64_t row = 0; row < axes[0].count * axes[1].count; ++row) {
        const int64_t z = axes[0].start + row / axes[1].count * axes[0].step, y = axes[1].start + row % axes[1].count * axes[1].step;
        for (int t = 0; t < tissue_count; ++t) spans[t] = span(axes, tissues[t], z, y);
        for (int64_t done = 0; done < along.count;) {
            const int64_t x = along.start + done * along.step, first = x / kRun * kRun, end = first + kRun;
            std::fill_n(run, kRun, uint16_t{0});
            for (int t = 0; t < tissue_count; ++t) {
                const int64_t from = std::max(spans[t].first, first), to = std::min(spans[t].second, end);
                if (from < to) std::fill(run + (from - first), run + (to - first), static_cast<uint16_t>(tissues[t].value));
            }
            add_noise(first, y, z, magnitudes, run);
            const int64_t count = std::min(along.count - done, (end - 1 - x) / along.step + 1);
            for (int64_t i = 0; i < count; ++i) *samples++ = run[x - first + i * along.step];
            done += count;
        }
    }
}

}  // namespace mmip
