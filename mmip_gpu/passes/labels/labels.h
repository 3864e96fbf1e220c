// Arrays of labels to payloads and back: distinct values by ranks, tiles as sub-streams.
// Values: C-ordered samples (planes, z, y, x) of any integer type; payload bytes. Home: host. Implements FORMAT.md section 8.8.
// Bytes do not depend on the number of threads. Readers throw DataError for any defect, before memory is taken for what cannot be.
#pragma once

#include <string>

#include "passes/labels/label_grid.h"

namespace mmip {

// The least and the greatest value, as two's complement.
struct LabelLimits {
    uint64_t minimum, maximum;
};

struct CodedLabels {
    std::string payload;
    LabelLimits limits;
};

CodedLabels encode_labels(const void* samples, LabelType type, const LabelGrid& grid, int threads);

// Decodes the tiles of a box into `out`: those samples of them whose places on z, y and x are multiples of `scale`, as an array
// (planes, z, y, x) of their own. The payload begins with its head.
void decode_labels(const uint8_t* payload, uint64_t size, LabelType type, const LabelGrid& grid, const LabelLimits& limits, const LabelBox& box,
                   int scale, bool check_crc, void* out, int threads);

// First and last place, on z, y, x, of what such a decode gives.
std::array<int64_t, 6> label_window(const LabelGrid& grid, const LabelBox& box, int scale);

}  // namespace mmip
