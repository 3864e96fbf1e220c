// Quantized coefficients to samples: Coefficients (the tiles of a box) in, a C-ordered array out.
// Values: the array covers the box's samples inside the plane, at scale 1, 2, 4 or 8. Home: host; one item = one tile.
// Implements FORMAT.md sections 2, 4 and 5. Results do not depend on the number of threads or the instruction set.
#pragma once

#include <cstdint>

#include "analyze.h"

namespace mmip {

struct Window {
    int64_t origin[3], shape[3];             // first sample and size in the scaled plane
};

// The samples of the box at this scale; shape of the result of synthesize is (planes of the box, window.shape).
Window box_window(const Geometry& geometry, const TileBox& box, int scale);

// stages: 1 = DC only, up to all. Clips to [minimum, maximum] after adding the offset.
void synthesize(const Coefficients& coefficients, const Quantizer& quantizer, int stages, int scale, int32_t offset,
                int32_t minimum, int32_t maximum, const Samples& out, int threads);

}  // namespace mmip
