// The lockstep kernels for values of more than kLockstepBits bits: one lane, with products of 64 bits.
#include "passes/predictive/lockstep_kernels.h"

namespace mmip {
extern const PredictiveKernels kWidePredictive;
const PredictiveKernels kWidePredictive = lockstep_table<int32_t, int64_t, WideResidualReader>(1);
}  // namespace mmip
