// The DC image: the DCs of a chunk of depth 1 coded like an image of their own, where one DC a cell costs too much.
// Values: DCs in 1/16 step (int32) as samples; Coefficients::dc_image holds their indices. Home: host; one item of work = one tile.
// Implements FORMAT.md section 8.4. A tile of the chunk is a tile of the DC image, so that sub-streams stay independent.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "passes/blocks/analyze.h"
#include "passes/layout.h"
#include "passes/blocks/synthesize.h"

namespace mmip {

// Gives the coefficients a DC image; their depth is 1, their tiles are at least 8 cells wide and high, and have one class.
void add_dc_image(Coefficients& coefficients);

// How the DC image of a chunk is quantized.
Quantizer dc_image_quantizer(const Quantizer& quantizer);

// After analyze: codes the DCs in 1/16 step that it left in `dc`, and puts in their place what a decoder will find there.
// Sets quantizer.dc_recon. Returns the sum of squared errors of the DCs.
double analyze_dc_image(Coefficients& coefficients, Quantizer& quantizer, const AnalyzeOptions& options);

// Decoded DC images of the tiles of a box, back to their DCs.
class DcImageSynthesizer {
public:
    DcImageSynthesizer(Coefficients& coefficients, const Quantizer& quantizer);

    // Sets the DCs of one tile. spans: as TileSynthesizer takes them.
    void run(size_t tile, const TokenSpan* spans);

private:
    Coefficients& c_;
    Quantizer quantizer_;
    Window window_;
    std::vector<int32_t> samples_;           // of the box
    TileSynthesizer synthesizer_;
};

}  // namespace mmip
