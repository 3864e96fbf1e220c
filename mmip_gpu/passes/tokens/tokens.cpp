// See tokens.h.
#include "passes/tokens/tokens.h"

#include <algorithm>
#include <cstring>

#include "rules/tokens/builtin_codes.h"
#include "rules/palette/palette.h"
#include "rules/tokens/tokens.h"

namespace mmip {
namespace {

const uint16_t* class_places() {
    static const std::vector<uint16_t> places = token_places([](int context) { return kTokenClass[context] * kTokenAlphabet; });
    return places.data();
}

// One stage of the AC of a tile.
class AcWalk {
public:
    AcWalk(const Coefficients& c, const Tile& tile, int stage)
        : c_(c), order_(*tile.order), stage_(stage), modes_(c.modes.get() + tile.base), entries_(c.entries[&tile - c.tiles.data()]),
          density_(order_.cells(), 0), magnitudes_(kMaxBlockCount + 1, 0) {
        for (int m = 0; m < kModeCount; ++m) tables_[m] = block_table(m, c.geometry.depth);
        for (int m = 0; m < kModeCount; ++m) contexts_[m] = c.contexts->positions[m].data();
    }

    // `places`: see token_places of layout.h.
    void list(TokenList& list, const uint16_t* places) {
        // Listed where the memory is warm, then copied: only what is kept takes new memory.
        thread_local std::vector<BlockRecord> blocks;
        thread_local std::vector<uint16_t> tokens;
        if (blocks.size() < static_cast<size_t>(order_.cells())) blocks.resize(order_.cells());
        if (tokens.size() < entries_.position.size()) tokens.resize(entries_.position.size());
        blocks_ = blocks.data();
        job_ = {nullptr, nullptr, 0, 0, nullptr, places, token_left_offsets(), magnitudes_.data(), tokens.data()};
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
            Span found = segment(i, at, table);
            if (modes_[i] == kModePalette) found.last = found.first + gaps(found);
            put_header(i, modes_[i], table.cells, found);
            if (modes_[i] != kModePalette) put_tokens(found, table, contexts_[modes_[i]]);
            at += entries_.count[i];
            i += table.cells;
        }
        list.blocks.assign(blocks.data(), blocks_);
        list.tokens.assign(tokens.data(), job_.tokens);
    }

    // Class of the header at every cell, with the densities of all cells known.
    void header_classes(uint8_t* classes) {
        const int cells = order_.cells();
        size_t at = 0;
        for (int i = 0; i < cells;) {
            const BlockTable& table = *tables_[modes_[i]];
            Span found = segment(i, at, table);
            if (modes_[i] == kModePalette) found.last = found.first + gaps(found);
            set_density(i, table.cells, static_cast<uint32_t>(found.last - found.first));
            at += entries_.count[i];
            i += table.cells;
        }
        for (int i = 0; i < cells; ++i) classes[i] = static_cast<uint8_t>(context_class(i));
    }

private:
    struct Span {
        size_t first, last;
    };

    int low(const BlockTable& t) const { return t.cells * c_.cuts[stage_ - 2]; }
    int high(const BlockTable& t) const { return t.cells * c_.cuts[stage_ - 1]; }

    // The stage's entries of the block at cell i, whose entries start at `at`.
    Span segment(int i, size_t at, const BlockTable& table) const {
        const uint16_t* positions = entries_.position.data() + at;
        const int many = entries_.count[i];
        return {at + count_below(positions, many, low(table)), at + count_below(positions, many, high(table))};
    }

    // How many of the ascending positions are below a limit.
    static size_t count_below(const uint16_t* positions, int many, int limit) {
        const uint16_t* from = positions;
        for (int left = many; left > 0;) {   // without a branch that depends on the positions
            const int half = (left + 1) / 2;
            from += from[half - 1] < limit ? half : 0;
            left -= half;
        }
        return static_cast<size_t>(from - positions);
    }

