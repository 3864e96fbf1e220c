// What an analysis takes of a chunk, and what it writes.
// Values: samples and classes of planes in; modes, DCs and indices of cells, sums of tiles out. Home: device, or the host's executor.
#pragma once

#include "device/kernels/items.h"

namespace mmip {

struct SampleItem {
    const void* samples;                     // planes, C order
    const uint8_t* classes;                  // planes x cells, raster order; nullptr: class 0 everywhere
    int64_t shape[3];                        // of a plane, in samples
    int32_t type;                            // index of kSampleTypes
    int32_t offset, rounding, dc_unit;
    int32_t search, reversible;              // Search of rules/format.h; bit c: class c
    MMIP_FIELDS(samples, classes, shape, type, offset, rounding, dc_unit, search, reversible)
};

// As QuantizerSums of passes/kernels.h.
struct IndexSums {
    int64_t count[3], excess[3], distortion, rest;
    MMIP_FIELDS(count, excess, distortion, rest)
};

// A sample of a plane less the offset; places past the plane repeat its last samples.
MMIP_RULE float sample_of(const SampleItem& source, int64_t plane, int64_t z, int64_t y, int64_t x) {
    const int64_t nz = source.shape[0], ny = source.shape[1], nx = source.shape[2];
    const int64_t at = ((plane * nz + least(z, nz - 1)) * ny + least(y, ny - 1)) * nx + least(x, nx - 1);
    int32_t v;
    switch (source.type) {
        case kSampleU8: v = static_cast<const uint8_t*>(source.samples)[at]; break;
        case kSampleI8: v = static_cast<const int8_t*>(source.samples)[at]; break;
        case kSampleU16: v = static_cast<const uint16_t*>(source.samples)[at]; break;
        case kSampleI16: v = static_cast<const int16_t*>(source.samples)[at]; break;
        default: v = static_cast<const int32_t*>(source.samples)[at];
    }
    return static_cast<float>(v - source.offset);
}

MMIP_RULE void count_index(int32_t magnitude, int32_t scaled, IndexSums& sums) {
    const int kind = magnitude < 3 ? magnitude - 1 : 2;
    const int64_t excess = (static_cast<int64_t>(magnitude) << 8) - scaled;
    for (int n = 0; n < 3; ++n) sums.count[n] += kind == n ? 1 : 0, sums.excess[n] += kind == n ? excess : 0;
}

// What an analysis writes.
struct AnalyzedCells {
    uint8_t* modes;
    uint8_t* classes;
    int32_t* dcs;
    uint16_t* counts;
    uint16_t* positions;
    int32_t* values;
    IndexSums* sums;                         // of kMaxClasses for each tile; added to
    MMIP_FIELDS(modes, classes, dcs, counts, positions, values, sums)
};

}  // namespace mmip
