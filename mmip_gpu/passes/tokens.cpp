// See tokens.h.
#include "tokens.h"

#include <cstring>

#include "../rules/builtin_codes.h"
#include "../rules/tokens.h"

namespace mmip {
namespace {

uint32_t magnitude(int32_t q) { return static_cast<uint32_t>(q < 0 ? -q : q); }

constexpr int kSmallSizes = 256, kManyLeft = 129;

// The small functions of rules/symbols.h as tables: bit scans are slow on many processors.
struct SymbolTables {
    uint8_t run_symbol[4096], run_bits[4096];       // by run
    uint8_t size[kSmallSizes];                      // by |q|
    uint8_t neighbour_class[9 * kEnoughMagnitude + 1];       // by neighbour sum of |q| up to kEnoughMagnitude
    uint16_t left_row[kManyLeft + 1];               // by nonzeros left: where their contexts begin

    SymbolTables() {
        for (uint32_t run = 0; run < 4096; ++run) {
            run_symbol[run] = static_cast<uint8_t>(count_symbol(run));
            run_bits[run] = static_cast<uint8_t>(count_extra_bits(run_symbol[run]));
        }
        for (uint32_t m = 0; m < kSmallSizes; ++m) size[m] = static_cast<uint8_t>(token_size(m));
        for (uint32_t v = 0; v <= 9 * kEnoughMagnitude; ++v) neighbour_class[v] = static_cast<uint8_t>(mmip::neighbour_class(v));
        for (int left = 1; left <= kManyLeft; ++left) left_row[left] = static_cast<uint16_t>(token_context(left, 0, 0));
        left_row[0] = 0;
    }
};

const SymbolTables& symbol_tables() {
    static const SymbolTables tables;
    return tables;
}

int size_of(const SymbolTables& t, uint32_t m) { return __builtin_expect(m < kSmallSizes, 1) ? t.size[m] : token_size(m); }

struct NoSink {
    void block(int, int, size_t, uint32_t) {}
    void token(int, int) {}
};

struct ContextSink {
    uint32_t* counts;

    void block(int, int, size_t, uint32_t) {}
    void token(int context, int s) { ++counts[context * kTokenAlphabet + s]; }
};

struct ListSink {
    BlockRecord* blocks;
    uint16_t* tokens;
    uint32_t *header_counts, *token_counts;

    void block(int c, int s, size_t first, uint32_t nonzeros) {
        const int header = c * kHeaderAlphabet + s;
        ++header_counts[header];
        *blocks++ = {static_cast<uint32_t>(first), static_cast<uint16_t>(nonzeros), static_cast<uint16_t>(header)};
    }
    void token(int context, int s) {
        const int token = kTokenClass[context] * kTokenAlphabet + s;
        ++token_counts[token];
        *tokens++ = static_cast<uint16_t>(token);
    }
};

// One stage of the AC of a tile. Sink: what a walk does with the symbols it finds.
template <class Sink>
class AcWalk {
public:
    AcWalk(const Coefficients& c, const Tile& tile, int stage, Sink& sink)
        : c_(c), order_(*tile.order), stage_(stage), sink_(sink), modes_(c.modes.get() + tile.base),
          entries_(c.entries[&tile - c.tiles.data()]), density_(order_.cells(), 0), magnitudes_(kMaxBlock + 1, 0) {
        for (int m = 0; m < kModeCount; ++m) tables_[m] = block_table(m, c.geometry.depth);
    }

    void run() {
        const int cells = order_.cells();
        if (stage_ > 2) find_empty();
        size_t at = 0;
        for (int i = 0; i < cells;) {
            if (stage_ > 2 && empty_[i]) {
                const int covered = put_cover(i);
                for (int k = i; k < i + covered; ++k) at += entries_.count[k];
                i += covered;
                continue;
            }
            const BlockTable& table = *tables_[modes_[i]];
            const Span found = segment(i, at, table);
            put_header(i, modes_[i], table.cells, found);
            put_tokens(found, table);
            at += entries_.count[i];
            i += table.cells;
        }
    }

