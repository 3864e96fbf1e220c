// Tokens of residuals: what an encoder counts before it has codes, and writes once it has.
// Values: see lockstep.h for the bits of a token. Home: host. Implements FORMAT.md sections 7.3 and 8.6, for writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "passes/predictive/lockstep.h"
#include "passes/predictive/parameters.h"

namespace mmip {

// Counts of (symbol, table) by the low bits of a token.
struct TokenCounts {
    std::vector<uint32_t> of = std::vector<uint32_t>(size_t{1} << kTokenRaw, 0);

    void add(const TokenCounts& other);
    std::vector<uint32_t> by_table() const;          // kResidualTables x kResidualAlphabet
};

// Puts runs in place of class 0: `plain` are the tokens of a tile as if there were no runs. Returns how many there are.
size_t with_runs(const uint32_t* plain, size_t count, uint32_t* out, TokenCounts& counts);

// What a token is written by: the codeword and how many raw bits follow it.
struct TokenWriting {
    uint32_t codeword;
    uint8_t length, raw_bits;
};

std::vector<TokenWriting> token_writing(const CodeLengths& lengths);

// The sub-stream of a tile; at least one byte.
std::vector<uint8_t> written_tokens(const std::vector<uint32_t>& tokens, const std::vector<TokenWriting>& writing);

}  // namespace mmip
