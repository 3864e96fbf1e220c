// A stage as an array: (planes, gz, gy, gx, columns) of int32 <-> Coefficients. Home: host. Implements FORMAT.md section 10.
#pragma once

#include <cstdint>

#include "passes/layout.h"

namespace mmip {

int stage_columns(const Coefficients& coefficients, int stage);

// `grid` is the array's extent on planes, z, y, x (at least that of the coefficients' box, with which it begins); cells past the
// chunk's grid get -1.
void stage_to_columns(const Coefficients& coefficients, int stage, const int64_t* grid, int32_t* array);

// Throws DataError where the array is not what stage_to_columns writes.
void stage_from_columns(Coefficients& coefficients, int stage, const int64_t* grid, const int32_t* array, int class_count);

}  // namespace mmip
