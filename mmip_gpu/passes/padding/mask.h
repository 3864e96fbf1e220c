// The padding mask of a chunk: found in the samples, written to and read from the sub-streams of stage 1.
// Values: Coefficients::mask, 64 bits a slice of a cell (bit 8 y + x), cells per tile in raster order. Home: host.
// Implements FORMAT.md section 8.1 (mask). Reading never takes more bytes than the sub-stream has.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/padding/mask_reader.h"
#include "rules/padding/mask_writer.h"
#include "passes/blocks/analyze.h"
#include "passes/layout.h"

namespace mmip {

// Sets the mask: samples equal to `value`; places past the plane repeat its last samples.
void find_mask(Coefficients& coefficients, const Samples& samples, int32_t value, int threads);

struct TileMask {
    int kind;
    std::vector<uint8_t> code;               // of a mixed mask
};

TileMask encode_mask(const Coefficients& coefficients, const Tile& tile);

// Sink: as in pack.cpp.
template <class Sink>
void put_mask(const Coefficients& c, const Tile& tile, Sink& sink) {
    const TileMask mask = encode_mask(c, tile);
    sink.reserve(1 + static_cast<int64_t>(mask.code.size()) / 16);
    put_mask_head({mask.kind, static_cast<uint32_t>(mask.code.size())}, sink);
    for (const uint8_t byte : mask.code) sink.raw(byte, 8);
}

Status read_mask(Coefficients& coefficients, const Tile& tile, BitReader& bits);

}  // namespace mmip
