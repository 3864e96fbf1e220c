// The analysis kernel, compiled once per instruction set; see passes/kernels_isa.h.
#include "passes/blocks/analyze_kernels.h"
#include "passes/blocks/requantize_kernels.h"
#include "passes/kernels_isa.h"

namespace MMIP_NS {
namespace {

// Not inlined: the compiler would look the address of a thread's own variable up again at every use.
template <int depth>
[[gnu::noinline]] Superblock<depth>& thread_superblock() {
    thread_local Superblock<depth> block;
    return block;
}

[[gnu::noinline]] PredictionSearch& thread_search() {
    thread_local PredictionSearch search;
    return search;
}

PredictionSearch* prediction_search(const mmip::AnalyzeJob& job) {
    if (job.earlier == nullptr) return nullptr;
    PredictionSearch& search = thread_search();
    search.use(job.tile, job.earlier);
    return &search;
}

template <int depth>
int64_t analyze_depth(const mmip::AnalyzeJob& job, mmip::QuantizerSums* sums) {
    return TileAnalysis<depth>(job, prediction_search(job), sums).run(thread_superblock<depth>());
}

}  // namespace

int requantize_block(const mmip::RequantizeJob& job, mmip::QuantizerSums& sums) { return requantize(job, sums); }

int64_t analyze_tile(const mmip::AnalyzeJob& job, mmip::QuantizerSums* sums) {
    return job.tile.depth == 8 ? analyze_depth<8>(job, sums) : analyze_depth<1>(job, sums);
}

}  // namespace MMIP_NS
