// See source_bricks.h.
#include "passes/predictive/source_bricks.h"

#include <algorithm>
#include <atomic>

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

// work(where, z, y) for each row of a brick.
template <class Work>
void for_rows(const Brick& b, LaneStrides strides, const Work& work) {
    for (int z = 0; z < b.extent[0]; ++z)
        for (int y = 0; y < b.extent[1]; ++y) work(z * strides.slice + y * strides.row, z, y);
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
    const int64_t groups = layout.planes / form.components();
    const int64_t count = groups * form.channels * layout.shape[0] * layout.shape[1] * layout.shape[2];
    const SampleStatistics s = sample_statistics(samples, count, threads);
    const int64_t range = static_cast<int64_t>(s.high) - s.low + 1;
    offset_ = form.offset = s.low;
    int64_t most = (range - 1 + form.near) / (2 * form.near + 1);
    if (ranked && form.near == 0 && range > 2 && range <= kMostRange) {
        find_values(count, s.low, static_cast<size_t>(range), threads);
        if (!values_.empty()) most = static_cast<int64_t>(values_.size()) - 1;
    }
    value_bits_ = std::max(1, bit_length(static_cast<uint32_t>(most)));
    if (form.channels == kMaxComponents && form.near == 0) find_palette();
}

namespace {

constexpr size_t kSlots = size_t{4} * kMaxPalette;

size_t slot_of(const int32_t* c) {
    const uint64_t key = static_cast<uint32_t>(c[0]) * uint64_t{0x9e3779b97f4a7c15} ^ static_cast<uint32_t>(c[1]) * uint64_t{0xc2b2ae3d27d4eb4f} ^
                         static_cast<uint32_t>(c[2]) * uint64_t{0x165667b19e3779f9};
    return static_cast<size_t>(key >> 40) % kSlots;
}

int64_t lightness(const std::array<int32_t, 3>& c) { return int64_t{299} * c[0] + int64_t{587} * c[1] + int64_t{114} * c[2]; }

}  // namespace

int SourceBricks::number_of(const int32_t* colour) const {
    for (size_t slot = slot_of(colour);; slot = (slot + 1) % kSlots) {
        const int32_t number = slots_[slot];
        if (number < 0 || std::equal(colour, colour + 3, palette_[number].begin())) return number;
    }
}

// All colours, unless there are too many.
void SourceBricks::find_palette() {
    const BrickLayout& layout = form_.layout;
    const int64_t volume = layout.shape[0] * layout.shape[1] * layout.shape[2], groups = layout.planes / form_.components();
    slots_.assign(kSlots, -1);
    const auto add = [&](const int32_t* colour) {
        size_t slot = slot_of(colour);
        while (slots_[slot] >= 0) slot = (slot + 1) % kSlots;
        slots_[slot] = static_cast<int32_t>(palette_.size());
        palette_.push_back({colour[0], colour[1], colour[2]});
    };
    by_type(samples_, [&](const auto* samples) {
        for (int64_t group = 0; group < groups; ++group) {
            const auto* r = samples + group * 3 * volume;
            for (int64_t i = 0; i < volume; ++i) {
                const int32_t colour[3] = {static_cast<int32_t>(r[i]), static_cast<int32_t>(r[i + volume]), static_cast<int32_t>(r[i + 2 * volume])};
                if (number_of(colour) >= 0) continue;
                if (palette_.size() == static_cast<size_t>(kMaxPalette)) return palette_.clear();
                add(colour);
            }
        }
    });
    std::vector<std::array<int32_t, 3>> sorted(std::move(palette_));
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return std::make_pair(lightness(a), a) < std::make_pair(lightness(b), b); });
    palette_.clear();
    slots_.assign(kSlots, -1);
    for (const auto& colour : sorted) add(colour.data());
    palette_bits_ = std::max(1, bit_length(static_cast<uint32_t>(palette_.size()) - 1));
}

