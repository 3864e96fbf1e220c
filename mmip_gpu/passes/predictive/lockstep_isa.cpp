// One copy of the lockstep kernels: compiled with MMIP_NS (its namespace) and MMIP_PREDICTIVE_TABLE per instruction set. Integers,
// and one quotient that is exact however it is rounded: no contraction can change what they give.
#include "passes/predictive/lockstep_kernels.h"

namespace mmip {
extern const PredictiveKernels MMIP_PREDICTIVE_TABLE;
const PredictiveKernels MMIP_PREDICTIVE_TABLE = MMIP_NS::lockstep_table<MMIP_NS::LanesI, MMIP_NS::LanesI, MMIP_NS::ResidualReader<MMIP_NS::LanesI>>(MMIP_NS::kIntegerLanes);
}  // namespace mmip