    // How many gaps a palette cell has; they stand first.
    size_t gaps(const Span& found) const {
        return static_cast<size_t>(palette_gaps(entries_.position.data() + found.first, static_cast<int>(found.last - found.first)));
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
        for (int larger : {kMode16, kMode32, kMode64}) {
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
        return header_class(header_context(sum, neighbours), order_.merges[i]);
    }

    void set_density(int i, int cells, uint32_t nonzeros) {
        const uint32_t d = density(nonzeros, cells);
        for (int k = 0; k < cells; ++k) density_[order_.raster[i + k]] = d;
    }

    void put_header(int i, int mode, int cells, const Span& found) {
        const uint32_t nonzeros = static_cast<uint32_t>(found.last - found.first);
        const int header = context_class(i) * kHeaderAlphabet + 32 * mode + count_symbol(nonzeros);
        const uint32_t tokens = mode == kModePalette ? 0 : nonzeros;
        *blocks_++ = {static_cast<uint32_t>(found.first), static_cast<uint16_t>(tokens), static_cast<uint16_t>(header)};
        set_density(i, cells, nonzeros);
    }

    void put_tokens(const Span& found, const BlockTable& table, const BlockPosition* contexts) {
        job_.positions = entries_.position.data() + found.first;
        job_.values = entries_.value.data() + found.first;
        job_.count = static_cast<int>(found.last - found.first);
        job_.low = low(table);
        job_.table = contexts;
        kernels_.list_tokens(job_);
        job_.tokens += job_.count;
    }

    const Kernels& kernels_ = kernels();
    const Coefficients& c_;
    const TileOrder& order_;
    int stage_;
    const uint8_t* modes_;
    const Entries& entries_;
    const BlockTable* tables_[kModeCount];
    const BlockPosition* contexts_[kModeCount];
    std::vector<uint32_t> density_;
    std::vector<uint8_t> magnitudes_;
    BlockRecord* blocks_ = nullptr;
    TokenListJob job_{};
    std::vector<uint8_t> empty_;
};

struct ByteSink {
    std::vector<uint8_t>* bytes;
    void byte(uint8_t value) { bytes->push_back(value); }
};

// The code of all palette cells of a tile; empty where there are none.
std::vector<uint8_t> palette_code(const Coefficients& c, const Tile& tile) {
    const Entries& entries = c.entries[&tile - c.tiles.data()];
    const int cells = tile.order->cells(), depth = c.geometry.depth;
    const uint8_t* modes = c.modes.get() + tile.base;
    std::vector<uint8_t> bytes;
    if (std::memchr(modes, kModePalette, cells) == nullptr) return bytes;
    ByteSink sink{&bytes};
    PaletteModel model;
    model.reset();
    RangeEncoder<ByteSink, PaletteModel> coder(sink, model);
    uint8_t colours[kPaletteSamples];
    size_t at = 0;
    for (int i = 0; i < cells; at += entries.count[i++]) {
        if (modes[i] != kModePalette) continue;
        code_palette(entries.position.data() + at, entries.value.data() + at, entries.count[i], depth, colours, coder);
    }
    coder.finish();
    while (!bytes.empty() && bytes.back() == 0) bytes.pop_back();
    return bytes;
}

}  // namespace

void list_tokens(const Coefficients& c, const Tile& tile, int stage, TokenList& list, uint32_t* headers, uint32_t* tokens) {
    AcWalk(c, tile, stage).list(list, class_places());
    for (const BlockRecord& b : list.blocks) ++headers[b.header];
    for (const uint16_t token : list.tokens) ++tokens[token];
    if (stage == 2) list.palettes = palette_code(c, tile);
}

void add_token_contexts(const Coefficients& c, const Tile& tile, int stage, uint32_t* counts) {
    constexpr int kWindow = 140;   // contexts whose tokens 16 bits tell apart, one more standing for all others
    for (int first = 0; first < kTokenContexts; first += kWindow) {
        const auto inside = [&](int context) { return context >= first && context < first + kWindow; };
        const std::vector<uint16_t> places = token_places([&](int context) { return (inside(context) ? context - first : kWindow) * kTokenAlphabet; });
        TokenList list;
        AcWalk(c, tile, stage).list(list, places.data());
        for (const uint16_t token : list.tokens)
            if (token < kWindow * kTokenAlphabet) ++counts[first * kTokenAlphabet + token];
    }
}

void find_header_classes(const Coefficients& c, const Tile& tile, int stage, uint8_t* classes) { AcWalk(c, tile, stage).header_classes(classes); }

size_t token_room(const TokenList& list) { return 12 * list.blocks.size() + 16 * list.tokens.size() + list.palettes.size() + 64; }

namespace {

// extra(symbol): what stands between the bits of a word, which begin at `shift`, and their number.
template <class Extra>
void put_words(const EncodingTables& tables, int shift, const Extra& extra, uint32_t* out) {
    const uint32_t alphabet = static_cast<uint32_t>(tables.alphabet);
    for (size_t first = 0; first < tables.codewords.size(); first += alphabet + 1, out += alphabet) {
        const uint16_t* row = tables.codewords.data() + first;
        const uint32_t escape = row[alphabet], escape_length = (escape & 15) + static_cast<uint32_t>(tables.escape_bits);
        const uint32_t escape_bits = (escape >> 4) << tables.escape_bits;
        for (uint32_t s = 0; s < alphabet; ++s) {
            const uint32_t word = row[s];
            const bool listed = word != kUnlistedWord;
            out[s] = (listed ? word >> 4 : escape_bits | s) << shift | extra(s) | (listed ? word & 15 : escape_length);
        }
    }
}

}  // namespace

void put_symbol_words(const EncodingTables& tables, uint32_t* words) {
    put_words(tables, kWordShift, [](uint32_t) { return 0u; }, words);
}

std::vector<uint32_t> symbol_words(const EncodingTables& tables) {
    std::vector<uint32_t> words(tables.symbols());
    put_symbol_words(tables, words.data());
    return words;
}

std::vector<uint32_t> token_words(const EncodingTables& tables) {
    std::vector<uint32_t> words(tables.symbols());
    const auto extra = [](uint32_t s) {
        const uint32_t size = s & 15, run_bits = static_cast<uint32_t>(count_extra_bits(static_cast<int>(s >> 4)));
        return size < kEscapeSize ? (run_bits + static_cast<uint32_t>(size_bits(static_cast<int>(size)))) << 5 : (run_bits + 1) << 5 | kEscapeWord;
    };
    put_words(tables, 11, extra, words.data());
    return words;
}

uint8_t* write_tokens(const Coefficients& c, const Tile& tile, int stage, const TokenList& list, const StageWords& words, const BitWriter& from) {
    const Entries& entries = c.entries[&tile - c.tiles.data()];
    TokenWriteJob job{list.blocks.data(), static_cast<int64_t>(list.blocks.size()), list.tokens.data(), entries.position.data(), entries.value.data(), {}, words.headers.data(), words.tokens.data(),
                      list.predictions.empty() ? nullptr : list.predictions.data(), words.predictions.data(), from.out, from.held, from.count};
    for (int m = 0; m < kModeCount; ++m) job.low[m] = block_shape(m, c.geometry.depth).cells * c.cuts[stage - 2];
    uint8_t* end = kernels().write_tokens(job);
    std::copy(list.palettes.begin(), list.palettes.end(), end);
    return end + list.palettes.size();
}

}  // namespace mmip
