// An image as a JPEG decoder sees it: blocks of quantized coefficients, samples of the components, pixels.
// Values: rows of blocks from `first` on; pixels as bytes, components last. Home: host. FORMAT.md section 8.10.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/jpegorigin/jpeg_form.h"

namespace mmip {

// Blocks of one component, rows [first, first + rows) of the grid.
struct JpegComponent {
    int first = 0, rows = 0, columns = 0;
    std::vector<int16_t> coefficients;                       // 64 a block, natural order
    std::vector<int16_t> samples;                            // before the clamp and without the 128; 8 * columns wide

    void resize(int first_row, int row_count, int column_count);
    int16_t* block(int row, int column) { return &coefficients[(static_cast<int64_t>(row) * columns + column) * 64]; }
    const int16_t* sample_row(int y) const { return &samples[static_cast<int64_t>(y - 8 * first) * 8 * columns]; }
};

using JpegComponents = std::vector<JpegComponent>;

// All blocks of the image, coefficients 0.
JpegComponents jpeg_components(const JpegForm& form);
void synthesize_samples(const JpegForm& form, JpegComponents& components, int threads);
void synthesize_block(const int16_t* coefficients, const uint8_t* steps, int32_t* out);

// Row y of the image: for each x the samples (Y, Cb, Cr) at full size, clamped; rows of blocks that they need are there.
// ycc: 3 * nx; of a grey image only the first nx are filled.
void jpeg_row(const JpegForm& form, const JpegComponents& components, int y, uint8_t* ycc, std::vector<int16_t>& scratch);
// Pixels of rows [begin, end), components last.
void jpeg_pixels(const JpegForm& form, const JpegComponents& components, int begin, int end, uint8_t* pixels, int threads);

}  // namespace mmip
