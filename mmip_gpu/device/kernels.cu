// CUDA entry points of the kernels; all they do is in kernels/*.h and rules/*.h.
#include "device/kernels/all.h"

MMIP_ALL_KERNELS(MMIP_KERNEL)
