// Tokens of residuals: what an encoder counts before it has codes, and writes once it has.
// Values: see lockstep.h for the bits of a token. Home: host. Implements FORMAT.md sections 7.3 and 8.6, for writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "passes/predictive/lockstep.h"
#include "passes/predictive/parameters.h"

namespace mmip {

// Counts of (symbol, table) by the low bits of a token; of every second token apart, so that counts of equal ones do not wait.
struct TokenCounts {
    std::vector<uint32_t> of = std::vector<uint32_t>(size_t{2} << kTokenRaw, 0);

    void add(const TokenCounts& other);
    std::vector<uint32_t> by_class() const;          // kClassNumbers x kResidualAlphabet
};

void count_tokens(const uint32_t* tokens, size_t count, TokenCounts& counts);

// Puts runs in place of class 0; `tokens` are those of a tile as if there were no runs. Returns how many there are, and counts them.
size_t with_runs(uint32_t* tokens, size_t count, TokenCounts& counts);

// What tokens of each kind are written by: see StreamWriteJob.
std::vector<uint64_t> token_writing(const CodeLengths& lengths);

// The tokens of a tile, and later its sub-stream, in the same memory: bits are never written where tokens are still to be read.
struct TileStream {
    static constexpr int kBefore = 2, kBehind = 2 * kMaxLanes;   // numbers of room around the tokens

    uint32_t* memory;
    uint32_t count = 0;                              // of tokens, then of bytes

    uint32_t* tokens() const { return memory + kBefore; }
    const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(memory); }
    // At least one byte. `in_pairs`: no two tokens take more than 56 bits.
    void write(const PredictiveKernels& kernels, const std::vector<uint64_t>& writing, bool in_pairs);
};

}  // namespace mmip
