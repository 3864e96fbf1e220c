// Decoding tables of the code families of one stage, built in or read from a payload's head.
// Values: a bit string in, tables of all classes out. Home: host. Implements FORMAT.md section 7 for readers.
// Throws DataError for a code that the format does not allow.
#pragma once

#include <vector>

#include "passes/coding/codebook.h"

namespace mmip {

struct DecodingTables {
    int alphabet = 0, escape_bits = 0;
    std::vector<uint32_t> fast;
    std::vector<LongCodes> longer;

    CodeTables view() const { return {fast.data(), longer.data(), alphabet, escape_bits}; }
};

// Reads what choose_codes wrote.
DecodingTables read_codes(const CodeFamily& family, BitReader& bits);

// No token of a family's codes, with its raw bits, takes fewer bits.
int least_bits(const DecodingTables& tables);

// Where the code of a token stands in `fast`; see token_places of layout.h.
const uint16_t* token_code_places();

}  // namespace mmip
