// See statistics.h.
#include "passes/samples/statistics.h"

#include "passes/parallel.h"

namespace mmip {
namespace {

constexpr int64_t kPiece = 1 << 20;   // samples

}  // namespace

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
