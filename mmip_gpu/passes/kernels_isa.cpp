// One copy of the kernels: compiled with MMIP_NS (its namespace) and MMIP_TABLE_NAME per instruction set. The table of all, and the
// short ones.
#include "passes/kernels_isa.h"
#include "passes/padding/fill_kernels.h"
#include "passes/samples/statistics_kernels.h"
#include "passes/tokens/token_kernels.h"
#include "passes/tokens/unpack_kernels.h"

namespace MMIP_NS {
namespace {

void unpack_tiles(mmip::UnpackJob* jobs, int count) {
    if (count > 0 && jobs[0].prediction_codes != nullptr) unpack_each<true>(jobs, count);
    else unpack_each<false>(jobs, count);
    for (int k = 0; k < count; ++k) finish_palettes(jobs[k]);
}

void project_cell(const mmip::FillJob& job) {
    if (job.depth == 8) project_cell_depth<8>(job);
    else project_cell_depth<1>(job);
}

mmip::SampleStatistics statistics(const void* samples, int type, int64_t count) {
    switch (type) {
        case mmip::kSampleU8: return statistics_of(static_cast<const uint8_t*>(samples), count);
        case mmip::kSampleI8: return statistics_of(static_cast<const int8_t*>(samples), count);
        case mmip::kSampleU16: return statistics_of(static_cast<const uint16_t*>(samples), count);
        case mmip::kSampleI16: return statistics_of(static_cast<const int16_t*>(samples), count);
        default: return statistics_of(static_cast<const int32_t*>(samples), count);
    }
}

mmip::SampleDifference difference(const void* a, const void* b, int type, int64_t count) {
    switch (type) {
        case mmip::kSampleU8: return difference_of(static_cast<const uint8_t*>(a), static_cast<const uint8_t*>(b), count);
        case mmip::kSampleI8: return difference_of(static_cast<const int8_t*>(a), static_cast<const int8_t*>(b), count);
        case mmip::kSampleU16: return difference_of(static_cast<const uint16_t*>(a), static_cast<const uint16_t*>(b), count);
        case mmip::kSampleI16: return difference_of(static_cast<const int16_t*>(a), static_cast<const int16_t*>(b), count);
        default: return difference_of(static_cast<const int32_t*>(a), static_cast<const int32_t*>(b), count);
    }
}

}  // namespace
}  // namespace MMIP_NS

namespace mmip {
extern const Kernels MMIP_TABLE_NAME;
const Kernels MMIP_TABLE_NAME = {MMIP_NS::analyze_tile, MMIP_NS::close_tile, MMIP_NS::requantize_block, MMIP_NS::unpack_tiles,
                                 MMIP_NS::synthesize_tile, MMIP_NS::measure_tile, MMIP_NS::project_cell, MMIP_NS::statistics, MMIP_NS::difference,
                                 MMIP_NS::list_tokens, MMIP_NS::write_tokens, MMIP_ISA_TEXT};
}  // namespace mmip
