// Parts of the 3D phantom: ellipsoids in noise that depends on the place of a sample alone.
// Values: shapes and ranges in, 16 bit samples out. Home: host. No part of FORMAT.md; volume/phantoms.py states the rules.
// The noise is exact, and the same for every range that holds a sample.
#pragma once

#include <cstdint>

namespace mmip {

// Value, centre (x, y) and semi-axes (x, y, z) of an ellipsoid, as fractions of the volume.
struct Tissue {
    double value, centre_x, centre_y, semi_x, semi_y, semi_z;
};

// Of one axis: its length in the whole volume, and the samples start, start + step .. that are wanted; step >= 1.
struct PhantomAxis {
    int64_t length, start, step, count;
};

constexpr int kNoiseQuantiles = 1 << 15;

// Axes z, y, x; tissues in the order of painting; magnitudes: kNoiseQuantiles quantiles of the noise, rounded down.
void phantom_samples(const PhantomAxis axes[3], const Tissue* tissues, int tissue_count, const uint8_t* magnitudes, uint16_t* samples);

}  // namespace mmip
