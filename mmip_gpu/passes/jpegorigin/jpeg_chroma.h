// From chroma at full size back to the samples that a decoder upsampled: the linear filter that undoes it, but for roundings.
// Values: a plane of numbers at full size in, a plane of samples out. Home: host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "rules/jpegorigin/jpeg_form.h"

namespace mmip {

struct FloatPlane {
    int ny = 0, nx = 0;
    std::vector<float> values;

    FloatPlane() = default;
    FloatPlane(int rows, int columns) : ny(rows), nx(columns), values(static_cast<size_t>(rows) * columns) {}
    float* row(int y) { return &values[static_cast<size_t>(y) * nx]; }
    const float* row(int y) const { return &values[static_cast<size_t>(y) * nx]; }
};

// Sample j covers columns 2 j - odd_x and the next one of the plane, rows alike; what lies outside repeats the border.
FloatPlane downsampled(const FloatPlane& full, bool half_x, bool half_y, int odd_x, int odd_y);
// Share of the plane's samples that differ by more than roundings from samples upsampled; those not known do not count.
float upsampling_misses(const FloatPlane& full, const FloatPlane& samples, bool half_x, bool half_y, int odd_x, int odd_y, const uint8_t* known);

}  // namespace mmip
