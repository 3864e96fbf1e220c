// See tokens.h.
#include "passes/predictive/tokens.h"

#include <algorithm>

namespace mmip {
namespace {

constexpr uint32_t kKinds = 1u << kTokenRaw;

uint32_t packed_token(const ResidualToken& t, int first_symbol, int table) {
    return t.raw << kTokenRaw | static_cast<uint32_t>(t.symbol + first_symbol) << kTokenSymbol | static_cast<uint32_t>(table);
}

// The number that a plain token stands for.
uint32_t token_number(uint32_t token) {
    const int symbol = (token >> kTokenSymbol) & 127;
    return residual_base(symbol, kDirectTokens) + (token >> kTokenRaw);
}

}  // namespace

void TokenCounts::add(const TokenCounts& other) {
    for (size_t i = 0; i < of.size(); ++i) of[i] += other.of[i];
}

std::vector<uint32_t> TokenCounts::by_class() const {
    std::vector<uint32_t> found(static_cast<size_t>(kClassNumbers) * kResidualAlphabet, 0);
    for (int t = 0; t < kClassNumbers; ++t)
        for (int s = 0; s < kResidualAlphabet; ++s) {
            const size_t at = static_cast<size_t>(s) << kTokenSymbol | t;
            found[t * kResidualAlphabet + s] = of[at] + of[at + kKinds];
        }
    return found;
}

void count_tokens(const uint32_t* tokens, size_t count, TokenCounts& counts) {
    uint32_t *even = counts.of.data(), *odd = even + kKinds;
    size_t i = 0;
    for (; i + 1 < count; i += 2) ++even[tokens[i] & (kKinds - 1)], ++odd[tokens[i + 1] & (kKinds - 1)];
    if (i < count) ++even[tokens[i] & (kKinds - 1)];
}

size_t with_runs(uint32_t* tokens, size_t count, TokenCounts& counts) {
    uint32_t* to = tokens;
    constexpr uint32_t classes = (1u << kTokenSymbol) - 1;
    for (size_t i = 0; i < count;) {
        const uint32_t token = tokens[i];
        if ((token & classes) != 0) {
            *to++ = token;
            ++i;
            continue;
        }
        size_t end = i;
        while (end < count && tokens[end] >> kTokenSymbol == 0) ++end;   // residual 0
        const uint32_t last = end < count ? token_number(tokens[end]) - 1 : 0;
        if (end > i) *to++ = packed_token(residual_token(static_cast<uint32_t>(end - i - 1), kDirectRunTokens), kFirstRunSymbol, 0);
        if (end < count) *to++ = packed_token(residual_token(last, kDirectTokens), 0, end > i ? kAfterRunClass : 0);
        i = end + 1;
    }
    const size_t left = static_cast<size_t>(to - tokens);
    count_tokens(tokens, left, counts);
    return left;
}

std::vector<uint64_t> token_writing(const CodeLengths& lengths) {
    std::vector<uint64_t> found(kKinds, 0);
    const std::vector<uint16_t> codewords = residual_codewords(lengths);
    for (int t = 0; t < kResidualTables; ++t) {
        const auto used = std::count_if(lengths[t].begin(), lengths[t].end(), [](uint8_t n) { return n != 0; });
        for (int s = 0; s < kResidualAlphabet; ++s) {
            const bool is_run = t == 0 && s >= kFirstRunSymbol;
            const uint32_t raw_bits = static_cast<uint32_t>(is_run ? residual_raw_bits(s - kFirstRunSymbol, kDirectRunTokens) : residual_raw_bits(s, kDirectTokens));
            const bool is_coded = used > 1 && lengths[t][s] != 0;
            const uint64_t codeword = is_coded ? codewords[t * kResidualAlphabet + s] : 0u, length = is_coded ? lengths[t][s] : 0u;
            found[static_cast<size_t>(s) << kTokenSymbol | t] = codeword << raw_bits << kWritingBits | (length + raw_bits);
        }
    }
    return found;
}

void TileStream::write(const PredictiveKernels& kernels, const std::vector<uint64_t>& writing, bool in_pairs) {
    const uint8_t* end = kernels.write({tokens(), count, writing.data(), in_pairs, reinterpret_cast<uint8_t*>(memory)});
    count = static_cast<uint32_t>(end - bytes());
    if (count == 0) memory[0] = 0, count = 1;
}

}  // namespace mmip
