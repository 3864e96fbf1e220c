// See codebook.h.
#include "codebook.h"

#include <algorithm>
#include <numeric>

#include "../rules/builtin_codes.h"
#include "../rules/correction_codes.h"
#include "layout.h"

namespace mmip {
namespace {

constexpr int kTableSize = 1 << kCodeLimit;

// Symbols in the order of an own code: by built-in length, unlisted ones as kUnlistedLength, then by symbol.
std::vector<int> own_order(const uint8_t* builtin, int alphabet) {
    std::vector<int> order(alphabet);
    std::iota(order.begin(), order.end(), 0);
    const auto length = [&](int s) { return builtin[s] != 0 ? builtin[s] : kUnlistedLength; };
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return length(a) < length(b); });
    return order;
}

int reference_length(const uint8_t* builtin, int symbol) {
    return builtin[symbol] != 0 ? builtin[symbol] : kUnlistedLength;
}

int entry_index(int length, int reference) {
    if (length == 0) return kOwnAbsent;
    const int index = length - reference + kOwnZero;
    return index >= 1 && index <= 14 ? index : kOwnOther;
}

const std::array<std::vector<uint16_t>, 3>& entry_codewords() {
    static const std::array<std::vector<uint16_t>, 3> codes = {canonical_codewords(kOwnEntryLengths[0], 16),
                                                               canonical_codewords(kOwnEntryLengths[1], 16),
                                                               canonical_codewords(kOwnEntryLengths[2], 16)};
    return codes;
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
    std::vector<bool> described(f.alphabet, false);
    for (int i = 0; i < listed; ++i) described[order[i]] = true;
    for (int s = 0; s < f.alphabet; ++s) weights[described[s] ? s : f.alphabet] += counts[s];
    code.lengths = code_lengths(weights, kCodeLimit);
    const int symbols = static_cast<int>(f.alphabet + 1 - std::count(code.lengths.begin(), code.lengths.end(), 0));
    code.bits = 9 + 4;
    for (int i = 0; i < listed; ++i) {
        const int reference = reference_length(builtin, order[i]);
        const int index = entry_index(code.lengths[order[i]], reference);
        code.bits += kOwnEntryLengths[own_bucket(reference)][index] + (index == kOwnOther ? 4 : 0);
    }
    for (int s = 0; s <= f.alphabet; ++s) code.bits += symbols == 1 && s < f.alphabet ? 0 : weights[s] * code.lengths[s];
    code.bits += weights[f.alphabet] * f.escape_bits;
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

int read_entry(BitReader& bits, int bucket) {
    for (int i = 0; i < 16; ++i) {
        const uint16_t word = entry_codewords()[bucket][i];
        if (bits.peek(word & 15) == static_cast<uint32_t>(word >> 4)) {
            bits.skip(word & 15);
            return i;
        }
    }
    return kOwnAbsent;   // not reached: the codes are complete
}

std::vector<uint8_t> read_own_code(const CodeFamily& f, const uint8_t* builtin, BitReader& bits) {
    std::vector<uint8_t> lengths(f.alphabet + 1, 0);
    bits.refill();
    const int listed = static_cast<int>(bits.take(9));
    lengths[f.alphabet] = static_cast<uint8_t>(bits.take(4));
    if (listed > f.alphabet || lengths[f.alphabet] > kCodeLimit)
        throw DataError(kStatusSymbol, "own code: too many entries or escape length above 12");
    const std::vector<int> order = own_order(builtin, f.alphabet);
    for (int i = 0; i < listed; ++i) {
        bits.refill();
        const int reference = reference_length(builtin, order[i]);
        const int index = read_entry(bits, own_bucket(reference));
        if (index == kOwnAbsent) continue;
        const int length = index == kOwnOther ? static_cast<int>(bits.take(4)) : reference + index - kOwnZero;
        if (length < 1 || length > kCodeLimit) throw DataError(kStatusSymbol, "own code: length outside 1..12");
        lengths[order[i]] = static_cast<uint8_t>(length);
    }
    if (bits.overrun()) throw DataError(kStatusTruncated, "own code: ends early");
    return lengths;
}

// Throws unless the code is complete, or has one symbol of length 1.
void check_complete(const std::vector<uint8_t>& lengths) {
    uint32_t sum = 0, symbols = 0;
    for (uint8_t l : lengths)
        if (l != 0) sum += 1u << (kCodeLimit - l), ++symbols;
    const bool single = symbols == 1 && sum == 1u << (kCodeLimit - 1) && lengths.back() == 0;
    if (sum != 1u << kCodeLimit && !single) throw DataError(kStatusSymbol, "own code: not complete");
}

void fill_table(const uint8_t* lengths, int alphabet, uint16_t* table) {
    const std::vector<uint16_t> words = canonical_codewords(lengths, alphabet + 1);
    for (int s = 0; s <= alphabet; ++s) {
        if (lengths[s] == 0) continue;
        const int length = words[s] & 15, word = words[s] >> 4;
        const int first = word << (kCodeLimit - length), many = 1 << (kCodeLimit - length);
        for (int i = 0; i < many; ++i) table[first + i] = decode_entry(s, length);
    }
}

const uint16_t* builtin_table(const CodeFamily& f, int c) {
    struct Shared {
        const uint8_t* key;
        std::vector<uint16_t> tables;
    };
    const auto build = [](const CodeFamily& family) {
        Shared shared{family.builtin, std::vector<uint16_t>(static_cast<size_t>(family.classes) * kTableSize)};
        for (int i = 0; i < family.classes; ++i)
            fill_table(family.builtin_lengths(i), family.alphabet, shared.tables.data() + static_cast<size_t>(i) * kTableSize);
        return shared;
    };
    static const std::array<Shared, 5> all = {build(stage_families(1)[0]), build(stage_families(2)[0]),
                                              build(stage_families(3)[0]), build(stage_families(2)[1]), build(correction_family())};
    for (const Shared& shared : all)
        if (shared.key == f.builtin) return shared.tables.data() + static_cast<size_t>(c) * kTableSize;
    return nullptr;
}

}  // namespace

