// Entropy decoding of one stage: payload bytes in, coefficients of the tiles of a box out.
// Values: bytes; Coefficients. Home: host; one item of work = one sub-stream. Implements FORMAT.md sections 6 and 8.
// Reads only the head and the sub-stream groups that the box touches. Throws DataError for any defect; never reads outside the bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "layout.h"

namespace mmip {

struct UnpackOptions {
    std::vector<std::vector<uint32_t>> steps;   // classes x components in 1/256
    std::vector<uint8_t> reversible;            // per class; empty: a stage on its own, modes are not compared with anything
    bool check_crc = true;
    int threads = 1;
};

// Stages are decoded in ascending order into the same Coefficients. Returns how many payload bytes were read.
uint64_t unpack_stage(Coefficients& coefficients, int stage, const uint8_t* payload, uint64_t size, const UnpackOptions& options);

// Payload bytes that unpack_stage would read for the tiles of these coefficients' box.
uint64_t stage_extent(const Coefficients& coefficients, int stage, const uint8_t* payload, uint64_t size);

}  // namespace mmip
