// See statistics.h.
#include "statistics.h"

#include "parallel.h"

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

}  // namespace mmip
