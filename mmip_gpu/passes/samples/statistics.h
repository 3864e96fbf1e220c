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

constexpr int kUnknownActivity = 255;

// How much neighbours on x and y differ in each cell of 8 x 8 samples of an array (planes, Z, Y, X): four steps for a factor of two in
// the mean square. Of rows of cells one in `every` is looked at, another one in each slice; others are kUnknownActivity. `first`: the
// number of the first slice plus that of the first row of cells, where the array is a part of a larger one.
void cell_activities(const Samples& samples, const std::array<int64_t, 4>& shape, int64_t first, int every, uint8_t* activities);

}  // namespace mmip