    // Class of the header at every cell, with the densities of all cells known.
    void header_classes(uint8_t* classes) {
        const int cells = order_.cells();
        size_t at = 0;
        for (int i = 0; i < cells;) {
            const BlockTable& table = *tables_[modes_[i]];
            const Span found = segment(i, at, table);
            set_density(i, table.cells, static_cast<uint32_t>(found.last - found.first));
            at += entries_.count[i];
            i += table.cells;
        }
        for (int i = 0; i < cells; ++i) classes[i] = static_cast<uint8_t>(context_class(i));
    }

private:
    static constexpr int kMaxBlock = 4088;

    struct Span {
        size_t first, last;
    };

    int low(const BlockTable& t) const { return t.cells * c_.cuts[stage_ - 2]; }
    int high(const BlockTable& t) const { return t.cells * c_.cuts[stage_ - 1]; }

    // The stage's entries of the block at cell i, whose entries start at `at`.
    Span segment(int i, size_t at, const BlockTable& table) const {
        const uint16_t* positions = entries_.position.data() + at;
        const int many = entries_.count[i], from = low(table), to = high(table);
        int before = 0, inside = 0;
        for (int k = 0; k < many; ++k) {
            before += positions[k] < from ? 1 : 0;
            inside += positions[k] < to ? 1 : 0;
        }
        return {at + before, at + inside};
    }

    // Later stages cover empty regions with blocks of any mode that fits.
    void find_empty() {
        empty_.assign(order_.cells(), 0);
        size_t at = 0;
        for (int i = 0; i < order_.cells();) {
            const BlockTable& table = *tables_[modes_[i]];
            const Span found = segment(i, at, table);
            std::memset(empty_.data() + i, found.first == found.last ? 1 : 0, table.cells);
            at += entries_.count[i];
            i += table.cells;
        }
    }

    int put_cover(int i) {
        int mode = kMode8;
        for (int larger : {kMode16, kMode32}) {
            const BlockShape shape = block_shape(larger, c_.geometry.depth);
            if (!order_.fits(i, shape)) continue;
            bool all = true;
            for (int k = 0; k < shape.cells; ++k) all = all && empty_[i + k] != 0;
            if (all) mode = larger;
        }
        const int cells = tables_[mode]->cells;
        put_header(i, mode, cells, {0, 0});
        return cells;
    }

    int context_class(int i) const {
        const int at = order_.raster[i], slice = order_.ay * order_.ax;
        uint32_t sum = 0;
        int neighbours = 0;
        if (order_.x[i] > 0) sum += density_[at - 1], ++neighbours;
        if (order_.y[i] > 0) sum += density_[at - order_.ax], ++neighbours;
        if (order_.z[i] > 0) sum += density_[at - slice], ++neighbours;
        return header_class(header_context(sum, neighbours));
    }

    void set_density(int i, int cells, uint32_t nonzeros) {
        const uint32_t d = density(nonzeros, cells);
        for (int k = 0; k < cells; ++k) density_[order_.raster[i + k]] = d;
    }

    void put_header(int i, int mode, int cells, const Span& found) {
        const uint32_t nonzeros = static_cast<uint32_t>(found.last - found.first);
        sink_.block(context_class(i), 32 * mode + count_symbol(nonzeros), found.first, nonzeros);
        set_density(i, cells, nonzeros);
    }

    void put_tokens(const Span& found, const BlockTable& table) {
        const uint16_t *positions = entries_.position.data(), *neighbours = table.neighbours.data();
        const int32_t* values = entries_.value.data();
        const uint8_t* classes = table.position_class.data();
        const SymbolTables& t = symbols_;
        uint16_t* magnitudes = magnitudes_.data();
        Sink sink = sink_;   // a copy, so that its pointers stay in registers
        int p = low(table), left = static_cast<int>(found.last - found.first);
        for (size_t k = found.first; k < found.last; ++k, --left) {
            const int at = positions[k];
            const uint32_t m = magnitude(values[k]), v = neighbour_sum(magnitudes, neighbours + static_cast<size_t>(p) * 6);
            const int context = t.left_row[left < kManyLeft ? left : kManyLeft] + 6 * classes[p] + t.neighbour_class[v];
            sink.token(context, 16 * t.run_symbol[at - p] + size_of(t, m));
            magnitudes[at] = static_cast<uint16_t>(m < kEnoughMagnitude ? m : kEnoughMagnitude);
            p = at + 1;
        }
        for (size_t k = found.first; k < found.last; ++k) magnitudes[positions[k]] = 0;
        sink_ = sink;
    }

