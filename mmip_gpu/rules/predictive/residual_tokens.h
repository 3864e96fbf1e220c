// Residuals as tokens: classes of contexts, symbols, raw bits, and the entries of the tables that decode them.
// Values: V = int32_t, or a vector of as many as a register holds. Host and device. Implements FORMAT.md sections 8.6 and 7.3.
#pragma once

#include "rules/format.h"
#include "rules/tokens/symbols.h"

namespace MMIP_NS {

constexpr int kResidualClasses = 16;         // 0: runs of zeros
constexpr int kAfterRunTable = 16;           // the residual that ends a run
constexpr int kResidualTables = 17;
constexpr int kClassNumbers = 32, kAfterRunClass = kClassNumbers - 1;   // classes as an encoder counts them: from half octave 0 on; after a run
constexpr int kResidualCodeLimit = 10;       // longest codeword
constexpr int kDirectTokens = 24, kDirectRunTokens = 8;
constexpr int kFirstRunSymbol = 60;
constexpr int kResidualAlphabet = 86;
constexpr int kFirstMagnitude = 4;           // stands left of the first sample
constexpr int kMaxResidualTile = 1 << 11;    // samples of a sub-stream
constexpr int kMaxBrickLog2 = 17;            // samples of a brick
constexpr int kMaxValueBits = 20, kLockstepBits = 17;

// How the contexts of a component are made, in one number: the weight of residuals of earlier components; how far magnitudes of
// one row are shifted before they count for the next but one; the half octaves below class 1.
constexpr int kContextWeightBits = 2, kContextDecayBits = 3, kContextLeastBits = 4;
constexpr int kContextBits = kContextWeightBits + kContextDecayBits + kContextLeastBits;

MMIP_RULE int context_form(int weight, int decay, int least) { return weight | (decay - 1) << kContextWeightBits | least << (kContextWeightBits + kContextDecayBits); }
MMIP_RULE int context_weight(int context) { return context & ((1 << kContextWeightBits) - 1); }
MMIP_RULE int context_decay(int context) { return 1 + ((context >> kContextWeightBits) & ((1 << kContextDecayBits) - 1)); }
MMIP_RULE int context_least(int context) { return context >> (kContextWeightBits + kContextDecayBits); }

// A residual as a number >= 0: 0, 1, -1, 2, -2, ..
MMIP_RULE uint32_t folded(int32_t residual) {
    return residual > 0 ? 2 * static_cast<uint32_t>(residual) - 1 : 2 * (0u - static_cast<uint32_t>(residual));
}

// r modulo 2^bits, between -2^(bits - 1) and 2^(bits - 1) - 1.
MMIP_RULE int32_t wrapped(int32_t r, int bits) {
    return static_cast<int32_t>(static_cast<uint32_t>(r) << (32 - bits)) >> (32 - bits);
}

struct ResidualToken {
    int symbol, raw_bits;
    uint32_t raw;
};

// A number as one of `direct` symbols, or two symbols an octave and raw bits.
MMIP_RULE ResidualToken residual_token(uint32_t v, int direct) {
    if (v < static_cast<uint32_t>(direct)) return {static_cast<int>(v), 0, 0};
    const uint32_t u = v - direct + 4;
    const int k = bit_length(u) - 1;
    return {direct + 2 * (k - 2) + static_cast<int>((u >> (k - 1)) & 1), k - 1, u & ((1u << (k - 1)) - 1)};
}

MMIP_RULE int residual_raw_bits(int symbol, int direct) { return symbol < direct ? 0 : (symbol - direct) / 2 + 1; }

// The least number of a symbol.
MMIP_RULE uint32_t residual_base(int symbol, int direct) {
    if (symbol < direct) return static_cast<uint32_t>(symbol);
    const int k = (symbol - direct) / 2 + 2;
    return (1u << k) + (static_cast<uint32_t>((symbol - direct) & 1) << (k - 1)) + direct - 4;
}

// Entry of a decoding table: length of the codeword in bits 0..3, raw bits in 4..8, whether a run in 9, least value from 10 on.
constexpr uint32_t kRunEntry = 1u << 9;
constexpr int kEntryRawBits = 4, kEntryLeast = 10;

// In table 0 and after a run a residual is not 0: its number less 1 is coded.
MMIP_RULE uint32_t residual_entry(int table, int symbol, int length) {
    const bool is_run = table == 0 && symbol >= kFirstRunSymbol;
    const int direct = is_run ? kDirectRunTokens : kDirectTokens, own = is_run ? symbol - kFirstRunSymbol : symbol;
    const uint32_t least = residual_base(own, direct) + (table == 0 || table == kAfterRunTable ? 1 : 0);
    return least << kEntryLeast | (is_run ? kRunEntry : 0u) | static_cast<uint32_t>(residual_raw_bits(own, direct)) << kEntryRawBits |
           static_cast<uint32_t>(length);
}

}  // namespace MMIP_NS