std::vector<CodeFamily> stage_families(int stage) {
    if (stage == 1) return {{kDcClasses, kDcAlphabet, kDcEscapeBits, &kDcLengths[0][0]}};
    return {{kHeaderClasses, kHeaderAlphabet, kHeaderEscapeBits, &kHeaderLengths[stage == 2 ? 0 : 1][0][0]},
            {kTokenClasses, kTokenAlphabet, kTokenEscapeBits, &kTokenLengths[0][0]}};
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
    // Package-merge: item = weight and how many leaves of each kind it holds, kept as the number of leaves taken per level.
    struct Item {
        uint64_t weight;
        int leaf;           // index into symbols, or -1 for a package
    };
    const int n = static_cast<int>(symbols.size());
    std::vector<std::vector<Item>> levels(limit);
    for (int level = 0; level < limit; ++level) {
        std::vector<Item> packages;
        if (level > 0) {
            const std::vector<Item>& below = levels[level - 1];
            for (size_t i = 0; i + 1 < below.size(); i += 2) packages.push_back({below[i].weight + below[i + 1].weight, -1});
        }
        std::vector<Item>& out = levels[level];
        size_t a = 0, b = 0;
        while (a < static_cast<size_t>(n) || b < packages.size()) {
            const bool leaf = b >= packages.size() ||
                              (a < static_cast<size_t>(n) && counts[symbols[a]] <= packages[b].weight);
            if (leaf) {
                out.push_back({counts[symbols[a]], static_cast<int>(a)});
                ++a;
            } else {
                out.push_back(packages[b++]);
            }
        }
    }
    size_t take = 2 * static_cast<size_t>(n) - 2;
    for (int level = limit - 1; level >= 0; --level) {
        size_t packages = 0;
        for (size_t i = 0; i < take; ++i) {
            const Item& item = levels[level][i];
            if (item.leaf >= 0) ++lengths[symbols[item.leaf]];
            else ++packages;
        }
        take = 2 * packages;
    }
    return lengths;
}

std::vector<uint16_t> canonical_codewords(const uint8_t* lengths, int entries) {
    std::vector<uint16_t> words(entries, kUnlistedWord);
    const int used = static_cast<int>(entries - std::count(lengths, lengths + entries, 0));
    uint32_t next = 0;
    for (int length = 1; length <= kCodeLimit; ++length) {
        next <<= 1;
        for (int s = 0; s < entries; ++s) {
            if (lengths[s] != length) continue;
            words[s] = static_cast<uint16_t>((next << 4) | static_cast<uint32_t>(length));
            ++next;
        }
    }
    if (used == 1)
        for (int s = 0; s < entries; ++s)
            if (lengths[s] != 0) words[s] = 0;   // a lone symbol needs no bits
    return words;
}

EncodingTables choose_codes(const CodeFamily& f, const std::vector<uint32_t>& histogram, BitString& head) {
    EncodingTables tables;
    tables.alphabet = f.alphabet;
    tables.escape_bits = f.escape_bits;
    for (int c = 0; c < f.classes; ++c) {
        const uint8_t* builtin = f.builtin_lengths(c);
        const uint32_t* counts = histogram.data() + static_cast<size_t>(c) * f.alphabet;
        const uint64_t bits = builtin_bits(f, builtin, counts);
        OwnCode own;
        if (bits > 64) own = best_own_code(f, builtin, counts);
        const bool use_own = own.bits != 0 && own.bits < bits;
        head.put(use_own ? 1 : 0, 1);
        if (use_own) write_own_code(own, builtin, f, head);
        const std::vector<uint16_t> words = canonical_codewords(use_own ? own.lengths.data() : builtin, f.alphabet + 1);
        tables.codewords.insert(tables.codewords.end(), words.begin(), words.end());
    }
    return tables;
}

DecodingTables read_codes(const CodeFamily& f, BitReader& bits) {
    DecodingTables tables;
    tables.alphabet = f.alphabet;
    tables.escape_bits = f.escape_bits;
    for (int c = 0; c < f.classes; ++c) {
        bits.refill();
        if (bits.take(1) == 0) {
            tables.tables.push_back(builtin_table(f, c));
            continue;
        }
        const std::vector<uint8_t> lengths = read_own_code(f, f.builtin_lengths(c), bits);
        check_complete(lengths);
        auto table = std::make_unique<uint16_t[]>(kTableSize);
        if (lengths.size() - std::count(lengths.begin(), lengths.end(), 0) == 1) {
            const int symbol = static_cast<int>(std::find_if(lengths.begin(), lengths.end(), [](uint8_t l) { return l != 0; }) - lengths.begin());
            std::fill_n(table.get(), kTableSize, decode_entry(symbol, 0));
        } else {
            fill_table(lengths.data(), f.alphabet, table.get());
        }
        tables.tables.push_back(table.get());
        tables.owned.push_back(std::move(table));
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
