// Moves single coefficients of a block until rounding its samples gives the pixels: for small steps, and for blocks that are cut.
// Values: what the samples of a block are known to be, its coefficients in and out. Home: host. Deterministic; not part of the format.
#pragma once

#include <cstdint>

namespace mmip {

// Bounds of the 64 samples of a block, before rounding and without the 128; an unknown one has bounds far away.
struct JpegBounds {
    float low[64], high[64];
};

// Whether the block keeps the bounds now. `moves`: how many single moves are tried.
bool repair_jpeg_block(const JpegBounds& bounds, const uint8_t* steps, int moves, int16_t* block);

}  // namespace mmip
