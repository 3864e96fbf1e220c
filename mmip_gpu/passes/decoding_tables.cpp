// See decoding_tables.h.
#include "decoding_tables.h"

#include <algorithm>
#include <array>

#include "layout.h"

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

std::vector<uint8_t> read_own_code(const CodeFamily& f, const uint8_t* builtin, const std::vector<int>& order, BitReader& bits) {
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

void fill_table(const CodeFamily& f, const uint8_t* lengths, CodeTable& table) {
    int many[kCodeLimit + 1] = {};
    for (int s = 0; s <= f.alphabet; ++s) ++many[lengths[s]];
    if (many[0] == f.alphabet) {                       // a lone symbol needs no bits
        const int symbol = static_cast<int>(std::find_if(lengths, lengths + f.alphabet, [](uint8_t l) { return l != 0; }) - lengths);
        std::fill_n(table.fast, 1 << kFastBits, table_entry(f, symbol, 0));
        return;
    }
    int place[kCodeLimit + 1];                         // of the next symbol of each length
    int word = 0, before = 0;
    for (int length = 1; length <= kCodeLimit; ++length) {
        word <<= 1;
        place[length] = before;
        table.first[length] = static_cast<int16_t>(before - word);
        word += many[length];
        before += many[length];
        table.end[length] = static_cast<uint16_t>(word << (kCodeLimit - length));
    }
    for (int s = 0; s <= f.alphabet; ++s)
        if (lengths[s] != 0) table.symbols[place[lengths[s]]++] = static_cast<uint16_t>(s);
    uint32_t* out = table.fast;
    for (int length = 1, i = 0; length <= kFastBits; ++length)
        for (const int end = i + many[length]; i < end; ++i)
            out = std::fill_n(out, 1 << (kFastBits - length), table_entry(f, table.symbols[i], length));
    std::fill(out, table.fast + (1 << kFastBits), kLongEntry);
}

// What readers need of a built-in code: its table, and the order in which an own code in its place lists symbols.
struct Builtin {
    std::vector<CodeTable> tables;
    std::vector<std::vector<int>> orders;
};

const Builtin& builtin_codes(const CodeFamily& family) {
    const auto build = [](const CodeFamily& f) {
        Builtin made{std::vector<CodeTable>(f.classes), {}};
        for (int c = 0; c < f.classes; ++c) {
            fill_table(f, f.builtin_lengths(c), made.tables[c]);
            made.orders.push_back(own_order(f.builtin_lengths(c), f.alphabet));
        }
        return made;
    };
    static const std::array<CodeFamily, 4> families = {stage_families(1)[0], stage_families(2)[0], stage_families(3)[0], stage_families(2)[1]};
    static const std::array<Builtin, 4> all = {build(families[0]), build(families[1]), build(families[2]), build(families[3])};
    size_t i = 0;
    while (families[i].builtin != family.builtin) ++i;
    return all[i];
}

}  // namespace

DecodingTables read_codes(const CodeFamily& f, BitReader& bits) {
    const Builtin& builtin = builtin_codes(f);
    DecodingTables tables;
    tables.alphabet = f.alphabet;
    tables.escape_bits = f.escape_bits;
    for (int c = 0; c < f.classes; ++c) {
        bits.refill();
        if (bits.take(1) == 0) {
            tables.tables.push_back(&builtin.tables[c]);
            continue;
        }
        const std::vector<uint8_t> lengths = read_own_code(f, f.builtin_lengths(c), builtin.orders[c], bits);
        check_complete(lengths);
        tables.owned.push_back(std::make_unique<CodeTable>());
        fill_table(f, lengths.data(), *tables.owned.back());
        tables.tables.push_back(tables.owned.back().get());
    }
    return tables;
}

}  // namespace mmip
