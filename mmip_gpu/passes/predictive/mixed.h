// Coding of a chunk of kind 3, and decoding of it or of some of its tiles.
// Values: samples in, the payload and the fields of its header out, and back. Home: host; a tile is an item of work.
// Implements FORMAT.md sections 6.2 and 8.9. Any number of threads gives the same bytes. Decoding throws DataError for any defect.
#pragma once

#include "passes/predictive/encode.h"

namespace mmip {

// options.ranked is not asked. planes, shape: of the samples (C order); colour: planes 3 k, 3 k + 1, 3 k + 2 are R, G, B.
PredictiveChunk encode_mixed(const Samples& samples, int64_t planes, const int64_t* shape, bool colour, int near, const PredictiveOptions& options);

// Fills `out`, the planes and samples of the box in C order; tiles and bricks of the form are the same.
void decode_mixed(const PredictiveForm& form, const uint8_t* payload, uint64_t size, const BrickBox& box, const DecodeOptions& options, const Samples& out);

}  // namespace mmip
