// See stage_codes.h.
#include "passes/coding/stage_codes.h"

#include "rules/prediction/prediction.h"
#include "passes/coding/codebook.h"
#include "passes/dc/dc_fit.h"
#include "passes/tokens/tokens.h"

namespace mmip {
namespace {

constexpr int kCountSymbols = 26;        // of numbers of nonzeros and of runs
constexpr int kMostEscapeBits = 1 + 29;  // sign and raw bits of |q| < 2^26

std::vector<CodeFamily> families_of(int stage, StageForm form) {
    if (stage == 0) return {correction_family()};
    std::vector<CodeFamily> families = stage_families(stage, form == kDcImageForm);
    if (form == kPredictedForm) families.insert(families.begin(), prediction_family());
    return families;
}

// Raw bits that follow a symbol of a family, at most; those of an escaped symbol are in its word.
int most_raw_bits(const CodeFamily& f, int symbol) {
    if (f.alphabet == kHeaderAlphabet) return (symbol & 31) < kCountSymbols ? count_extra_bits(symbol & 31) : 0;
    if (f.alphabet == kPredictionAlphabet) return symbol == kSymbolAngle ? kAngleBits : 0;
    if (f.alphabet != kTokenAlphabet) return 32;
    const int size = symbol & 15;
    return count_extra_bits(symbol >> 4) + (size < kEscapeSize ? size_bits(size) : kMostEscapeBits);
}

uint64_t raw_bits(const CodeFamily& f, const uint32_t* counts) {
    std::vector<uint32_t> most(static_cast<size_t>(f.alphabet));
    for (int s = 0; s < f.alphabet; ++s) most[s] = static_cast<uint32_t>(most_raw_bits(f, s));
    uint64_t bits = 0;
    for (int c = 0; c < f.classes; ++c, counts += f.alphabet)
        for (int s = 0; s < f.alphabet; ++s) bits += static_cast<uint64_t>(counts[s]) * most[s];
    return bits;
}

}  // namespace

size_t stage_symbols(int stage, StageForm form) {
    size_t symbols = 0;
    for (const CodeFamily& f : families_of(stage, form)) symbols += static_cast<size_t>(f.classes) * f.alphabet;
    return symbols;
}

StageCodes choose_stage_codes(int stage, StageForm form, const DcWeights& weights, const uint32_t* counts, uint32_t* words) {
    StageCodes codes;
    BitString head;
    if (form == kPredictedForm) head.put(kPredictionMark, kPredictionMarkBits);
    if (stage == 1) put_weights(weights, head);
    for (const CodeFamily& f : families_of(stage, form)) {
        const EncodingTables tables = choose_codes(f, counts, head, 1);
        put_symbol_words(tables, words);
        codes.bits += tables.bits + raw_bits(f, counts);
        counts += tables.symbols();
        words += tables.symbols();
    }
    codes.head = head.finish();
    return codes;
}

}  // namespace mmip
