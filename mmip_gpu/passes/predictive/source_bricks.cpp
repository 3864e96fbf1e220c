// See source_bricks.h.
#include "passes/predictive/source_bricks.h"

#include <algorithm>
#include <mutex>

#include "passes/parallel.h"
#include "passes/samples/statistics.h"
#include "rules/tokens/symbols.h"

namespace mmip {
namespace {

constexpr int64_t kPart = 1 << 18;           // samples looked at together
constexpr int64_t kMostRange = 1 << 20;
constexpr int kFullShare = 60;               // percent of the range: with more distinct values they are not ranked

template <class Work>
void by_type(const Samples& samples, const Work& work) {
    switch (samples.type) {
        case kSampleU8: return work(static_cast<const uint8_t*>(samples.data));
        case kSampleI8: return work(static_cast<const int8_t*>(samples.data));
        case kSampleU16: return work(static_cast<const uint16_t*>(samples.data));
        case kSampleI16: return work(static_cast<const int16_t*>(samples.data));
        default: return work(static_cast<const int32_t*>(samples.data));
    }
}

}  // namespace

BrickMemory::BrickMemory(const BrickLayout& layout, int components) {
    size_t full[3];
    for (int a = 0; a < 3; ++a) full[a] = static_cast<size_t>(std::min(int64_t{1} << layout.brick_log2[a], layout.shape[a]));
    for (int i = 0; i < components; ++i) {
        values[i].assign(full[0] * full[1] * (full[2] + kRowRoom) + kRowRoom, 0);
        residuals[i] = values[i];
    }
}

SourceBricks::SourceBricks(PredictiveForm& form, const Samples& samples, bool ranked, int threads) : form_(form), samples_(samples) {
    const BrickLayout& layout = form.layout;
    const int64_t count = layout.planes * layout.shape[0] * layout.shape[1] * layout.shape[2];
    const SampleStatistics s = sample_statistics(samples, count, threads);
    const int64_t range = static_cast<int64_t>(s.high) - s.low + 1;
    offset_ = form.offset = s.low;
    int64_t most = (range - 1 + form.near) / (2 * form.near + 1);
    if (ranked && form.near == 0 && range > 2 && range <= kMostRange) {
        std::vector<uint8_t> is_present(static_cast<size_t>(range), 0);
        parallel_for((count + kPart - 1) / kPart, threads, [&](int64_t part, int) {
            by_type(samples, [&](const auto* from) {
                for (int64_t i = part * kPart, end = std::min(count, (part + 1) * kPart); i < end; ++i)
                    __atomic_store_n(&is_present[static_cast<size_t>(static_cast<int32_t>(from[i]) - s.low)], uint8_t{1}, __ATOMIC_RELAXED);
            });
        });
        find_values(is_present, s.low);
        if (!values_.empty()) most = static_cast<int64_t>(values_.size()) - 1;
    }
    form.bits = std::max(1, bit_length(static_cast<uint32_t>(most)));
}

void SourceBricks::find_values(const std::vector<uint8_t>& is_present, int32_t low) {
    const size_t found = static_cast<size_t>(std::count(is_present.begin(), is_present.end(), uint8_t{1}));
    if (100 * found >= kFullShare * is_present.size()) return;
    ranks_.assign(is_present.size(), 0);
    for (size_t i = 0; i < is_present.size(); ++i) {
        if (!is_present[i]) continue;
        ranks_[i] = static_cast<int32_t>(values_.size());
        values_.push_back(low + static_cast<int32_t>(i));
    }
}

void SourceBricks::load(int64_t group, int64_t number, int colour_form, BrickMemory& memory) const {
    const BrickLayout& layout = form_.layout;
    const Brick b = memory.brick = layout.brick(number);
    memory.strides.row = b.extent[2] + kRowRoom;
    memory.strides.slice = memory.strides.row * b.extent[1];
    const int32_t step = 2 * form_.near + 1, half = form_.near;
    for (int i = 0; i < form_.components; ++i) {
        const int64_t plane = group * form_.components + i, first = plane * layout.shape[0] * layout.shape[1] * layout.shape[2];
        int32_t* to = memory.of(i);
        by_type(samples_, [&](const auto* samples) {
            for (int z = 0; z < b.extent[0]; ++z)
                for (int y = 0; y < b.extent[1]; ++y) {
                    const auto* from = samples + first + ((b.origin[0] + z) * layout.shape[1] + b.origin[1] + y) * layout.shape[2] + b.origin[2];
                    int32_t* row = to + z * memory.strides.slice + y * memory.strides.row;
                    if (!ranks_.empty())
                        for (int x = 0; x < b.extent[2]; ++x) row[x] = ranks_[static_cast<size_t>(static_cast<int32_t>(from[x]) - offset_)];
                    else if (half == 0)
                        for (int x = 0; x < b.extent[2]; ++x) row[x] = static_cast<int32_t>(from[x]) - offset_;
                    else
                        for (int x = 0; x < b.extent[2]; ++x) row[x] = (static_cast<int32_t>(from[x]) - offset_ + half) / step;
                }
        });
    }
    const auto for_rows = [&](const auto& work) {
        for (int z = 0; z < b.extent[0]; ++z)
            for (int y = 0; y < b.extent[1]; ++y) work(z * memory.strides.slice + y * memory.strides.row, y);
    };
    if (form_.components == kMaxComponents)
        for_rows([&](int64_t row, int) {
            int32_t *r = memory.of(0) + row, *g = memory.of(1) + row, *blue = memory.of(2) + row;
            for (int x = 0; x < b.extent[2]; ++x) {
                int32_t c[kMaxComponents];
                to_components(colour_form, form_.bits, r[x], g[x], blue[x], c);
                r[x] = c[0], g[x] = c[1], blue[x] = c[2];
            }
        });
    for (int i = 0; i < form_.components; ++i)
        for_rows([&](int64_t at, int y) {
            int32_t* row = memory.of(i) + at;
            row[-1] = row[-2] = y > 0 ? row[-memory.strides.row] : row[0];
            row[b.extent[2]] = row[b.extent[2] - 1];
        });
}

}  // namespace mmip
