// Sinks of a range coder: how many bytes of a code are kept, then those bytes at their place in the output.
// Values: bytes in order. Zeros at the end of a code are not kept (FORMAT.md sections 8.1 and 8.5).
#pragma once

#include "device/kernels/coding/placed_bits.h"

namespace mmip {

// A range code is one chain of decisions, so a lane makes a tile's alone. It has a group to itself: chains of different tiles
// part at every decision, and lanes of one warp would wait for each other; batches seldom have more tiles than a GPU has warps.
struct RangeCodingKernel {
    static constexpr int kLanes = 1, kPhases = 1, kResident = 16;
};

struct CountedBytes {
    uint32_t all = 0, kept = 0;

    MMIP_RULE void byte(uint8_t value) {
        ++all;
        if (value != 0) kept = all;
    }
};

// Never more than `left`, which is what was counted.
struct PlacedBytes {
    PlacedBits& out;
    uint32_t left;

    MMIP_RULE void byte(uint8_t value) {
        if (left == 0) return;
        --left;
        out.put(value, 8);
    }
};

}  // namespace mmip
