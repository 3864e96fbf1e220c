// The synthesis kernel, compiled once per instruction set; see passes/kernels_isa.h.
#include "passes/blocks/synthesize_kernels.h"
#include "passes/kernels_isa.h"

namespace MMIP_NS {

void synthesize_tile(const mmip::SynthesizeJob& job) {
    switch (job.sample_type) {
        case mmip::kSampleU8: return TileSynthesis<uint8_t>(job).run();
        case mmip::kSampleI8: return TileSynthesis<int8_t>(job).run();
        case mmip::kSampleU16: return TileSynthesis<uint16_t>(job).run();
        case mmip::kSampleI16: return TileSynthesis<int16_t>(job).run();
        default: return TileSynthesis<int32_t>(job).run();
    }
}

}  // namespace MMIP_NS
