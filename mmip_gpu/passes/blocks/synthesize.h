// Quantized coefficients to samples: Coefficients (the tiles of a box) in, samples in their places out.
// Values: the output covers the box's samples inside the plane, or a part of them, at scale 1, 2, 4 or 8. Home: host; one item =
// one tile.
// Implements FORMAT.md sections 2, 4 and 5. Results do not depend on the number of threads or the instruction set.
#pragma once

#include <cstdint>

#include "passes/blocks/analyze.h"
#include "rules/samples/statistics.h"

namespace mmip {

struct Window {
    int64_t origin[3], shape[3];             // first sample and size in the scaled plane
};

// The samples of the box at this scale.
Window box_window(const Geometry& geometry, const TileBox& box, int scale);

// Where samples go: all planes of a box, of each a window; rows without gaps.
struct Output {
    Samples samples;                         // the first of the window in the first plane
    Window window;
    int64_t plane, slice, row;               // samples from a plane, a slice or a row to the next
};

// An array in C order of what lies in a window.
inline Output whole_output(const Samples& samples, const Window& w) {
    return {samples, w, w.shape[0] * w.shape[1] * w.shape[2], w.shape[1] * w.shape[2], w.shape[2]};
}

// What is added to decoded values, and what they are then clipped to.
struct SampleRange {
    int32_t offset, minimum, maximum;
};

// Tiles of one box to their places in the output. stages: 1 = DC only, up to all.
class TileSynthesizer {
public:
    TileSynthesizer(const Coefficients& coefficients, const Quantizer& quantizer, int stages, int scale, const SampleRange& range, const Output& out);

    // spans: the tile's AC as TileTokens holds it; nullptr: it is in the entries, or in place where there are predictions.
    void run(const Tile& tile, const TokenSpan* spans) const;

    // At full scale, with all samples of `out` there: how far they are from what `run` would write; without those under the mask.
    void measure(const Tile& tile, SampleDifference* sums) const;

private:
    SynthesizeJob job_of(const Tile& tile) const;
    void add_entries(const Tile& tile, SynthesizeJob& job) const;

    const Coefficients& c_;
    const Quantizer& quantizer_;
    Output out_;
    SynthesizeJob job_ = {};                 // what all tiles share
};

// How far what all stages decode to is from the samples of a whole chunk, by class; of chunks without predictions.
std::vector<Difference> measure(const Coefficients& coefficients, const Quantizer& quantizer, const SampleRange& range, const Samples& samples, int threads);

// All tiles, without spans.
void synthesize(const Coefficients& coefficients, const Quantizer& quantizer, int stages, int scale, const SampleRange& range,
                const Output& out, int threads);

}  // namespace mmip
