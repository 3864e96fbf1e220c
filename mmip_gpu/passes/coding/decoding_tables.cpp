// See decoding_tables.h.
#include "passes/coding/decoding_tables.h"

#include <algorithm>
#include <array>

#include "rules/tokens/builtin_codes.h"
#include "passes/layout.h"

namespace mmip {
namespace {

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

std::vector<uint8_t> read_own_code(const CodeFamily& f, const uint8_t* builtin, const uint16_t* order, BitReader& bits) {
    std::vector<uint8_t> lengths(f.alphabet + 1, 0);
    bits.refill();
    const int listed = static_cast<int>(bits.take(9));
    lengths[f.alphabet] = static_cast<uint8_t>(bits.take(4));
    if (listed > f.alphabet || lengths[f.alphabet] > kCodeLimit)
        throw DataError(kStatusSymbol, "own code: too many entries or escape length above 12");
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

uint32_t table_entry(const CodeFamily& f, int symbol, int length) {
    if (symbol == f.alphabet) return symbol_entry(symbol, length) | kSpecialEntry;
    return f.alphabet == kTokenAlphabet ? token_entry(symbol, length) : symbol_entry(symbol, length);
}

void fill_table(const CodeFamily& f, const uint8_t* lengths, uint32_t* fast, LongCodes& longer) {
    int many[kCodeLimit + 1] = {};
    for (int s = 0; s <= f.alphabet; ++s) ++many[lengths[s]];
    if (many[0] == f.alphabet) {                       // a lone symbol needs no bits
        const int symbol = static_cast<int>(std::find_if(lengths, lengths + f.alphabet, [](uint8_t l) { return l != 0; }) - lengths);
        std::fill_n(fast, kFastEntries, table_entry(f, symbol, 0));
        return;
    }
    int place[kCodeLimit + 1];                         // of the next symbol of each length
    int word = 0, before = 0;
    for (int length = 1; length <= kCodeLimit; ++length) {
        word <<= 1;
        place[length] = before;
        longer.first[length] = static_cast<int16_t>(before - word);
        word += many[length];
        before += many[length];
        longer.end[length] = static_cast<uint16_t>(word << (kCodeLimit - length));
    }
    for (int s = 0; s <= f.alphabet; ++s)
        if (lengths[s] != 0) longer.symbols[place[lengths[s]]++] = static_cast<uint16_t>(s);
    uint32_t* out = fast;
    for (int length = 1, i = 0; length <= kFastBits; ++length)
        for (const int end = i + many[length]; i < end; ++i)
            out = std::fill_n(out, 1 << (kFastBits - length), table_entry(f, longer.symbols[i], length));
    std::fill(out, fast + kFastEntries, kLongEntry);
}

DecodingTables make_builtin(const CodeFamily& f) {
    DecodingTables made{f.alphabet, f.escape_bits, std::vector<uint32_t>(static_cast<size_t>(f.classes) * kFastEntries), std::vector<LongCodes>(f.classes)};
    for (int c = 0; c < f.classes; ++c) fill_table(f, f.builtin_lengths(c), &made.fast[static_cast<size_t>(c) * kFastEntries], made.longer[c]);
    return made;
}

const DecodingTables& builtin_tables(const CodeFamily& family) {
    static const std::array<DecodingTables, kFamilies> all = {make_builtin(all_families()[0]), make_builtin(all_families()[1]), make_builtin(all_families()[2]),
                                                              make_builtin(all_families()[3]), make_builtin(all_families()[4]), make_builtin(all_families()[5])};
    return all[family_index(family)];
}

}  // namespace

DecodingTables read_codes(const CodeFamily& f, BitReader& bits) {
    DecodingTables tables = builtin_tables(f);
    for (int c = 0; c < f.classes; ++c) {
        bits.refill();
        if (bits.take(1) == 0) continue;
        const std::vector<uint8_t> lengths = read_own_code(f, f.builtin_lengths(c), builtin_codes(f).own_order(c), bits);
        check_complete(lengths);
        fill_table(f, lengths.data(), &tables.fast[static_cast<size_t>(c) * kFastEntries], tables.longer[c]);
    }
    return tables;
}

int least_bits(const DecodingTables& tables) {
    uint32_t least = kFastBits + 1;
    for (const uint32_t entry : tables.fast) {
        const uint32_t plain = (entry >> 12) & 31, special = (entry & 15) + 1;
        const uint32_t bits = (entry & kLongEntry) != 0 ? kFastBits + 1 : (entry & kSpecialEntry) != 0 ? special : plain;
        least = std::min(least, bits);
    }
    return std::max(static_cast<int>(least), 1);
}

const uint16_t* token_code_places() {
    static const std::vector<uint16_t> places = token_places([](int context) { return kTokenClass[context] * kFastEntries; });
    return places.data();
}

}  // namespace mmip
