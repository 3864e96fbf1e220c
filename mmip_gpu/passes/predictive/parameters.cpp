// See parameters.h.
#include "passes/predictive/parameters.h"

#include <algorithm>

#include "passes/coding/code_lengths.h"
#include "passes/layout.h"
#include "passes/predictive/parameter_bits.h"

namespace mmip {
namespace {

constexpr int kCountBits = 7, kLengthBits = 4, kSetBits = 3, kCrossBits = 8;

using Fields = ParameterReader;

// All weights but that of W, which makes the sum kWeightOne.
template <size_t n>
void write_weights(BitString& out, const std::array<int16_t, n>& weights) {
    for (size_t i = 1; i < n; ++i) out.put(static_cast<uint32_t>(weights[i]) & ((1u << kWeightBits) - 1), kWeightBits);
}

template <size_t n>
void read_weights(Fields& in, std::array<int16_t, n>& weights) {
    int rest = kWeightOne;
    for (size_t i = 1; i < n; ++i) {
        weights[i] = static_cast<int16_t>(in.take_signed(kWeightBits));
        rest -= weights[i];
    }
    weights[0] = static_cast<int16_t>(rest);
}

void write_set(BitString& out, const PredictorSet& set, bool is_deep) {
    out.put(set.bound_ne, 1);
    write_weights(out, set.first);
    if (!is_deep) return;
    out.put(set.with_previous, 1);
    if (set.with_previous) write_weights(out, set.later);
}

PredictorSet read_set(Fields& in, bool is_deep) {
    PredictorSet set;
    set.bound_ne = in.take(1) != 0;
    read_weights(in, set.first);
    if (is_deep) set.with_previous = in.take(1) != 0;
    if (set.with_previous) read_weights(in, set.later);
    else std::copy(set.first.begin(), set.first.end(), set.later.begin());
    return set;
}

// What the length of a symbol is guessed from: that of table t - 1, in the table after runs that of table 0; 0: no guess.
int guessed_length(const CodeLengths& lengths, int table, int symbol) {
    if (table <= 1) return 0;
    return lengths[table == kAfterRunTable ? 0 : table - 1][symbol];
}

void write_length(BitString& out, int guess, int length) {
    if (guess == 0) {
        out.put(length != 0, 1);
        if (length != 0) out.put(static_cast<uint32_t>(length), kLengthBits);
    } else if (length == guess) {
        out.put(1, 1);
    } else if (length == guess + 1) {
        out.put(2, 3);
    } else if (length == guess - 1 && length != 0) {
        out.put(3, 3);
    } else if (length == 0) {
        out.put(1, 3);
    } else {
        out.put(static_cast<uint32_t>(length), 3 + kLengthBits);
    }
}

int read_length(Fields& in, int guess) {
    if (guess == 0) return in.take(1) == 0 ? 0 : static_cast<int>(in.take(kLengthBits));
    if (in.take(1) != 0) return guess;
    const uint32_t form = in.take(2);
    if (form == 1) return 0;
    if (form == 2) return guess + 1;
    return form == 3 ? guess - 1 : static_cast<int>(in.take(kLengthBits));
}

void write_lengths(BitString& out, const CodeLengths& lengths) {
    for (int t = 0; t < kResidualTables; ++t) {
        int count = kResidualAlphabet;
        while (count > 0 && lengths[t][count - 1] == 0) --count;
        out.put(static_cast<uint32_t>(count), kCountBits);
        for (int s = 0; s < count; ++s) write_length(out, guessed_length(lengths, t, s), lengths[t][s]);
    }
}

void check_lengths(const std::array<uint8_t, kResidualAlphabet>& lengths) {
    int used = 0, kraft = 0;
    for (const uint8_t length : lengths)
        if (length != 0) ++used, kraft += 1 << (kResidualCodeLimit - length);
    const bool is_single = used == 1 && kraft == 1 << (kResidualCodeLimit - 1);
    if (used > 0 && kraft != 1 << kResidualCodeLimit && !is_single) corrupt_parameters("a code is not complete");
}

// The least z of a symbol; of a run 0.
uint32_t least_number(int table, int symbol) {
    if (table == 0 && symbol >= kFirstRunSymbol) return 0;
    return residual_base(symbol, kDirectTokens) + (table == 0 || table == kAfterRunTable ? 1 : 0);
}

void read_lengths(Fields& in, int bits, CodeLengths& lengths) {
    for (int t = 0; t < kResidualTables; ++t) {
        const int count = static_cast<int>(in.take(kCountBits));
        if (count > kResidualAlphabet) corrupt_parameters("more symbols than the alphabet has");
        for (int s = 0; s < count; ++s) {
            const int length = read_length(in, guessed_length(lengths, t, s));
            if (length < 0 || length > kResidualCodeLimit) corrupt_parameters("a codeword is too long");
            if (length != 0 && least_number(t, s) > 1u << bits) corrupt_parameters("a symbol of larger residuals than values have");
            lengths[t][s] = static_cast<uint8_t>(length);
        }
        if (count > 0 && lengths[t][count - 1] == 0) corrupt_parameters("the last symbol of a code has no codeword");
        check_lengths(lengths[t]);
    }
    in.check();
}

int set_number_bits(size_t sets) { return bit_length(static_cast<uint32_t>(sets) - 1); }

}  // namespace

std::vector<uint8_t> write_parameters(const Parameters& parameters, const ParameterForm& form) {
    BitString out;
    if (form.is_palette) write_palette(out, parameters.palette, form.offset);
    else write_value_map(out, parameters.values);
    for (size_t i = 0; i < parameters.components.size(); ++i) {
        const ComponentParameters& c = parameters.components[i];
        out.put(static_cast<uint32_t>(c.sets.size() - 1), kSetBits);
        for (const PredictorSet& set : c.sets) write_set(out, set, form.layout.shape[0] > 1);
        for (const uint8_t number : c.set_of_brick) out.put(number, set_number_bits(c.sets.size()));
        for (size_t k = 0; k < i; ++k) out.put(static_cast<uint8_t>(c.cross[k]), kCrossBits);
        out.put(static_cast<uint32_t>(c.context), kContextBits);
        write_lengths(out, c.lengths);
    }
    return out.finish();
}

Parameters read_parameters(const uint8_t* bytes, uint64_t size, const ParameterForm& form) {
    Fields in(bytes, size);
    Parameters parameters;
    if (form.is_palette) parameters.palette = read_palette(in, form.offset, form.bits);
    else if (in.take(1) != 0) parameters.values = read_value_map(in, form.offset, form.bits);
    const int64_t bricks = form.layout.planes / form.components * form.layout.bricks_of_plane();
    for (int i = 0; i < form.components; ++i) {
        ComponentParameters c;
        const uint32_t sets = in.take(kSetBits) + 1;
        for (uint32_t k = 0; k < sets; ++k) c.sets.push_back(read_set(in, form.layout.shape[0] > 1));
        in.check();
        const int number_bits = set_number_bits(sets);
        if (static_cast<uint64_t>(bricks) * number_bits > 8 * size) throw DataError(kStatusTruncated, "predictive parameters end early");
        c.set_of_brick.assign(static_cast<size_t>(bricks), 0);
        for (uint8_t& number : c.set_of_brick) {
            number = static_cast<uint8_t>(in.take(number_bits));
            if (number >= sets) corrupt_parameters("a brick names a set that is not there");
        }
        for (int k = 0; k < i; ++k) c.cross[k] = static_cast<int8_t>(in.take_signed(kCrossBits));
        c.context = static_cast<int>(in.take(kContextBits));
        read_lengths(in, form.bits + (i > 0 ? form.more_bits : 0), c.lengths);
        parameters.components.push_back(std::move(c));
    }
    in.check_end(size);
    return parameters;
}

void drop_unused_sets(ComponentParameters& c) {
    std::vector<int> number(c.sets.size(), -1);
    std::vector<PredictorSet> used;
    for (uint8_t& set : c.set_of_brick) {
        if (number[set] < 0) number[set] = static_cast<int>(used.size()), used.push_back(c.sets[set]);
        set = static_cast<uint8_t>(number[set]);
    }
    c.sets = used;
}

std::vector<uint16_t> residual_codewords(const CodeLengths& lengths) {
    std::vector<uint16_t> codewords(static_cast<size_t>(kResidualTables) * kResidualAlphabet, 0);
    for (int t = 0; t < kResidualTables; ++t) {
        uint32_t code = 0;
        for (int length = 1; length <= kResidualCodeLimit; ++length, code <<= 1)
            for (int s = 0; s < kResidualAlphabet; ++s)
                if (lengths[t][s] == length) codewords[t * kResidualAlphabet + s] = static_cast<uint16_t>(code++);
    }
    return codewords;
}

std::vector<uint32_t> decoding_entries(const CodeLengths& lengths) {
    constexpr size_t entries = size_t{1} << kResidualCodeLimit;
    std::vector<uint32_t> found((kResidualTables + 1) * entries, 0);
    const std::vector<uint16_t> codewords = residual_codewords(lengths);
    for (int t = 0; t < kResidualTables; ++t) {
        uint32_t* table = found.data() + t * entries;
        int used = 0, last = 0;
        for (int s = 0; s < kResidualAlphabet; ++s)
            if (lengths[t][s] != 0) ++used, last = s;
        if (used <= 1) {   // an empty codeword
            std::fill_n(table, entries, residual_entry(t, last, 0));
            continue;
        }
        for (int s = 0; s < kResidualAlphabet; ++s) {
            const int length = lengths[t][s];
            if (length == 0) continue;
            const size_t count = entries >> length;
            std::fill_n(table + codewords[t * kResidualAlphabet + s] * count, count, residual_entry(t, s, length));
        }
    }
    return found;
}

CodeLengths best_lengths(const std::vector<uint32_t>& counts) {
    CodeLengths lengths{};
    for (int t = 0; t < kResidualTables; ++t) {
        const auto row = counts.begin() + t * kResidualAlphabet;
        const std::vector<uint64_t> of_table(row, row + kResidualAlphabet);
        const std::vector<uint8_t> found = code_lengths(of_table, kResidualCodeLimit);
        std::copy(found.begin(), found.end(), lengths[t].begin());
    }
    return lengths;
}

}  // namespace mmip
