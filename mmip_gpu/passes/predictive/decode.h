// Decoding of a chunk of kind 2, or of some of its bricks.
// Values: a payload in, samples out. Home: host. Implements FORMAT.md sections 6.1, 8.6, 8.7.
// Throws DataError for any defect; reads nothing outside the payload. Any number of threads gives the same samples.
#pragma once

#include <cstdint>

#include "passes/kernels.h"
#include "passes/predictive/brick_layout.h"
#include "passes/samples/statistics.h"
#include "rules/predictive/colour_forms.h"

namespace mmip {

// The fields of a header of kind 2.
struct PredictiveForm {
    BrickLayout layout;              // its planes are those of components
    int channels = 1;                // 3: sample planes 3 k, 3 k + 1, 3 k + 2 are R, G, B
    int colour_form = 0;
    int bits = 8;                    // of the channels' values
    int32_t offset = 0;              // value 0
    int near = 0;                    // values are in steps of 2 near + 1

    int components() const { return colour_form == kFormPalette ? 1 : channels; }
    // Of so many planes of samples.
    void set_planes(int64_t planes) { layout.planes = planes / channels * components(); }
};

// Planes of samples and bricks, half open.
struct BrickBox {
    int64_t planes[2], low[3], high[3];
};

struct DecodeOptions {
    int32_t minimum, maximum;        // of the samples' type
    bool check_crc = true;
    int threads = 1;
};

// Fills `out`, the planes and samples of the box in C order.
void decode_predictive(const PredictiveForm& form, const uint8_t* payload, uint64_t size, const BrickBox& box, const DecodeOptions& options, const Samples& out);

}  // namespace mmip
