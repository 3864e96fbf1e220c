// Samples of a chunk to quantized coefficients: planes in, Coefficients out.
// Values: C-ordered planes (planes, Z, Y, X); classes per cell. Home: host; one item of work = one tile.
// Encoder side of FORMAT.md sections 2 to 5. Results do not depend on the number of threads or the instruction set.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "passes/kernels.h"
#include "passes/layout.h"

namespace mmip {

struct Quantizer {
    std::vector<std::vector<uint32_t>> steps;   // classes x components in 1/256
    std::vector<uint8_t> reversible;            // per class
    std::vector<std::array<int, 3>> recon;      // per class d1, d2, d3 in 1/64
    std::array<int, 3> dc_recon{};              // of the DC image
    std::vector<std::vector<uint32_t>> choice_steps{};   // by which an encoder chooses blocks, where they are not `steps`

    ClassStep class_step(int c, int64_t plane) const;
};

struct Samples {
    void* data;
    SampleType type;
};

struct AnalyzeOptions {
    int32_t offset = 0;          // subtracted from every sample
    int32_t rounding = 128;      // dead zone in 1/256, where code lengths do not decide
    int search = 0;              // Search of kernels.h
    int passes = 1;              // each with the code lengths that the one before would write
    int threads = 1;
};

// classes: planes x gz x gy x gx in raster order, or nullptr for class 0 everywhere.
// Fills `coefficients` (whole chunk) and sets quantizer.recon. Returns the sum of squared errors of each quality class as the
// coefficients show it (the transforms are orthonormal; rounding to samples is not in it).
std::vector<double> analyze(Coefficients& coefficients, const Samples& samples, const uint8_t* classes, Quantizer& quantizer,
                            const AnalyzeOptions& options);

// After an analysis by choice_steps where rounding decides: the same blocks, with indices by the steps as they are now; the result is that
// of `analyze`.
std::vector<double> requantize(Coefficients& coefficients, Quantizer& quantizer, const AnalyzeOptions& options);

// After analyze, and after whatever changes DCs or empties blocks: chooses the indices anew on what predictions leave, tile by tile in
// coding order, with the search's modes. Needs room for predictions. Returns the squared errors, as analyze does.
std::vector<double> close_predictions(Coefficients& coefficients, const Samples& samples, const Quantizer& quantizer, const AnalyzeOptions& options);

// What `analyze` makes of the sums of all tiles (kMaxClasses each): sets quantizer.recon, returns the squared errors.
std::vector<double> settle_sums(const Coefficients& coefficients, const std::vector<QuantizerSums>& sums, Quantizer& quantizer, int search);

// Of each quality class, out of the sums of all tiles and the points that the quantizer has.
std::vector<double> squared_errors(const Coefficients& coefficients, const std::vector<QuantizerSums>& sums, const Quantizer& quantizer);

// What the kernels see of a tile.
TileView tile_view(const Coefficients& coefficients, const Tile& tile);

}  // namespace mmip
