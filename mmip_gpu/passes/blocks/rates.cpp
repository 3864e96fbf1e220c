// See rates.h.
#include "passes/blocks/rates.h"

#include "passes/coding/codebook.h"
#include "rules/prediction/prediction.h"
#include "passes/tokens/pack.h"
#include "passes/parallel.h"
#include "passes/tokens/tokens.h"

namespace mmip {
namespace {

// Bits of all symbols of a family; raw_bits(symbol): those after the codeword.
template <class RawBits>
std::vector<uint8_t> family_rates(const CodeFamily& f, const EncodingTables& tables, const RawBits& raw_bits) {
    std::vector<uint8_t> raw(static_cast<size_t>(f.alphabet)), rates(tables.symbols());
    for (int s = 0; s < f.alphabet; ++s) raw[s] = static_cast<uint8_t>(raw_bits(s));
    uint8_t* out = rates.data();
    for (int c = 0; c < f.classes; ++c, out += f.alphabet) {
        const uint16_t* row = tables.row(c);
        const int escape = (row[f.alphabet] & 15) + f.escape_bits;
        for (int s = 0; s < f.alphabet; ++s) out[s] = static_cast<uint8_t>((row[s] != kUnlistedWord ? row[s] & 15 : escape) + raw[s]);
    }
    return rates;
}

StageRates rates_of(const CodeFamily& header, const CodeFamily& token, const EncodingTables& headers, const EncodingTables& tokens) {
    const auto size_raw = [](int size) { return size < kEscapeSize ? size_bits(size) : 1 + kEscapeLogBits + kEscapeLog; };
    return {family_rates(header, headers, [](int s) { return (s & 31) < 26 ? count_extra_bits(s & 31) : 0; }),
            family_rates(token, tokens, [&](int s) { return count_extra_bits(s >> 4) + size_raw(s & 15); })};
}

}  // namespace

StageRates builtin_rates(int stage) {
    const std::vector<CodeFamily> f = stage_families(stage, false);
    return rates_of(f[0], f[1], builtin_codes(f[0]).tables, builtin_codes(f[1]).tables);
}

std::vector<uint8_t> builtin_prediction_rates() {
    const CodeFamily f = prediction_family();
    return family_rates(f, builtin_codes(f).tables, [](int s) { return s == kSymbolAngle ? kAngleBits : 0; });
}

StageRates rates_of_counts(int stage, const uint32_t* headers, const uint32_t* tokens, int threads) {
    const std::vector<CodeFamily> f = stage_families(stage, false);
    BitString head;
    return rates_of(f[0], f[1], choose_codes(f[0], headers, head, threads), choose_codes(f[1], tokens, head, threads));
}

StageRates chosen_rates(const Coefficients& coefficients, int stage, const std::vector<std::vector<uint32_t>>& steps, int threads) {
    const std::vector<std::vector<uint32_t>> counts = count_symbols(coefficients, stage, steps, threads);
    return rates_of_counts(stage, counts[counts.size() - 2].data(), counts.back().data(), threads);   // predictions stand before them
}

std::vector<uint8_t> header_classes(const Coefficients& c, int stage, int threads) {
    std::vector<uint8_t> classes(c.cells);
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) {
        find_header_classes(c, c.tiles[i], stage, classes.data() + c.tiles[i].base);
    });
    return classes;
}

}  // namespace mmip
