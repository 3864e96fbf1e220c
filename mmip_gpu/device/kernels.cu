// CUDA entry points of the kernels; all they do is in kernels/*.h and rules/*.h.
#include "device/kernels/all.h"

// The list of a module, or of all kernels.
#ifndef MMIP_MODULE
#define MMIP_MODULE MMIP_ALL_KERNELS
#endif

MMIP_MODULE(MMIP_KERNEL)
