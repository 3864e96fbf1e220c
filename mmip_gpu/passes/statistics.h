// What an encoder asks of all samples of an array.
// Values: an array of one of the sample types in, integers out. Home: host. Encoder side of FORMAT.md section 1.
// Exact; results do not depend on the number of threads.
#pragma once

#include "analyze.h"

namespace mmip {

// Sum, least and greatest of at least one sample.
SampleStatistics sample_statistics(const Samples& samples, int64_t count, int threads);

}  // namespace mmip
