// The prediction of a block between counting and writing: listed before the codes are known, then put behind the block's header.
// Values: a listed prediction of 16 bits; words of the chosen code (rules/tokens/tokens.h). Host and device. FORMAT.md section 8.2.
#pragma once

#include "rules/prediction/prediction.h"
#include "rules/tokens/tokens.h"

namespace MMIP_NS {

constexpr uint16_t kNoPrediction = 0xffff;   // of a block: no symbol says it
constexpr int kPredictionSymbols = kPredictionClasses * kPredictionAlphabet;

// (class * kPredictionAlphabet + symbol) << kAngleBits | raw bits. w, n as prediction_class takes them.
MMIP_RULE uint16_t listed_prediction(int prediction, int cells, int w, int n) {
    const int symbol = prediction_symbol(prediction, w, n), place = prediction_class(cells, w, n) * kPredictionAlphabet + symbol;
    return static_cast<uint16_t>(place << kAngleBits | (symbol == kSymbolAngle ? prediction - kFirstAngle : 0));
}

// Of its symbol among those of all classes.
MMIP_RULE int listed_symbol(uint16_t listed) { return listed >> kAngleBits; }

template <class Writer>
MMIP_RULE void put_prediction(Writer& out, const uint32_t* words, uint16_t listed) {
    if (listed == kNoPrediction) return;
    const int symbol = listed_symbol(listed);
    put_word(out, words[symbol], listed, symbol % kPredictionAlphabet == kSymbolAngle ? kAngleBits : 0);
}

}  // namespace MMIP_NS
