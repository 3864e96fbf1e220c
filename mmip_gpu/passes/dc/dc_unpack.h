// Decoding of what stage 1 says of a tile: its class map and its DCs.
// Values: bits of a sub-stream; classes and dc of the Coefficients. Home: host; one item of work = one tile.
// Implements FORMAT.md section 8.1 for readers, by rules/dc/dc_reader.h. Never reads outside the bytes; returns a Status.
#pragma once

#include <vector>

#include "rules/dc/dc_reader.h"
#include "passes/layout.h"

namespace mmip {

// How the DCs of a payload are coded. steps: classes x components in 1/256.
struct DcCode {
    CodeTables codes;
    DcWeights weights;
    const std::vector<std::vector<uint32_t>>& steps;
};

Status read_dcs(Coefficients& coefficients, const Tile& tile, const DcCode& code, BitReader& bits);

}  // namespace mmip
