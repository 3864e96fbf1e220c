// The codes of a stage from its symbol counts, for encoders that count and write elsewhere.
// Values: histograms (uint32 per symbol, family after family, class after class) in; head bits and words out. Home: host, always.
// Implements FORMAT.md sections 6 (codes) and 7. The same choice as pack_stage makes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "rules/dc/dc.h"

namespace mmip {

// What else a payload holds than those of its stage do.
enum StageForm : uint8_t { kPlainForm = 0, kDcImageForm = 1, kPredictedForm = 2 };   // stage 1 with a DC image; stage 2 with predictions

struct StageCodes {
    std::vector<uint8_t> head;               // mark, prediction weights (stage 1) and codes, padded to a byte
    uint64_t bits = 0;                       // of all symbols with their raw bits, at most
};

// Entries of the histogram of a stage; stage 0 is that of the corrections.
size_t stage_symbols(int stage, StageForm form);

// `words` get the word of every symbol, see rules/tokens/tokens.h, in the order of `counts`.
StageCodes choose_stage_codes(int stage, StageForm form, const DcWeights& weights, const uint32_t* counts, uint32_t* words);

}  // namespace mmip
