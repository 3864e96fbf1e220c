// Encoding of a chunk of kind 2.
// Values: samples in, the payload and the fields of its header out. Home: host. Implements FORMAT.md sections 6.1, 8.6 and 8.7.
// Any number of threads and any copy of the kernels gives the same bytes.
#pragma once

#include <string>

#include "passes/coding/payload.h"
#include "passes/predictive/decode.h"

namespace mmip {

constexpr int kLeastTriedEffort = 2;   // more effort encodes as each one from here on does, and keeps the smallest: it may guess worse

struct PredictiveOptions {
    int effort = 2;              // 1: fewer samples are looked at; 3: sets are refined, and effort 2 is tried, too
    bool ranked = true;          // whether ranks may stand for samples
    int threads = 1;
    PayloadMemory memory{};      // where the payload goes; none: to the chunk
};

struct PredictiveChunk {
    PredictiveForm form;
    std::string payload;         // empty where it went elsewhere
};

// planes, shape: of the samples (C order); colour: planes 3 k, 3 k + 1, 3 k + 2 are R, G, B.
PredictiveChunk encode_predictive(const Samples& samples, int64_t planes, const int64_t* shape, bool colour, int near, const PredictiveOptions& options);

}  // namespace mmip