void SourceBricks::find_values(int64_t count, int32_t low, size_t range, int threads) {
    std::vector<uint8_t> is_present(range, 0);
    std::atomic<size_t> found{0};
    const auto is_full = [&] { return 100 * found.load(std::memory_order_relaxed) >= kFullShare * range; };
    parallel_for((count + kPart - 1) / kPart, threads, [&](int64_t part, int) {
        if (is_full()) return;               // more samples change nothing
        size_t fresh = 0;
        by_type(samples_, [&](const auto* from) {
            const auto place = [&](int64_t i) { return &is_present[static_cast<size_t>(static_cast<int32_t>(from[i]) - low)]; };
            const auto is_known = [&](int64_t i) { return __atomic_load_n(place(i), __ATOMIC_RELAXED); };
            const auto add = [&](int64_t i) {
                if (is_known(i) == 0) fresh += __atomic_exchange_n(place(i), uint8_t{1}, __ATOMIC_RELAXED) == 0;
            };
            int64_t i = part * kPart;
            const int64_t end = std::min(count, i + kPart);
            for (; i + 4 <= end; i += 4)         // together: nearly all are known
                if ((is_known(i) & is_known(i + 1) & is_known(i + 2) & is_known(i + 3)) == 0)
                    for (int64_t k = i; k < i + 4; ++k) add(k);
            for (; i < end; ++i) add(i);
        });
        found += fresh;
    });
    if (is_full()) return;
    ranks_.assign(range, 0);
    for (size_t i = 0; i < range; ++i) {
        if (is_present[i] == 0) continue;
        ranks_[i] = static_cast<int32_t>(values_.size());
        values_.push_back(low + static_cast<int32_t>(i));
    }
}

void SourceBricks::load(int64_t group, int64_t number, int colour_form, BrickMemory& memory) const {
    const Brick b = memory.brick = form_.layout.brick(number);
    memory.strides.row = b.extent[2] + kRowRoom;
    memory.strides.slice = memory.strides.row * b.extent[1];
    if (colour_form == kFormPalette) load_numbers(group, b, memory.strides, memory.of(0));
    else
        for (int i = 0; i < form_.channels; ++i) load_values(group * form_.channels + i, b, memory.strides, memory.of(i));
    if (form_.channels == kMaxComponents && colour_form != kFormPalette)
        for_rows(b, memory.strides, [&](int64_t at, int, int) {
            int32_t *r = memory.of(0) + at, *g = memory.of(1) + at, *blue = memory.of(2) + at;
            for (int x = 0; x < b.extent[2]; ++x) {
                int32_t c[kMaxComponents];
                to_components(colour_form, value_bits_, r[x], g[x], blue[x], c);
                r[x] = c[0], g[x] = c[1], blue[x] = c[2];
            }
        });
    for (int i = 0; i < form_.components(); ++i)
        for_rows(b, memory.strides, [&](int64_t at, int, int y) {
            int32_t* row = memory.of(i) + at;
            row[-1] = row[-2] = y > 0 ? row[-memory.strides.row] : row[0];
            row[b.extent[2]] = row[b.extent[2] + 1] = row[b.extent[2] - 1];
        });
}

void SourceBricks::load_numbers(int64_t group, const Brick& b, LaneStrides strides, int32_t* to) const {
    const int64_t* shape = form_.layout.shape;
    const int64_t volume = shape[0] * shape[1] * shape[2];
    by_type(samples_, [&](const auto* samples) {
        for_rows(b, strides, [&](int64_t at, int z, int y) {
            const auto* r = samples + 3 * group * volume + ((b.origin[0] + z) * shape[1] + b.origin[1] + y) * shape[2] + b.origin[2];
            for (int x = 0; x < b.extent[2]; ++x) {
                const int32_t colour[3] = {static_cast<int32_t>(r[x]), static_cast<int32_t>(r[x + volume]), static_cast<int32_t>(r[x + 2 * volume])};
                to[at + x] = number_of(colour);
            }
        });
    });
}

void SourceBricks::load_values(int64_t plane, const Brick& b, LaneStrides strides, int32_t* to) const {
    const int64_t* shape = form_.layout.shape;
    const int64_t first = ((plane * shape[0] + b.origin[0]) * shape[1] + b.origin[1]) * shape[2] + b.origin[2];
    predictive_kernels(1).load({static_cast<const uint8_t*>(samples_.data) + first * kSampleBytes[samples_.type], samples_.type, {shape[2], shape[1] * shape[2]},
                                strides, {b.extent[0], b.extent[1], b.extent[2]}, offset_, form_.near, ranks_.empty() ? nullptr : ranks_.data(), to});
}

}  // namespace mmip