    const Coefficients& c_;
    const TileOrder& order_;
    int stage_;
    Sink& sink_;
    const uint8_t* modes_;
    const Entries& entries_;
    const BlockTable* tables_[kModeCount];
    std::vector<uint32_t> density_;
    std::vector<uint16_t> magnitudes_;
    const SymbolTables& symbols_ = symbol_tables();
    std::vector<uint8_t> empty_;
};

}  // namespace

void list_tokens(const Coefficients& c, const Tile& tile, int stage, TokenList& list, uint32_t* headers, uint32_t* tokens) {
    const Entries& entries = c.entries[&tile - c.tiles.data()];
    list.blocks.resize(tile.order->cells());
    list.tokens.resize(entries.position.size());
    ListSink sink{list.blocks.data(), list.tokens.data(), headers, tokens};
    AcWalk<ListSink>(c, tile, stage, sink).run();
    list.blocks.resize(sink.blocks - list.blocks.data());
    list.tokens.resize(sink.tokens - list.tokens.data());
}

void add_token_contexts(const Coefficients& c, const Tile& tile, int stage, uint32_t* counts) {
    ContextSink sink{counts};
    AcWalk<ContextSink>(c, tile, stage, sink).run();
}

void find_header_classes(const Coefficients& c, const Tile& tile, int stage, uint8_t* classes) {
    NoSink sink;
    AcWalk<NoSink>(c, tile, stage, sink).header_classes(classes);
}

size_t token_room(const TokenList& list) { return 8 * list.blocks.size() + 16 * list.tokens.size() + 64; }

std::vector<uint32_t> symbol_words(const EncodingTables& tables) {
    const int classes = static_cast<int>(tables.codewords.size()) / (tables.alphabet + 1);
    std::vector<uint32_t> words;
    words.reserve(static_cast<size_t>(classes) * tables.alphabet);
    for (int c = 0; c < classes; ++c) {
        const uint16_t* row = tables.row(c);
        const uint32_t escape = row[tables.alphabet], escape_length = (escape & 15) + tables.escape_bits;
        for (uint32_t s = 0; s < static_cast<uint32_t>(tables.alphabet); ++s) {
            const uint32_t word = row[s];
            const bool listed = word != kUnlistedWord;
            words.push_back(listed ? ((word >> 4) << kWordShift) | (word & 15) : ((((escape >> 4) << tables.escape_bits) | s) << kWordShift) | escape_length);
        }
    }
    return words;
}

void write_tokens(const Coefficients& c, const Tile& tile, int stage, const TokenList& list, const std::vector<uint32_t>& header_words,
                  const std::vector<uint32_t>& token_words, BitWriter& out) {
    const Entries& entries = c.entries[&tile - c.tiles.data()];
    const uint16_t *positions = entries.position.data(), *token = list.tokens.data();
    const int32_t* values = entries.value.data();
    const uint32_t* words = token_words.data();
    const SymbolTables& t = symbol_tables();
    BitWriter writer = out;   // a copy, so that it stays in registers
    for (const BlockRecord& b : list.blocks) {
        const int symbol = b.header % kHeaderAlphabet, mode = symbol >> 5;
        put_header(writer, header_words[b.header], symbol, b.count);
        int p = b.count > 0 ? block_shape(mode, c.geometry.depth).cells * c.cuts[stage - 2] : 0;
        for (size_t k = b.first; k < b.first + b.count; ++k) {
            const int at = positions[k];
            const int32_t q = values[k];
            const uint32_t run = static_cast<uint32_t>(at - p);
            put_token(writer, words[*token++], run, t.run_bits[run], size_of(t, magnitude(q)), q);
            p = at + 1;
        }
    }
    out = writer;
}

}  // namespace mmip
