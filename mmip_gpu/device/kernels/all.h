// Every kernel by its name: what the wrappers of kernels.cu and the CPU executor of phases.cpp are made of.
#pragma once

#include "sums.h"

// X(name of the entry point, kernel)
#define MMIP_ALL_KERNELS(X) X(sum_samples, mmip::SumKernel)
