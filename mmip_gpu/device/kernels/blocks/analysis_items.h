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
