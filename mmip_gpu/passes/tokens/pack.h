// Entropy coding of one stage: coefficients of a whole chunk in, payload bytes out.
// Values: Coefficients (indices, modes, classes) and step sizes in 1/256; bytes. Home: host; one item of work = one sub-stream.
// Implements FORMAT.md sections 6 and 8. The payload is a pure function of the coefficients: any thread count gives the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rules/dc/dc.h"
#include "passes/layout.h"

namespace mmip {

// steps: classes x components in 1/256; the component of plane p is p % components. fitted: what fit_dc_weights gives for
// these coefficients, where it is known.
std::string pack_stage(const Coefficients& coefficients, int stage, const std::vector<std::vector<uint32_t>>& steps,
                       int threads, const std::optional<DcWeights>& fitted);

// Symbol counts of a stage per code family (classes x alphabet each); trains the built-in codes.
std::vector<std::vector<uint32_t>> count_symbols(const Coefficients& coefficients, int stage,
                                                 const std::vector<std::vector<uint32_t>>& steps, int threads);

// Token counts per context (kTokenContexts x kTokenAlphabet) of a stage; trains the map of contexts to classes.
std::vector<uint32_t> count_token_contexts(const Coefficients& coefficients, int stage, int threads);

}  // namespace mmip
