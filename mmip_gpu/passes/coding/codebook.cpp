// See codebook.h.
#include "passes/coding/codebook.h"

#include <algorithm>

#include "rules/tokens/builtin_codes.h"
#include "rules/corrections/correction_codes.h"
#include "rules/prediction/prediction_codes.h"
#include "passes/coding/code_lengths.h"
#include "passes/layout.h"
#include "passes/parallel.h"

namespace mmip {
namespace {

constexpr int kMostEntries = 417;    // of a code: the largest alphabet, and the escape
constexpr int kPlaceBits = 9;        // of a symbol, and of its place in the order of an own code
constexpr std::array<uint32_t, 3> kLeastCounts = {1, 2, 4};   // of the last symbol described, as far as the encoder tries
constexpr uint32_t kPlaceMask = (1u << kPlaceBits) - 1;

int entry_index(int length, int reference) {
    if (length == 0) return kOwnAbsent;
    const int index = length - reference + kOwnZero;
    return index >= 1 && index <= 14 ? index : kOwnOther;
}

// Bits of the description of a symbol by its own length and its built-in one.
int entry_bits(int length, int reference) {
    const int index = entry_index(length, reference);
    return kOwnEntryLengths[own_bucket(reference)][index] + (index == kOwnOther ? 4 : 0);
}

// An own code as the encoder plans it.
struct OwnCode {
    std::array<uint8_t, kMostEntries> lengths{};
    int listed = 0;                  // entries described
    uint64_t bits = 0;               // description and codewords, raw bits of escapes included
};

// The used symbols of a class, by count and symbol: count << 2 kPlaceBits | symbol << kPlaceBits | place in the order.
struct UsedSymbols {
    std::array<uint64_t, kMostEntries> keys;
    int count = 0;
    uint64_t total = 0;
    std::array<int, kLeastCounts.size()> listed{};   // entries described where rarer symbols at the end are left out
};

UsedSymbols used_symbols(const uint32_t* counts, const uint16_t* places, int alphabet) {
    UsedSymbols used;
    for (int s = 0; s < alphabet; ++s) {
        const uint64_t count = counts[s];
        if (count == 0) continue;
        const int place = places[s];
        used.keys[static_cast<size_t>(used.count++)] = count << 2 * kPlaceBits | static_cast<uint64_t>(s << kPlaceBits | place);
        used.total += count;
        for (size_t i = 0; i < kLeastCounts.size(); ++i) used.listed[i] = std::max(used.listed[i], count >= kLeastCounts[i] ? place + 1 : 0);
    }
    std::sort(used.keys.begin(), used.keys.begin() + used.count);
    return used;
}

// The symbols of an own code by ascending weight, the escape among them where it is needed.
struct CodeEntries {
    std::array<uint64_t, kMostEntries> weights;
    std::array<uint32_t, kMostEntries> places;   // symbol << kPlaceBits | place
    int count = 0;

