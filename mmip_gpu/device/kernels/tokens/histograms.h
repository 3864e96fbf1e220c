// How often each symbol of each payload occurs.
// Values: counts by copy, payload and symbol, predictions before headers before tokens. Copies are added up by a kernel of their own.
#pragma once

#include "rules/prediction/listed_prediction.h"
#include "rules/tokens/symbols.h"
#include "device/kernels/items.h"

namespace mmip {

constexpr int kHeaderSymbols = kHeaderClasses * kHeaderAlphabet;   // of a payload; its tokens follow

// Copies of the histograms keep groups that count at the same time apart; a later kernel adds them.
struct Histograms {
    uint32_t* bins;
    int64_t copies, symbols;

    MMIP_RULE uint32_t* of(const PayloadItem& payload, int64_t group) const { return bins + group % copies * symbols + payload.first_symbol; }
    MMIP_RULE uint32_t* predictions_of(const PayloadItem& payload, int64_t group) const { return of(payload, group) - kPredictionSymbols; }

    MMIP_FIELDS(bins, copies, symbols)
};

// Adds up the copies of the histograms. One group = kLanes symbols.
struct SumHistogramsKernel {
    static constexpr int kLanes = 256, kPhases = 1;

    struct Params {
        int64_t groups;
        Histograms histograms;
        uint32_t* sums;
        MMIP_FIELDS(groups, histograms, sums)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t symbol = group * kLanes + lane;
        if (symbol >= p.histograms.symbols) return;
        uint32_t sum = 0;
        for (int64_t copy = 0; copy < p.histograms.copies; ++copy) sum += p.histograms.bins[copy * p.histograms.symbols + symbol];
        p.sums[symbol] = sum;
    }
};

}  // namespace mmip
