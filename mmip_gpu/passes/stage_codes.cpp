// See stage_codes.h.
#include "stage_codes.h"

#include "codebook.h"
#include "dc_fit.h"
#include "tokens.h"

namespace mmip {
namespace {

std::vector<CodeFamily> families_of(int stage, bool dc_image) {
    return stage == 0 ? std::vector<CodeFamily>{correction_family()} : stage_families(stage, dc_image);
}

}  // namespace

size_t stage_symbols(int stage, bool dc_image) {
    size_t symbols = 0;
    for (const CodeFamily& f : families_of(stage, dc_image)) symbols += static_cast<size_t>(f.classes) * f.alphabet;
    return symbols;
}

StageCodes choose_stage_codes(int stage, bool dc_image, const DcWeights& weights, const std::vector<uint32_t>& histogram) {
    StageCodes codes;
    BitString head;
    if (stage == 1) put_weights(weights, head);
    auto counts = histogram.begin();
    for (const CodeFamily& f : families_of(stage, dc_image)) {
        const auto end = counts + f.classes * f.alphabet;
        const std::vector<uint32_t> words = symbol_words(choose_codes(f, {counts, end}, head, 1));
        codes.words.insert(codes.words.end(), words.begin(), words.end());
        counts = end;
    }
    codes.head = head.finish();
    return codes;
}

}  // namespace mmip
