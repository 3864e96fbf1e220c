// Quantized coefficients to samples: Coefficients (the tiles of a box) in, a C-ordered array out.
// Values: the array covers the box's samples inside the plane, at scale 1, 2, 4 or 8. Home: host; one item = one tile.
// Implements FORMAT.md sections 2, 4 and 5. Results do not depend on the number of threads or the instruction set.
#pragma once

#include <cstdint>

#include "passes/blocks/analyze.h"
#include "rules/samples/statistics.h"

namespace mmip {

struct Window {
    int64_t origin[3], shape[3];             // first sample and size in the scaled plane
};

// The samples of the box at this scale; shape of the result of synthesize is (planes of the box, window.shape).
Window box_window(const Geometry& geometry, const TileBox& box, int scale);

// What is added to decoded values, and what they are then clipped to.
struct SampleRange {
    int32_t offset, minimum, maximum;
};

// Tiles of one box to their places in the array. stages: 1 = DC only, up to all.
class TileSynthesizer {
public:
    TileSynthesizer(const Coefficients& coefficients, const Quantizer& quantizer, int stages, int scale, const SampleRange& range, const Samples& out);

    // spans: the tile's AC as TileTokens holds it; nullptr: it is in the entries.
    void run(const Tile& tile, const TokenSpan* spans) const;

    // At full scale, with all samples of `out` there: how far they are from what `run` would write; without those under the mask.
    void measure(const Tile& tile, SampleDifference* sums) const;

private:
    SynthesizeJob job_of(const Tile& tile) const;

    const Coefficients& c_;
    const Quantizer& quantizer_;
    Samples out_;
    Window window_;
    SynthesizeJob job_ = {};                 // what all tiles share
};

// How far what all stages decode to is from the samples of a whole chunk, by class.
std::vector<Difference> measure(const Coefficients& coefficients, const Quantizer& quantizer, const SampleRange& range, const Samples& samples, int threads);

// All tiles, with their AC in the entries.
void synthesize(const Coefficients& coefficients, const Quantizer& quantizer, int stages, int scale, const SampleRange& range,
                const Samples& out, int threads);

}  // namespace mmip
