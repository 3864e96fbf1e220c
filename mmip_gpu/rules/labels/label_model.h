// What a tile of labels is coded with: adaptive decisions, numbers made of them, and names of labels.
// Values: labels as numbers in the order in which a tile first shows them; ranks among the values of the chunk. Host and device.
// Implements FORMAT.md section 8.8 (contexts, numbers, labels). The coder is that of mask.h; one walk writes and reads.
#pragma once

#include "rules/padding/mask.h"
#include "rules/tokens/symbols.h"

namespace MMIP_NS {

constexpr int kMaxLabelTileLog2 = 20;                        // a tile has at most 2^20 samples
constexpr int kLabelBlock = 64, kLabelWidthBits = 7;         // values that share a width in the list of a chunk
constexpr uint32_t kNoLabel = 0xFFFFFFFFu;

// Contexts. Those of a step are asked for each of its first three questions.
constexpr int kStepContexts = 76, kStepCrossed = 72;
constexpr int kStepStill = 0, kStepByOne = kStepStill + kStepContexts, kStepRight = kStepByOne + kStepContexts;
constexpr int kStepEnds = kStepRight + kStepContexts, kStepBegins = kStepEnds + 30, kFarRight = kStepBegins + 5;
constexpr int kNumberContexts = 41, kFarSize = kFarRight + 24, kNearBegin = kFarSize + kNumberContexts;
constexpr int kRowFirst = kNearBegin + 2 * kNumberContexts, kRowEnd = kRowFirst + 3, kGuess = kRowEnd + 4;
constexpr int kFresh = kGuess + 12, kNextRank = kFresh + 1, kRankBit = kNextRank + 1, kKnownBit = kRankBit + 32;
constexpr int kLabelContexts = kKnownBit + 32;
constexpr int kLongestNumber = 20;                           // bits below the leading one of n + 1

// Probability of a 1 in 1/65536 and number of decisions seen (up to 7), per context.
struct LabelModel {
    uint16_t probability[kLabelContexts];
    uint16_t seen[kLabelContexts];                           // not of bytes: those may alias the state of a coder

    MMIP_RULE void reset() {
        for (int c = 0; c < kLabelContexts; ++c) {
            probability[c] = 32768;
            seen[c] = 0;
        }
    }

    MMIP_RULE void adapt(int context, int bit) {
        const int p = probability[context], shift = 1 + (seen[context] + 1) / 2;
        probability[context] = static_cast<uint16_t>(bit != 0 ? p + ((65536 - p) >> shift) : p - (p >> shift));
        if (seen[context] < 7) ++seen[context];
    }
};

// n >= 0: how many bits n + 1 has below its leading one, then those bits. -1: a reader found too many.
template <class Coder>
MMIP_RULE int code_number(int n, int base, Coder& coder) {
    const int size = bit_length(static_cast<uint32_t>(n) + 1) - 1;
    int s = 0;
    while (coder.decide(base + (s < 19 ? s : 19), size > s) != 0)
        if (++s > kLongestNumber) return -1;
    int value = 1;
    for (int k = s - 1; k >= 0; --k) {
        const int context = k == s - 1 ? base + 19 + s : base + 40;
        value = 2 * value + coder.decide(context, ((n + 1) >> k) & 1);
    }
    return value - 1;
}

// A number below `count`, of as many bits as the largest has, the highest first.
template <class Coder>
MMIP_RULE uint32_t code_below(uint32_t number, uint32_t count, int base, Coder& coder) {
    uint32_t value = 0;
    for (int k = bit_length(count - 1) - 1; k >= 0; --k) value = 2 * value + static_cast<uint32_t>(coder.decide(base + k, (number >> k) & 1));
    return value;
}

// The labels that a tile has shown: label i has the rank ranks[i]. A writer knows ranks before they are shown.
struct LabelNames {
    uint32_t* ranks;
    uint32_t most;                                           // values of the chunk
    uint32_t count = 0;
    uint32_t next = 0;                                       // the rank after the one shown last

    MMIP_RULE LabelNames(uint32_t* buffer, uint32_t values) : ranks(buffer), most(values) {}
};

// What a label may be equal to; kNoLabel where there is nothing. Never `current`.
struct LabelHints {
    uint32_t current, above, before, back;
};

// The label of the number names.count, which is shown now.
template <class Coder>
MMIP_RULE uint32_t code_fresh_label(LabelNames& names, Coder& coder) {
    uint32_t rank = names.ranks[names.count];
    if (names.next < names.most && coder.decide(kNextRank, rank == names.next) != 0) rank = names.next;
    else rank = code_below(rank, names.most, kRankBit, coder);
    if (rank >= names.most) return kNoLabel;
    names.ranks[names.count] = rank;
    names.next = rank + 1;
    return names.count++;
}

// Codes (or reads) a label; kNoLabel: a reader found none that can be.
template <class Coder>
MMIP_RULE uint32_t code_label(uint32_t label, const LabelHints& hints, LabelNames& names, Coder& coder) {
    const uint32_t guesses[3] = {hints.above, hints.before, hints.back};
    int asked = 0;
    for (int i = 0; i < 3; ++i) {
        const uint32_t guess = guesses[i];
        if (guess == kNoLabel || guess == hints.current || (i > 0 && guess == guesses[0]) || (i > 1 && guess == guesses[1])) continue;
        const int agreeing = hints.before == kNoLabel ? 0 : (hints.before == guess ? 1 : 2);
        if (coder.decide(kGuess + 4 * i + (i == 0 ? agreeing : asked), label == guess) != 0) return guess;
        asked |= 1 << i;
    }
    const bool can_be_fresh = names.count < names.most;
    if (names.count == 0 || (can_be_fresh && coder.decide(kFresh, label == names.count) != 0)) return code_fresh_label(names, coder);
    const uint32_t back = code_below(names.count - 1 - label, names.count, kKnownBit, coder);
    if (back >= names.count || names.count - 1 - back == hints.current) return kNoLabel;
    return names.count - 1 - back;
}

}  // namespace MMIP_NS
