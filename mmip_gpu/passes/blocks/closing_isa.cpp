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
    return TileClosing(job, closing.scratch, sums).run(closing.block);
}

}  // namespace MMIP_NS
