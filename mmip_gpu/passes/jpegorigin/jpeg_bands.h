// Bands of an image that was a JPEG file, each a range code of its own: coefficients, then residuals.
// Values: bytes of sub-streams; pixels as bytes, components last. Home: host. Implements FORMAT.md section 8.10.
// Readers throw DataError for any defect.
#pragma once

#include <cstddef>

#include "passes/jpegorigin/jpeg_recover.h"

namespace mmip {

constexpr int kJpegBandUnit = 16;                            // rows of a band are a multiple of it
constexpr int kJpegMostBandRows = 1 << 15;

struct JpegBandBytes {
    const uint8_t* bytes;
    size_t size;
};

inline int jpeg_band_count(int ny, int band_rows) { return (ny + band_rows - 1) / band_rows; }

std::vector<std::vector<uint8_t>> encode_jpeg_bands(const JpegFit& fit, const uint8_t* pixels, int band_rows, int threads);

// Rows [begin, end) of the image, out of bands first .. first + bands.size() - 1, which hold them and what lies two rows around.
void decode_jpeg_bands(const JpegForm& form, int band_rows, int first, const std::vector<JpegBandBytes>& bands, int begin, int end, uint8_t* pixels, int threads);

// The form, as it stands in the parameters of a payload.
void append_jpeg_form(const JpegForm& form, std::vector<uint8_t>& out);
// Takes one at `at`, which moves behind it.
JpegForm read_jpeg_form(const uint8_t* parameters, size_t size, size_t& at, int ny, int nx, int components);

}  // namespace mmip
