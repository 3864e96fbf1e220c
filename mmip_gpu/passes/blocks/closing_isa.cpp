// The closing kernel, compiled once per instruction set; see passes/kernels_isa.h.
#include "passes/blocks/closing_kernels.h"
#include "passes/kernels_isa.h"

namespace MMIP_NS {
namespace {

struct Closing {
    Superblock<1> block;
    ClosingScratch scratch;
};

// Not inlined: see analyze_isa.cpp.
[[gnu::noinline]] Closing& thread_closing() {
    thread_local Closing closing;
    return closing;
}

}  // namespace

int64_t close_tile(const mmip::CloseJob& job, mmip::QuantizerSums* sums) {
    Closing& closing = thread_closing();
    TileClosing tile(job, closing.scratch, sums);
    switch (job.analysis.sample_type) {
        case mmip::kSampleU8: return tile.run<uint8_t>(closing.block);
        case mmip::kSampleI8: return tile.run<int8_t>(closing.block);
        case mmip::kSampleU16: return tile.run<uint16_t>(closing.block);
        case mmip::kSampleI16: return tile.run<int16_t>(closing.block);
        default: return tile.run<int32_t>(closing.block);
    }
}

}  // namespace MMIP_NS
