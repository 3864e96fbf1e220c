// See rates.h.
#include "rates.h"

#include "codebook.h"
#include "pack.h"
#include "parallel.h"
#include "tokens.h"

namespace mmip {
namespace {

StageRates rates_of(const CodeFamily& header, const CodeFamily& token, const EncodingTables& headers, const EncodingTables& tokens) {
    const auto bits = [](const CodeFamily& f, const EncodingTables& t, int c, int s) {
        const uint16_t word = t.row(c)[s];
        return word != kUnlistedWord ? word & 15 : (t.row(c)[f.alphabet] & 15) + f.escape_bits;
    };
    const auto raw_bits = [](int size) { return size < kEscapeSize ? size_bits(size) : 1 + kEscapeLogBits + kEscapeLog; };
    StageRates rates;
    for (int c = 0; c < header.classes; ++c)
        for (int s = 0; s < header.alphabet; ++s)
            rates.header.push_back(static_cast<uint8_t>(bits(header, headers, c, s) + ((s & 31) < 26 ? count_extra_bits(s & 31) : 0)));
    for (int c = 0; c < token.classes; ++c)
        for (int s = 0; s < token.alphabet; ++s)
            rates.token.push_back(static_cast<uint8_t>(bits(token, tokens, c, s) + count_extra_bits(s >> 4) + raw_bits(s & 15)));
    return rates;
}

}  // namespace

StageRates builtin_rates(int stage) {
    const std::vector<CodeFamily> f = stage_families(stage, false);
    return rates_of(f[0], f[1], builtin_codewords(f[0]), builtin_codewords(f[1]));
}

StageRates rates_of_counts(int stage, const std::vector<std::vector<uint32_t>>& histograms, int threads) {
    const std::vector<CodeFamily> f = stage_families(stage, false);
    BitString head;
    return rates_of(f[0], f[1], choose_codes(f[0], histograms[0], head, threads), choose_codes(f[1], histograms[1], head, threads));
}

StageRates chosen_rates(const Coefficients& c, int stage, const std::vector<std::vector<uint32_t>>& steps, int threads) {
    return rates_of_counts(stage, count_symbols(c, stage, steps, threads), threads);
}

std::vector<uint8_t> header_classes(const Coefficients& c, int stage, int threads) {
    std::vector<uint8_t> classes(c.cells);
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) {
        find_header_classes(c, c.tiles[i], stage, classes.data() + c.tiles[i].base);
    });
    return classes;
}

}  // namespace mmip