    CodeEntries(const UsedSymbols& used, int listed, int escape_symbol);
};

CodeEntries::CodeEntries(const UsedSymbols& used, int listed, int escape_symbol) {
    int n = 0;
    uint64_t escapes = used.total;
    for (int i = 0; i < used.count; ++i) {
        const uint64_t key = used.keys[static_cast<size_t>(i)];
        const size_t at = static_cast<size_t>(n);
        places[at] = static_cast<uint32_t>(key) & ((1u << 2 * kPlaceBits) - 1);
        weights[at] = key >> 2 * kPlaceBits;
        const bool is_listed = static_cast<int>(key & kPlaceMask) < listed;
        n += is_listed;
        escapes -= is_listed ? weights[at] : 0;
    }
    int escape = n;                              // place of the escape: after the symbols of its weight
    if (escapes > 0) {
        while (escape > 0 && weights[escape - 1] > escapes) --escape;
        std::copy_backward(weights.begin() + escape, weights.begin() + n, weights.begin() + n + 1);
        std::copy_backward(places.begin() + escape, places.begin() + n, places.begin() + n + 1);
        weights[static_cast<size_t>(escape)] = escapes;
        places[static_cast<size_t>(escape)] = static_cast<uint32_t>(escape_symbol) << kPlaceBits;
        ++n;
    }
    count = n;
}

OwnCode plan_own_code(const CodeFamily& f, int c, const UsedSymbols& used, int listed) {
    const CodeEntries entries(used, listed, f.alphabet);
    const int n = entries.count;
    std::array<uint64_t, kMostEntries> scratch;
    std::array<uint8_t, kMostEntries> lengths;
    lengths_of_weights(entries.weights.data(), n, kCodeLimit, scratch.data(), lengths.data());
    const uint8_t* builtin = f.builtin_lengths(c);
    OwnCode code;
    code.listed = listed;
    code.bits = 9 + 4 + builtin_codes(f).absent_bits[static_cast<size_t>(c) * (f.alphabet + 1) + listed];
    for (int i = 0; i < n; ++i) {
        const int symbol = static_cast<int>(entries.places[static_cast<size_t>(i)] >> kPlaceBits), length = lengths[static_cast<size_t>(i)];
        const uint64_t weight = entries.weights[static_cast<size_t>(i)];
        code.lengths[static_cast<size_t>(symbol)] = static_cast<uint8_t>(length);
        code.bits += n == 1 ? 0 : weight * length;
        if (symbol == f.alphabet) {
            code.bits += weight * f.escape_bits;
        } else {
            const int reference = reference_length(builtin, symbol);
            code.bits += entry_bits(length, reference) - entry_bits(0, reference);
        }
    }
    return code;
}

uint64_t builtin_bits(const CodeFamily& f, int c, const uint32_t* counts) {
    const uint8_t* of_symbols = builtin_codes(f).bits.data() + static_cast<size_t>(c) * f.alphabet;
    uint64_t bits = 0;
    for (int s = 0; s < f.alphabet; ++s) bits += static_cast<uint64_t>(counts[s]) * of_symbols[s];
    return bits;
}

// The best of a few lengths of the description: all used symbols, or without the rare ones at its end.
OwnCode best_own_code(const CodeFamily& f, int c, const uint32_t* counts) {
    const UsedSymbols used = used_symbols(counts, builtin_codes(f).places.data() + static_cast<size_t>(c) * f.alphabet, f.alphabet);
    OwnCode best;
    int previous = 0;
    for (const int listed : used.listed) {
        if (listed == 0 || listed == previous) continue;
        previous = listed;
        const OwnCode code = plan_own_code(f, c, used, listed);
        if (best.bits == 0 || code.bits < best.bits) best = code;
    }
    return best;
}

void write_own_code(const OwnCode& code, const CodeFamily& f, int c, BitString& head) {
    const uint16_t* order = builtin_codes(f).own_order(c);
    const std::array<std::vector<uint16_t>, 3>& words = entry_codewords();
    head.put(static_cast<uint32_t>(code.listed), 9);
    head.put(code.lengths[static_cast<size_t>(f.alphabet)], 4);
    for (int i = 0; i < code.listed; ++i) {
        const int reference = reference_length(f.builtin_lengths(c), order[i]);
        const int length = code.lengths[order[i]], index = entry_index(length, reference);
        const uint16_t word = words[static_cast<size_t>(own_bucket(reference))][static_cast<size_t>(index)];
        head.put(word >> 4, word & 15);
        if (index == kOwnOther) head.put(static_cast<uint32_t>(length), 4);
    }
}

// Symbols by built-in length, unlisted ones as kUnlistedLength, then by symbol.
void append_own_order(const uint8_t* builtin, int alphabet, std::vector<uint16_t>& orders) {
    int next[kUnlistedLength + 2] = {};
    for (int s = 0; s < alphabet; ++s) ++next[reference_length(builtin, s) + 1];
    for (int length = 1; length <= kUnlistedLength; ++length) next[length] += next[length - 1];
    orders.resize(orders.size() + static_cast<size_t>(alphabet));
    for (int s = 0; s < alphabet; ++s) orders[orders.size() - static_cast<size_t>(alphabet - next[reference_length(builtin, s)]++)] = static_cast<uint16_t>(s);
}

// See canonical_codewords.
void put_codewords(const uint8_t* lengths, int entries, uint16_t* words) {
    uint32_t next[kCodeLimit + 1] = {};   // codewords of each length first, then the next one to be given
    int used = 0;
    for (int s = 0; s < entries; ++s)
        if (lengths[s] != 0) ++next[lengths[s]], ++used;
    uint32_t first = 0;
    for (int length = 1; length <= kCodeLimit; ++length) {
        first <<= 1;
        const uint32_t many = next[length];
        next[length] = first;
        first += many;
    }
    std::fill_n(words, entries, kUnlistedWord);
    for (int s = 0; s < entries; ++s)   // a lone symbol needs no bits
        if (lengths[s] != 0) words[s] = used == 1 ? 0 : static_cast<uint16_t>((next[lengths[s]]++ << 4) | lengths[s]);
}

BuiltinCodes make_builtin(const CodeFamily& f) {
    BuiltinCodes made;
    made.tables = {f.alphabet, f.escape_bits, {}, 0};
    for (int c = 0; c < f.classes; ++c) {
        const uint8_t* lengths = f.builtin_lengths(c);
        const std::vector<uint16_t> words = canonical_codewords(lengths, f.alphabet + 1);
        made.tables.codewords.insert(made.tables.codewords.end(), words.begin(), words.end());
        for (int s = 0; s < f.alphabet; ++s)
            made.bits.push_back(static_cast<uint8_t>(lengths[s] != 0 ? lengths[s] : lengths[f.alphabet] + f.escape_bits));
        append_own_order(lengths, f.alphabet, made.order);
        made.places.resize(made.order.size());
        for (int i = 0; i < f.alphabet; ++i) made.places[static_cast<size_t>(c) * f.alphabet + made.own_order(c)[i]] = static_cast<uint16_t>(i);
        uint32_t absent = 0;
        for (int i = 0; i < f.alphabet; ++i) {
            made.absent_bits.push_back(absent);
            absent += static_cast<uint32_t>(entry_bits(0, reference_length(lengths, made.own_order(c)[i])));
        }
        made.absent_bits.push_back(absent);
    }
    return made;
}

}  // namespace

const std::array<CodeFamily, kFamilies>& all_families() {
    static const std::array<CodeFamily, kFamilies> families = {stage_families(1, false)[0], stage_families(2, false)[0], stage_families(3, false)[0],
                                                               stage_families(2, false)[1], correction_family(), prediction_family()};
    return families;
}

size_t family_index(const CodeFamily& family) {
    size_t i = 0;
    while (all_families()[i].builtin != family.builtin) ++i;
    return i;
}

const BuiltinCodes& builtin_codes(const CodeFamily& family) {
    static const std::array<BuiltinCodes, kFamilies> all = {make_builtin(all_families()[0]), make_builtin(all_families()[1]), make_builtin(all_families()[2]),
                                                            make_builtin(all_families()[3]), make_builtin(all_families()[4]), make_builtin(all_families()[5])};
    return all[family_index(family)];
}

int reference_length(const uint8_t* builtin, int symbol) {
    return builtin[symbol] != 0 ? builtin[symbol] : kUnlistedLength;
}

const std::array<std::vector<uint16_t>, 3>& entry_codewords() {
    static const std::array<std::vector<uint16_t>, 3> codes = {canonical_codewords(kOwnEntryLengths[0], 16),
                                                               canonical_codewords(kOwnEntryLengths[1], 16),
                                                               canonical_codewords(kOwnEntryLengths[2], 16)};
    return codes;
}

std::vector<CodeFamily> stage_families(int stage, bool dc_image) {
    const CodeFamily dc{kDcClasses, kDcAlphabet, kDcEscapeBits, &kDcLengths[0][0]};
    if (stage == 1 && !dc_image) return {dc};
    const CodeFamily header{kHeaderClasses, kHeaderAlphabet, kHeaderEscapeBits, &kHeaderLengths[stage <= 2 ? 0 : 1][0][0]};
    const CodeFamily token{kTokenClasses, kTokenAlphabet, kTokenEscapeBits, &kTokenLengths[0][0]};
    return stage == 1 ? std::vector<CodeFamily>{dc, header, token} : std::vector<CodeFamily>{header, token};
}

CodeFamily correction_family() {
    return {kCorrectionClasses, kCorrectionAlphabet, kCorrectionEscapeBits, &kCorrectionLengths[0][0]};
}

CodeFamily prediction_family() {
    return {kPredictionClasses, kPredictionAlphabet, kPredictionEscapeBits, &kPredictionLengths[0][0]};
}

std::vector<uint16_t> canonical_codewords(const uint8_t* lengths, int entries) {
    std::vector<uint16_t> words(static_cast<size_t>(entries));
    put_codewords(lengths, entries, words.data());
    return words;
}

EncodingTables choose_codes(const CodeFamily& f, const uint32_t* histogram, BitString& head, int threads) {
    std::vector<OwnCode> own(static_cast<size_t>(f.classes));
    std::vector<uint64_t> bits(own.size());
    parallel_for(f.classes, threads, [&](int64_t item, int) {
        const int c = static_cast<int>(item);
        const uint32_t* counts = histogram + static_cast<size_t>(c) * f.alphabet;
        bits[item] = builtin_bits(f, c, counts);
        if (bits[item] > 64) own[item] = best_own_code(f, c, counts);
    });
    EncodingTables tables = builtin_codes(f).tables;
    for (int c = 0; c < f.classes; ++c) {
        const bool use_own = own[c].bits != 0 && own[c].bits < bits[c];
        tables.bits += use_own ? own[c].bits : bits[c];
        head.put(use_own ? 1 : 0, 1);
        if (!use_own) continue;
        write_own_code(own[c], f, c, head);
        put_codewords(own[c].lengths.data(), f.alphabet + 1, tables.codewords.data() + static_cast<size_t>(c) * (f.alphabet + 1));
    }
    return tables;
}

void BitString::put(uint32_t value, int bits) {
    held_ = (held_ << bits) | value;
    count_ += bits;
    while (count_ >= 8) {
        count_ -= 8;
        bytes_.push_back(static_cast<uint8_t>(held_ >> count_));
    }
}

const std::vector<uint8_t>& BitString::finish() {
    if (count_ > 0) put(0, 8 - count_);
    return bytes_;
}

}  // namespace mmip
