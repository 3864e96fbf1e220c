// Bits of the parameters of kinds 2 and 3: a reader that knows where they end, maps of values and palettes.
// Values: numbers, and ascending values that ranks stand for. Home: host. Implements FORMAT.md section 6.1.
// The reader throws DataError for any defect; nothing is allocated that the bits at hand cannot fill.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "passes/coding/codebook.h"
#include "rules/coding/bitstream.h"

namespace mmip {

[[noreturn]] void corrupt_parameters(const char* what);

// Bit by bit, refilled before each field: heads are short.
struct ParameterReader {
    BitReader bits;

    ParameterReader(const uint8_t* bytes, uint64_t size) : bits(bytes, size) {}

    uint32_t take(int count) {
        bits.refill();
        return bits.take(count);
    }
    int32_t take_signed(int count) { return static_cast<int32_t>(take(count) << (32 - count)) >> (32 - count); }
    uint32_t take_gamma() {
        uint32_t value = 0;
        if (!bits.take_gamma(value)) corrupt_parameters("a number of more than 32 bits");
        return value;
    }
    void check() const;                      // throws where fields ended past the bytes
    void check_end(uint64_t size);           // and where anything follows
};

void put_gamma_bits(BitString& out, uint32_t value);

// One bit, and if it is 1 what the values after the first one are.
void write_value_map(BitString& out, const std::vector<int32_t>& values);
// After that bit: values from `first` on, at most 2^bits of them.
std::vector<int32_t> read_value_map(ParameterReader& in, int32_t first, int bits);

using PaletteColour = std::array<int32_t, 3>;            // R, G, B

// Colours as differences to the one before, each channel with its own number of raw bits.
void write_palette(BitString& out, const std::vector<PaletteColour>& palette, int32_t offset);
// At most 2^bits colours.
std::vector<PaletteColour> read_palette(ParameterReader& in, int32_t offset, int bits);

}  // namespace mmip
