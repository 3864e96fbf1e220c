// Looks for the quantization table that a JPEG file left in the coefficients of its blocks.
// Values: a plane of samples and where its grid lies; steps of 64 coefficients and, where they are IJG's, the quality. Home: host.
#pragma once

#include "passes/jpegorigin/jpeg_chroma.h"

namespace mmip {

struct JpegTable {
    int quality = 0;                                         // 1..100; 0: no quality gives these steps
    uint8_t steps[64];                                       // of that quality
    uint8_t own[64];                                         // the steps that the coefficients tell, one by one
};

// table: 0 luma, 1 chroma. known: a byte for each sample of the plane, or null; blocks with a sample that is not known do not count.
// expected: the quality to take where the samples tell little, 0 for none.
JpegTable find_jpeg_table(const FloatPlane& plane, int y0, int x0, const uint8_t* known, int table, int expected);

}  // namespace mmip
