// What the head of a predictive payload holds: a map of values, predictor sets, and codes of residuals, of each component.
// Values: a bit string on one side, Parameters on the other. Home: host. Implements FORMAT.md sections 6.1 and 7.3.
// The reader throws DataError for any defect, and allocates no more than the bits at hand can fill.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "passes/predictive/brick_layout.h"
#include "rules/predictive/predict.h"
#include "rules/predictive/residual_tokens.h"

namespace mmip {

struct PredictorSet {
    std::array<int16_t, kNeighbours2d> first{};
    std::array<int16_t, kNeighbours3d> later{};      // without `with_previous`: `first`, then zeros
    bool bound_ne = true, with_previous = false;

    bool operator==(const PredictorSet& o) const { return first == o.first && later == o.later && bound_ne == o.bound_ne && with_previous == o.with_previous; }
};

using CodeLengths = std::array<std::array<uint8_t, kResidualAlphabet>, kResidualTables>;

struct ComponentParameters {
    std::vector<PredictorSet> sets;                  // 1 to kMaxSets
    std::vector<uint8_t> set_of_brick;               // of the component's planes, brick after brick
    std::array<int8_t, 2> cross{};                   // weights of the residuals of earlier components, in 1/64
    int context = 0;                                 // how contexts are made: see context_form
    CodeLengths lengths{};                           // 0: no codeword
};

struct Parameters {
    std::vector<int32_t> values;                     // ascending, what the ranks stand for; empty: samples are not ranks
    std::vector<std::array<int32_t, 3>> palette;     // colours, of which values are the numbers
    std::vector<ComponentParameters> components;
};

struct ParameterForm {
    BrickLayout layout;
    int components;                                  // 1 or 3
    int bits;                                        // of the channels' values
    int32_t offset;                                  // least value
    bool is_palette;
    int more_bits = 0;                               // of components 1 and 2
};

std::vector<uint8_t> write_parameters(const Parameters& parameters, const ParameterForm& form);
Parameters read_parameters(const uint8_t* bytes, uint64_t size, const ParameterForm& form);

// Leaves the sets that bricks name, in the order in which they do.
void drop_unused_sets(ComponentParameters& component);

// Entries that decode: kResidualTables + 1 tables of 1 << kResidualCodeLimit; the last one is for samples inside of runs.
std::vector<uint32_t> decoding_entries(const CodeLengths& lengths);

// Codewords of the symbols, table after table.
std::vector<uint16_t> residual_codewords(const CodeLengths& lengths);

// Lengths of the best codes for these counts (kResidualTables x kResidualAlphabet).
CodeLengths best_lengths(const std::vector<uint32_t>& counts);

}  // namespace mmip
