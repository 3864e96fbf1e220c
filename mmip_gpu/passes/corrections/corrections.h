// Corrections on the voxel grid, which bound the error: indices of residuals to a payload and back.
// Values: int32 indices or samples, C-ordered (planes, Z, Y, X) of the chunk, or of the box's samples inside the plane when decoding.
// Home: host; one item of work = one sub-stream (a tile). Implements FORMAT.md sections 2 (last step), 6 and 8.3.
// The payload is a pure function of the indices: any thread count gives the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "passes/blocks/analyze.h"
#include "passes/layout.h"

namespace mmip {

// `tiles` gives geometry and tiles only: of the whole chunk here and in count_corrections, of a box in unpack_corrections.
std::string pack_corrections(const Coefficients& tiles, const int32_t* indices, int threads);

// Counts of the code family CORRECTION (classes x alphabet); trains the built-in codes.
std::vector<uint32_t> count_corrections(const Coefficients& tiles, const int32_t* indices, int threads);

// Fills `indices`. Returns how many payload bytes were read. Throws DataError for any defect.
uint64_t unpack_corrections(const Coefficients& tiles, const uint8_t* payload, uint64_t size, bool check_crc, int threads, int32_t* indices);

// Indices of the residuals original - decoded (one type) for this error bound.
void correction_indices(const Samples& original, const Samples& decoded, int64_t count, int32_t error, int32_t* indices);

// Adds the corrections to decoded samples and clips them.
void apply_corrections(const Samples& samples, int64_t count, const int32_t* indices, int32_t error, int32_t minimum, int32_t maximum);

}  // namespace mmip
