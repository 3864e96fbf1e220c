// What an encoder asks of all samples of an array.
// Values: an array of one of the sample types in, integers out. Home: host. Encoder side of FORMAT.md section 1.
// Exact; results do not depend on the number of threads.
#pragma once

#include "rules/samples/statistics.h"
#include "passes/blocks/analyze.h"

namespace mmip {

// Sum, least and greatest of at least one sample.
SampleStatistics sample_statistics(const Samples& samples, int64_t count, int threads);

// Of two arrays of one type: the sum of squared differences and the largest.
Difference sample_difference(const Samples& a, const Samples& b, int64_t count, int threads);

// Sums of squared differences of two arrays (planes, Z, Y, X) of one type, one a class; cells: classes of all cells in raster
// order, below `classes`.
std::vector<uint64_t> class_squares(const Samples& a, const Samples& b, const std::array<int64_t, 4>& shape, const uint8_t* cells,
                                    int depth, int classes, int threads);

}  // namespace mmip
