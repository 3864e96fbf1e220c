// See codebook.h.
#include "codebook.h"

#include <algorithm>

#include "../rules/builtin_codes.h"
#include "../rules/correction_codes.h"
#include "layout.h"
#include "parallel.h"

namespace mmip {
namespace {

int entry_index(int length, int reference) {
    if (length == 0) return kOwnAbsent;
    const int index = length - reference + kOwnZero;
    return index >= 1 && index <= 14 ? index : kOwnOther;
}

// An own code as the encoder plans it.
struct OwnCode {
    std::vector<uint8_t> lengths;    // alphabet + 1
    int listed = 0;                  // entries described
    uint64_t bits = 0;               // description and codewords, raw bits of escapes included
};

OwnCode plan_own_code(const CodeFamily& f, const uint8_t* builtin, const uint32_t* counts, const std::vector<int>& order,
                      int listed) {
    OwnCode code;
    code.listed = listed;
    std::vector<uint64_t> weights(f.alphabet + 1, 0);
    for (int i = 0; i < listed; ++i) weights[order[i]] = counts[order[i]];
    for (int i = listed; i < f.alphabet; ++i) weights[f.alphabet] += counts[order[i]];
    code.lengths = code_lengths(weights, kCodeLimit);
    const int symbols = static_cast<int>(f.alphabet + 1 - std::count(code.lengths.begin(), code.lengths.end(), 0));
    code.bits = 9 + 4;
    for (int i = 0; i < listed; ++i) {
        const int reference = reference_length(builtin, order[i]), length = code.lengths[order[i]];
        const int index = entry_index(length, reference);
        code.bits += kOwnEntryLengths[own_bucket(reference)][index] + (index == kOwnOther ? 4 : 0);
        code.bits += symbols == 1 ? 0 : weights[order[i]] * length;
    }
    code.bits += weights[f.alphabet] * (code.lengths[f.alphabet] + f.escape_bits);
    return code;
}

uint64_t builtin_bits(const CodeFamily& f, const uint8_t* lengths, const uint32_t* counts) {
    uint64_t bits = 0;
    for (int s = 0; s < f.alphabet; ++s)
        bits += static_cast<uint64_t>(counts[s]) * (lengths[s] != 0 ? lengths[s] : lengths[f.alphabet] + f.escape_bits);
    return bits;
}

// The best of a few lengths of the description: all used symbols, or without the rare ones at its end.
OwnCode best_own_code(const CodeFamily& f, const uint8_t* builtin, const uint32_t* counts) {
    const std::vector<int> order = own_order(builtin, f.alphabet);
    OwnCode best;
    int previous = -1;
    for (uint32_t least : {1u, 2u, 4u}) {
        int listed = f.alphabet;
        while (listed > 0 && counts[order[listed - 1]] < least) --listed;
        if (listed == 0 || listed == previous) continue;
        previous = listed;
        OwnCode code = plan_own_code(f, builtin, counts, order, listed);
        if (best.bits == 0 || code.bits < best.bits) best = std::move(code);
    }
    return best;
}

void write_own_code(const OwnCode& code, const uint8_t* builtin, const CodeFamily& f, BitString& head) {
    const std::vector<int> order = own_order(builtin, f.alphabet);
    head.put(static_cast<uint32_t>(code.listed), 9);
    head.put(code.lengths[f.alphabet], 4);
    for (int i = 0; i < code.listed; ++i) {
        const int reference = reference_length(builtin, order[i]);
        const int length = code.lengths[order[i]], index = entry_index(length, reference);
        const uint16_t word = entry_codewords()[own_bucket(reference)][index];
        head.put(word >> 4, word & 15);
        if (index == kOwnOther) head.put(static_cast<uint32_t>(length), 4);
    }
}

}  // namespace

std::vector<int> own_order(const uint8_t* builtin, int alphabet) {
    int next[kUnlistedLength + 2] = {};
    for (int s = 0; s < alphabet; ++s) ++next[reference_length(builtin, s) + 1];
    for (int length = 1; length <= kUnlistedLength; ++length) next[length] += next[length - 1];
    std::vector<int> order(alphabet);
    for (int s = 0; s < alphabet; ++s) order[next[reference_length(builtin, s)]++] = s;
    return order;
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

std::vector<uint8_t> code_lengths(const std::vector<uint64_t>& counts, int limit) {
    std::vector<uint8_t> lengths(counts.size(), 0);
    std::vector<int> symbols;
    for (size_t s = 0; s < counts.size(); ++s)
        if (counts[s] > 0) symbols.push_back(static_cast<int>(s));
    if (symbols.empty()) return lengths;
    if (symbols.size() > size_t{1} << limit) throw std::invalid_argument("more symbols than codewords of this length");
    if (symbols.size() == 1) {
        lengths[symbols[0]] = 1;
        return lengths;
    }
    std::stable_sort(symbols.begin(), symbols.end(), [&](int a, int b) { return counts[a] < counts[b]; });
    // Package-merge: a level holds the leaves and the packages of two items of the level below, by weight. Leaves come in
    // their own order, so what a level takes is told by how many leaves are among its first items.
    const size_t n = symbols.size();
    std::vector<uint64_t> leaves(n + 1, ~uint64_t{0}), packages, items(2 * n);
    for (size_t i = 0; i < n; ++i) leaves[i] = counts[symbols[i]];
    std::vector<uint32_t> leaves_before(limit * (2 * n + 1));
    for (int level = 0; level < limit; ++level) {
        packages.push_back(~uint64_t{0});
        uint32_t* before = leaves_before.data() + level * (2 * n + 1);
        const size_t many = n + packages.size() - 1;
        size_t a = 0, b = 0;
        for (size_t i = 0; i < many; ++i) {
            before[i] = static_cast<uint32_t>(a);
            const uint64_t leaf = leaves[a], package = packages[b];
            const bool first = leaf <= package && a < n;
            items[i] = first ? leaf : package;
            a += first;
            b += !first;
        }
        before[many] = static_cast<uint32_t>(a);
        packages.clear();
        for (size_t i = 0; i + 1 < many; i += 2) packages.push_back(items[i] + items[i + 1]);
    }
    size_t take = 2 * n - 2;
    for (int level = limit - 1; level >= 0; --level) {
        const size_t taken = leaves_before[level * (2 * n + 1) + take];
        for (size_t i = 0; i < taken; ++i) ++lengths[symbols[i]];
        take = 2 * (take - taken);
    }
    return lengths;
}

std::vector<uint16_t> canonical_codewords(const uint8_t* lengths, int entries) {
    std::vector<uint16_t> words(entries, kUnlistedWord);
    uint32_t next[kCodeLimit + 1] = {};   // codewords of each length first, then the next one to be given
    for (int s = 0; s < entries; ++s) ++next[lengths[s]];
    const int used = entries - static_cast<int>(next[0]);
    uint32_t first = 0;
    for (int length = 1; length <= kCodeLimit; ++length) {
        first <<= 1;
        const uint32_t many = next[length];
        next[length] = first;
        first += many;
    }
    for (int s = 0; s < entries; ++s)   // a lone symbol needs no bits
        if (lengths[s] != 0) words[s] = used == 1 ? 0 : static_cast<uint16_t>((next[lengths[s]]++ << 4) | lengths[s]);
    return words;
}

EncodingTables builtin_codewords(const CodeFamily& f) {
    EncodingTables tables{f.alphabet, f.escape_bits, {}};
    for (int c = 0; c < f.classes; ++c) {
        const std::vector<uint16_t> words = canonical_codewords(f.builtin_lengths(c), f.alphabet + 1);
        tables.codewords.insert(tables.codewords.end(), words.begin(), words.end());
    }
    return tables;
}

EncodingTables choose_codes(const CodeFamily& f, const std::vector<uint32_t>& histogram, BitString& head, int threads) {
    std::vector<OwnCode> own(f.classes);         // without bits where the built-in code is taken
    parallel_for(f.classes, threads, [&](int64_t c, int) {
        const uint8_t* builtin = f.builtin_lengths(static_cast<int>(c));
        const uint32_t* counts = histogram.data() + static_cast<size_t>(c) * f.alphabet;
        const uint64_t bits = builtin_bits(f, builtin, counts);
        if (bits > 64) own[c] = best_own_code(f, builtin, counts);
        if (own[c].bits >= bits) own[c].bits = 0;
    });
    EncodingTables tables{f.alphabet, f.escape_bits, {}};
    for (int c = 0; c < f.classes; ++c) {
        const uint8_t* builtin = f.builtin_lengths(c);
        const bool use_own = own[c].bits != 0;
        head.put(use_own ? 1 : 0, 1);
        if (use_own) write_own_code(own[c], builtin, f, head);
        const std::vector<uint16_t> words = canonical_codewords(use_own ? own[c].lengths.data() : builtin, f.alphabet + 1);
        tables.codewords.insert(tables.codewords.end(), words.begin(), words.end());
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
