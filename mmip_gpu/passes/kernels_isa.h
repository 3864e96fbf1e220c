// The kernels of one instruction set that have units of their own; see kernels.h. A unit per kernel lets two cores share the work.
// Values: the jobs of kernels.h. Home: host; MMIP_NS is the namespace of the copy.
#pragma once

#include "passes/kernels.h"

namespace MMIP_NS {

int64_t analyze_tile(const mmip::AnalyzeJob& job, mmip::QuantizerSums* sums);
int64_t close_tile(const mmip::CloseJob& job, mmip::QuantizerSums* sums);
int requantize_block(const mmip::RequantizeJob& job, mmip::QuantizerSums& sums);
void synthesize_tile(const mmip::SynthesizeJob& job);
void measure_tile(const mmip::SynthesizeJob& job, mmip::SampleDifference* sums);

}  // namespace MMIP_NS
