// What the symbols of a stage cost, and the header classes that go with them: what an encoder weighs blocks by.
// Values: bits by class and symbol, classes by cell. Home: host. Encoder's own, not part of the format; FORMAT.md section 8.2.
// Rates are those of built-in codes, or of the codes that pack_stage chooses; any thread count gives the same ones.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/layout.h"

namespace mmip {

// Bits of every symbol of a stage from 2 on, its raw bits included: classes x alphabet.
struct StageRates {
    std::vector<uint8_t> header, token;
};

StageRates builtin_rates(int stage);

// Bits of the symbols PREDICTION, the raw bits of an angle included: classes x alphabet.
std::vector<uint8_t> builtin_prediction_rates();

// With the codes that pack_stage would choose for these counts (of headers, of tokens), and for these coefficients.
StageRates rates_of_counts(int stage, const uint32_t* headers, const uint32_t* tokens, int threads);
StageRates chosen_rates(const Coefficients& coefficients, int stage, const std::vector<std::vector<uint32_t>>& steps, int threads);

// Class of the header that a block would have in this stage, if it started at a cell: per cell, tiles in coding order.
std::vector<uint8_t> header_classes(const Coefficients& coefficients, int stage, int threads);

}  // namespace mmip
