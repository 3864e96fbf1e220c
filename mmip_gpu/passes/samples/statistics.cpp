// See statistics.h.
#include "passes/samples/statistics.h"

#include <algorithm>
#include <cstring>

#include "passes/parallel.h"

namespace mmip {
namespace {

constexpr int64_t kPiece = 1 << 20;   // samples

// The mean square of differences, as a step of a quarter of an octave above 2^-6; 0 of none.
uint8_t activity_of(float squares, int64_t count) {
    const float mean = count > 0 ? squares / static_cast<float>(count) : 0.0f;
    uint32_t bits;
    std::memcpy(&bits, &mean, sizeof bits);
    const int step = static_cast<int>(bits >> 21) - ((127 - 6) << 2);
    return static_cast<uint8_t>(std::clamp(step, 0, kUnknownActivity - 1));
}

// One row of cells, `height` rows of `width` samples; `sums` has room for two rows: of differences along x, and along y.
template <class T>
void row_activities(const T* rows, int64_t height, int64_t width, float* sums, uint8_t* activities) {
    float* const along_y = sums + width;
    std::fill(sums, along_y + width, 0.0f);
    for (int64_t j = 0; j < height; ++j, rows += width) {
        for (int64_t i = 0; i + 1 < width; ++i) {
            const float d = static_cast<float>(rows[i + 1]) - static_cast<float>(rows[i]);
            sums[i] += d * d;
        }
        for (int64_t i = 0; j + 1 < height && i < width; ++i) {
            const float d = static_cast<float>(rows[width + i]) - static_cast<float>(rows[i]);
            along_y[i] += d * d;
        }
    }
    for (int64_t x = 0; x < width; x += 8) {
        const int64_t pairs = std::min<int64_t>(8, width - x) - 1;
        float sum = along_y[x + pairs];
        for (int64_t i = 0; i < pairs; ++i) sum += sums[x + i] + along_y[x + i];
        *activities++ = activity_of(sum, pairs * height + (pairs + 1) * (height - 1));
    }
}

template <class T>
void typed_activities(const T* samples, const std::array<int64_t, 4>& shape, int64_t first, int every, uint8_t* activities) {
    const int64_t rows = (shape[2] + 7) / 8, columns = (shape[3] + 7) / 8;
    std::vector<float> sums(2 * shape[3]);
    for (int64_t slice = 0; slice < shape[0] * shape[1]; ++slice)
        for (int64_t row = 0; row < rows; ++row, activities += columns) {
            const int64_t y = row * 8;
            if ((first + slice % shape[1] + row) % every != 0) std::fill(activities, activities + columns, static_cast<uint8_t>(kUnknownActivity));
            else row_activities(samples + (slice * shape[2] + y) * shape[3], std::min<int64_t>(8, shape[2] - y), shape[3], sums.data(), activities);
        }
}

}  // namespace

void cell_activities(const Samples& samples, const std::array<int64_t, 4>& shape, int64_t first, int every, uint8_t* activities) {
    switch (samples.type) {
        case kSampleU8: return typed_activities(static_cast<const uint8_t*>(samples.data), shape, first, every, activities);
        case kSampleI8: return typed_activities(static_cast<const int8_t*>(samples.data), shape, first, every, activities);
        case kSampleU16: return typed_activities(static_cast<const uint16_t*>(samples.data), shape, first, every, activities);
        case kSampleI16: return typed_activities(static_cast<const int16_t*>(samples.data), shape, first, every, activities);
        case kSampleI32: return typed_activities(static_cast<const int32_t*>(samples.data), shape, first, every, activities);
    }
}

SampleStatistics sample_statistics(const Samples& samples, int64_t count, int threads) {
    const int64_t pieces = (count + kPiece - 1) / kPiece, bytes = kSampleBytes[samples.type];
    std::vector<SampleStatistics> parts(pieces);
    parallel_for(pieces, threads, [&](int64_t i, int) {
        parts[i] = kernels().statistics(static_cast<const char*>(samples.data) + i * kPiece * bytes, samples.type, std::min(kPiece, count - i * kPiece));
    });
    SampleStatistics all = parts[0];
    for (int64_t i = 1; i < pieces; ++i) {
        all.sum += parts[i].sum;
        all.low = std::min(all.low, parts[i].low);
        all.high = std::max(all.high, parts[i].high);
    }
    return all;
}

Difference sample_difference(const Samples& a, const Samples& b, int64_t count, int threads) {
    const int64_t pieces = (count + kPiece - 1) / kPiece, bytes = kSampleBytes[a.type];
    std::vector<Difference> parts(pieces);
    parallel_for(pieces, threads, [&](int64_t i, int) {
        const int64_t at = i * kPiece * bytes, size = std::min(kPiece, count - i * kPiece);
        const auto found = kernels().difference(static_cast<const char*>(a.data) + at, static_cast<const char*>(b.data) + at, a.type, size);
        parts[i] = {found.squares, found.largest};
    });
    Difference all{0, 0};
    for (const Difference& part : parts) all.join(part);
    return all;
}

std::vector<uint64_t> class_squares(const Samples& a, const Samples& b, const std::array<int64_t, 4>& shape, const uint8_t* cells,
                                    int depth, int classes, int threads) {
    const int64_t slices = shape[0] * shape[1], bytes = kSampleBytes[a.type];
    const std::array<int64_t, 3> grid{(shape[1] + depth - 1) / depth, (shape[2] + 7) / 8, (shape[3] + 7) / 8};
    std::vector<uint64_t> parts(slices * classes);
    parallel_for(slices, threads, [&](int64_t slice, int) {
        const int64_t plane = slice / shape[1], z = slice % shape[1];
        for (int64_t y = 0; y < shape[2]; ++y) {
            const uint8_t* row = cells + ((plane * grid[0] + z / depth) * grid[1] + y / 8) * grid[2];
            const int64_t start = (slice * shape[2] + y) * shape[3];
            for (int64_t first = 0, end; first < grid[2]; first = end) {   // cells of one class
                for (end = first + 1; end < grid[2] && row[end] == row[first]; ++end) {}
                const int64_t at = (start + first * 8) * bytes, count = std::min(end * 8, shape[3]) - first * 8;
                const auto found = kernels().difference(static_cast<const char*>(a.data) + at, static_cast<const char*>(b.data) + at, a.type, count);
                parts[slice * classes + row[first]] += found.squares;
            }
        }
    });
    std::vector<uint64_t> all(classes);
    for (size_t i = 0; i < parts.size(); ++i) all[i % classes] += parts[i];
    return all;
}

}  // namespace mmip
