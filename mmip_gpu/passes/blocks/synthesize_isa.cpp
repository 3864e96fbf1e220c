// The kernels that synthesize, compiled once per instruction set; see passes/kernels_isa.h.
#include "passes/blocks/measure_kernels.h"
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

void measure_tile(const mmip::SynthesizeJob& job, mmip::SampleDifference* sums) {
    switch (job.sample_type) {
        case mmip::kSampleU8: return TileMeasure<uint8_t>(job, sums).run();
        case mmip::kSampleI8: return TileMeasure<int8_t>(job, sums).run();
        case mmip::kSampleU16: return TileMeasure<uint16_t>(job, sums).run();
        case mmip::kSampleI16: return TileMeasure<int16_t>(job, sums).run();
        default: return TileMeasure<int32_t>(job, sums).run();
    }
}

}  // namespace MMIP_NS
