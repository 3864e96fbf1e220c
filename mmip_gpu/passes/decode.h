// Stage payloads to samples in one pass over the tiles: what unpack_stage and synthesize do, without the indices of the whole
// chunk in memory between them.
// Values: payload bytes in, samples in their places out. Home: host; one item of work = one group of sub-streams, tile by tile in cache.
// Implements FORMAT.md sections 2 to 8 for readers. Throws DataError as unpack_stage does.
#pragma once

#include "passes/blocks/synthesize.h"
#include "passes/tokens/unpack.h"

namespace mmip {

struct PayloadBytes {
    const uint8_t* bytes;
    uint64_t size;
};

// Seconds of each part of the work, summed over threads.
struct DecodeTimes {
    double checks = 0, stage_1 = 0, later_stages = 0, synthesis = 0;
};

// payloads: of stage 1, 2, .., as many as are to be decoded; c: the tiles of the box, its ac stays unused.
DecodeTimes decode_tiles(Coefficients& c, const Quantizer& quantizer, const std::vector<PayloadBytes>& payloads, const UnpackOptions& options,
                  const SampleRange& range, int scale, const Output& out);

}  // namespace mmip
