// See tokens.h.
#include "passes/predictive/tokens.h"

#include <algorithm>

#include "rules/coding/bitstream.h"

namespace mmip {
namespace {

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

std::vector<uint32_t> TokenCounts::by_table() const {
    std::vector<uint32_t> found(static_cast<size_t>(kResidualTables) * kResidualAlphabet, 0);
    for (int t = 0; t < kResidualTables; ++t)
        for (int s = 0; s < kResidualAlphabet; ++s) found[t * kResidualAlphabet + s] = of[static_cast<size_t>(s) << kTokenSymbol | t];
    return found;
}

size_t with_runs(const uint32_t* plain, size_t count, uint32_t* out, TokenCounts& counts) {
    uint32_t* to = out;
    const auto put = [&](uint32_t token) {
        *to++ = token;
        ++counts.of[token & ((1u << kTokenRaw) - 1)];
    };
    constexpr uint32_t classes = (1u << kTokenSymbol) - 1;
    for (size_t i = 0; i < count;) {
        const uint32_t token = plain[i];
        if ((token & classes) != 0) {
            put(token);
            ++i;
            continue;
        }
        size_t end = i;
        while (end < count && plain[end] >> kTokenSymbol == 0) ++end;   // residual 0
        if (end > i) put(packed_token(residual_token(static_cast<uint32_t>(end - i - 1), kDirectRunTokens), kFirstRunSymbol, 0));
        if (end < count) put(packed_token(residual_token(token_number(plain[end]) - 1, kDirectTokens), 0, end > i ? kAfterRunTable : 0));
        i = end + 1;
    }
    return static_cast<size_t>(to - out);
}

std::vector<TokenWriting> token_writing(const CodeLengths& lengths) {
    std::vector<TokenWriting> found(size_t{1} << kTokenRaw, TokenWriting{0, 0, 0});
    const std::vector<uint16_t> codewords = residual_codewords(lengths);
    for (int t = 0; t < kResidualTables; ++t) {
        const auto used = std::count_if(lengths[t].begin(), lengths[t].end(), [](uint8_t n) { return n != 0; });
        for (int s = 0; s < kResidualAlphabet; ++s) {
            const bool is_run = t == 0 && s >= kFirstRunSymbol;
            const int raw_bits = is_run ? residual_raw_bits(s - kFirstRunSymbol, kDirectRunTokens) : residual_raw_bits(s, kDirectTokens);
            const bool is_coded = used > 1 && lengths[t][s] != 0;
            found[static_cast<size_t>(s) << kTokenSymbol | t] = {is_coded ? codewords[t * kResidualAlphabet + s] : 0u, static_cast<uint8_t>(is_coded ? lengths[t][s] : 0),
                                                               static_cast<uint8_t>(raw_bits)};
        }
    }
    return found;
}

std::vector<uint8_t> written_tokens(const std::vector<uint32_t>& tokens, const std::vector<TokenWriting>& writing) {
    std::vector<uint8_t> bytes(tokens.size() * 4 + 16);
    BitWriter out(bytes.data());
    for (const uint32_t token : tokens) {
        const TokenWriting& w = writing[token & ((1u << kTokenRaw) - 1)];
        out.put(static_cast<uint64_t>(w.codeword) << w.raw_bits | token >> kTokenRaw, w.length + w.raw_bits);
    }
    const size_t used = static_cast<size_t>(out.finish() - bytes.data());
    if (used == 0) bytes[0] = 0;
    bytes.resize(std::max<size_t>(used, 1));
    return bytes;
}

}  // namespace mmip
