// See pack.h. A tile is walked twice with the same code: once to count symbols, once to write them.
#include "pack.h"

#include <cstring>

#include "../rules/builtin_codes.h"
#include "../rules/dc.h"
#include "codebook.h"
#include "crc.h"
#include "dc_fit.h"
#include "mask.h"
#include "parallel.h"

namespace mmip {
namespace {

// Sinks: what a walk does with symbols (class, symbol) of family 0 or 1, and with raw bits.
struct CountSink {
    std::vector<uint32_t>* histograms;            // one per family
    const std::vector<CodeFamily>* families;

    void reserve(int64_t) {}
    void symbol(int family, int c, int s) { ++histograms[family][static_cast<size_t>(c) * (*families)[family].alphabet + s]; }
    void token(int context, int s) { symbol(1, kTokenClass[context], s); }
    void raw(uint32_t, int) {}
    void gamma(uint32_t) {}
};

struct ContextSink {
    uint32_t* counts;

    void reserve(int64_t) {}
    void symbol(int, int, int) {}
    void token(int context, int s) { ++counts[context * kTokenAlphabet + s]; }
    void raw(uint32_t, int) {}
    void gamma(uint32_t) {}
};

struct WriteSink {
    std::vector<uint8_t>* bytes;
    const std::vector<EncodingTables>* tables;
    BitWriter writer{nullptr};

    explicit WriteSink(std::vector<uint8_t>* out, const std::vector<EncodingTables>* t) : bytes(out), tables(t) {
        bytes->resize(4096);
        writer.out = bytes->data();
    }
    // Room for `symbols` more symbols of up to 192 bits each with their raw bits.
    void reserve(int64_t symbols) {
        const size_t used = static_cast<size_t>(writer.out - bytes->data());
        const size_t need = used + static_cast<size_t>(symbols) * 24 + 64;
        if (need > bytes->size()) {
            bytes->resize(need + need / 2);
            writer.out = bytes->data() + used;
        }
    }
    void symbol(int family, int c, int s) {
        const EncodingTables& t = (*tables)[family];
        const uint16_t* row = t.row(c);
        const uint16_t word = row[s];
        if (word != kUnlistedWord) {
            writer.put(word >> 4, word & 15);
        } else {
            writer.put(row[t.alphabet] >> 4, row[t.alphabet] & 15);
            writer.put(static_cast<uint32_t>(s), t.escape_bits);
        }
    }
    void token(int context, int s) { symbol(1, kTokenClass[context], s); }
    void raw(uint32_t value, int bits) { writer.put(value, bits); }
    void gamma(uint32_t value) { writer.put_gamma(value); }
    void finish() {
        uint8_t* end = writer.finish();
        const size_t used = static_cast<size_t>(end - bytes->data());
        bytes->resize(used == 0 ? 1 : used);
        if (used == 0) (*bytes)[0] = 0;
    }
};

uint32_t magnitude(int32_t q) { return static_cast<uint32_t>(q < 0 ? -q : q); }

template <class Sink>
void put_sign_and_low_bits(Sink& sink, int32_t q, int size) {
    const uint32_t sign = q < 0 ? 1 : 0;
    sink.raw((sign << (size - 1)) | (magnitude(q) & ((1u << (size - 1)) - 1)), size);
}

template <class Sink>
void walk_classes(const uint8_t* classes, const TileOrder& order, int class_count, Sink& sink) {
    const int width = order.ax, row_cells = order.ax * order.ay, cells = order.cells();
    const int bits = bit_length(static_cast<uint32_t>(class_count - 2));
    uint32_t right = 0;
    for (int i = 0; i < cells; ++i) {
        const int x = i % width, y = (i % row_cells) / width;
        const int predicted = predicted_class(x > 0, y > 0, x > 0 ? classes[i - 1] : 0, y > 0 ? classes[i - width] : 0,
                                              x > 0 && y > 0 ? classes[i - width - 1] : 0, i > 0 ? classes[i - 1] : 0);
        if (classes[i] == predicted) {
            ++right;
            continue;
        }
        sink.reserve(4);
        sink.gamma(right + 1);
        sink.raw(static_cast<uint32_t>(classes[i] > predicted ? classes[i] - 1 : classes[i]), bits);
        right = 0;
    }
    if (right > 0) {
        sink.reserve(2);
        sink.gamma(right + 1);
    }
}

// Sends how many cells of context 0 from cell i on have residual 0; returns the cell that ends the run.
template <class Sink>
int put_run(const std::vector<uint8_t>& contexts, const std::vector<int32_t>& residuals, int i, Sink& sink) {
    uint32_t zeros = 0;
    const int cells = static_cast<int>(contexts.size());
    for (; i < cells && (contexts[i] != 0 || residuals[i] == 0); ++i) zeros += contexts[i] == 0 ? 1 : 0;
    const int symbol = count_symbol(zeros), extra = count_extra_bits(symbol);
    sink.symbol(0, kDcRunClass, symbol);
    sink.raw(zeros & ((1u << extra) - 1), extra);
    return i;
}

template <class Sink>
void walk_dc(const Coefficients& c, const Tile& tile, const std::vector<std::vector<uint32_t>>& steps, const DcWeights& weights, Sink& sink) {
    const TileOrder& order = *tile.order;
    const int cells = order.cells();
    const uint8_t* classes = c.classes.get() + tile.base;
    const int32_t* dc = c.dc.get() + tile.base;
    if (steps.size() > 1) walk_classes(classes, order, static_cast<int>(steps.size()), sink);
    const size_t component = static_cast<size_t>(tile.plane) % steps[0].size();
    std::vector<int64_t> values(cells);
    std::vector<uint32_t> errors(cells);
    std::vector<int32_t> residuals(cells);
    std::vector<uint8_t> contexts(cells);
    int i = 0;
    for (int z = 0; z < order.az; ++z)
        for (int y = 0; y < order.ay; ++y)
            for (int x = 0; x < order.ax; ++x, ++i) {
                const int64_t step = steps[classes[i]][component];
                const CellPlace at{z, y, x, order.ay, order.ax};
                residuals[i] = static_cast<int32_t>(dc[i] - dc_prediction(&values[i], at, step, weights));
                values[i] = dc[i] * step;
                contexts[i] = static_cast<uint8_t>(dc_residual_context(&errors[i], at));
                errors[i] = magnitude(residuals[i]);
            }
    sink.reserve(2 * static_cast<int64_t>(cells) + 1);
    int run_end = -1;                        // the cell that ends the run at hand
    for (i = 0; i < cells; ++i) {
        if (contexts[i] == 0) {
            if (i > run_end) run_end = put_run(contexts, residuals, i, sink);
            if (i < run_end) continue;
        }
        const int size = bit_length(errors[i]);
        sink.symbol(0, contexts[i], size);
        if (size > 0) put_sign_and_low_bits(sink, residuals[i], size);
    }
}

// One stage of the AC of a tile.
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
            put_header(i, modes_[i], table.cells, static_cast<uint32_t>(found.last - found.first));
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
        Span span{at, at + entries_.count[i]};
        const int from = low(table), to = high(table);
        while (span.first < span.last && entries_.position[span.first] < from) ++span.first;
        while (span.last > span.first && entries_.position[span.last - 1] >= to) --span.last;
        return span;
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
        put_header(i, mode, cells, 0);
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

    void put_header(int i, int mode, int cells, uint32_t nonzeros) {
        const int n = count_symbol(nonzeros);
        sink_.reserve(2 + nonzeros);
        sink_.symbol(0, context_class(i), 32 * mode + n);
        sink_.raw(nonzeros & ((1u << count_extra_bits(n)) - 1), count_extra_bits(n));
        set_density(i, cells, nonzeros);
    }

    void put_tokens(const Span& found, const BlockTable& table) {
        int p = low(table), left = static_cast<int>(found.last - found.first);
        for (size_t k = found.first; k < found.last; ++k) {
            const int at = entries_.position[k];
            const int32_t q = entries_.value[k];
            const uint16_t* n = &table.neighbours[static_cast<size_t>(p) * 6];
            const uint32_t v = neighbour_sum(magnitudes_.data(), n);
            const uint32_t m = magnitude(q), run = static_cast<uint32_t>(at - p);
            const int r = count_symbol(run), size = token_size(m);
            sink_.token(token_context(left, table.position_class[p], v), 16 * r + size);
            sink_.raw(run & ((1u << count_extra_bits(r)) - 1), count_extra_bits(r));
            if (size < kEscapeSize) {
                put_sign_and_low_bits(sink_, q, size);
            } else {
                sink_.raw(q < 0 ? 1 : 0, 1);
                sink_.gamma(m - (1u << (kEscapeSize - 1)) + 1);
            }
            magnitudes_[at] = m;
            p = at + 1;
            --left;
        }
        for (size_t k = found.first; k < found.last; ++k) magnitudes_[entries_.position[k]] = 0;
    }

    const Coefficients& c_;
    const TileOrder& order_;
    int stage_;
    Sink& sink_;
    const uint8_t* modes_;
    const Entries& entries_;
    const BlockTable* tables_[kModeCount];
    std::vector<uint32_t> density_;
    std::vector<uint32_t> magnitudes_;
    std::vector<uint8_t> empty_;
};

template <class Sink>
void walk_tile(const Coefficients& c, const Tile& tile, int stage, const std::vector<std::vector<uint32_t>>& steps, const DcWeights& weights, Sink& sink) {
    if (stage == 1) walk_dc(c, tile, steps, weights, sink);
    else AcWalk<Sink>(c, tile, stage, sink).run();
}

// Only stage 1 predicts.
DcWeights stage_weights(const Coefficients& c, int stage, const std::vector<std::vector<uint32_t>>& steps) {
    return stage == 1 ? fit_dc_weights(c, steps) : builtin_dc_weights();
}

void put_weights(const DcWeights& weights, BitString& head) {
    const bool own = !(weights == builtin_dc_weights());
    head.put(own ? 1 : 0, 1);
    for (int i = 0; own && i < kDcWeights; ++i) head.put(static_cast<uint8_t>(weights.of[i]), 8);
}

// Adds the counts of all workers; addition does not depend on who counted what.
void add_to(std::vector<uint32_t>& sum, const std::vector<uint32_t>& part) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
}

void append_u32(std::string& out, uint32_t v) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(v >> (8 * i)));
}

}  // namespace

std::string assemble_payload(const std::vector<uint8_t>& codes, const std::vector<std::vector<uint8_t>>& streams) {
    size_t largest = 1, total = 0;
    for (const auto& s : streams) largest = std::max(largest, s.size()), total += s.size();
    const int index_bits = bit_length(static_cast<uint32_t>(largest - 1));
    BitString index;
    for (const auto& s : streams) index.put(static_cast<uint32_t>(s.size() - 1), index_bits);
    const std::vector<uint8_t>& index_bytes = index.finish();
    const size_t groups = (streams.size() + kGroupSubstreams - 1) / kGroupSubstreams;
    const size_t head_bytes = 4 + codes.size() + 1 + index_bytes.size() + 4 * groups + 4;
    std::string out;
    out.reserve(head_bytes + total);
    append_u32(out, static_cast<uint32_t>(head_bytes));
    out.append(codes.begin(), codes.end());
    out.push_back(static_cast<char>(index_bits));
    out.append(index_bytes.begin(), index_bytes.end());
    const size_t crcs = out.size();
    out.append(4 * groups + 4, '\0');
    const auto set_u32 = [&](size_t at, uint32_t v) {
        for (int i = 0; i < 4; ++i) out[at + i] = static_cast<char>(v >> (8 * i));
    };
    for (size_t g = 0; g < groups; ++g) {
        const size_t from = out.size();
        for (size_t i = g * kGroupSubstreams; i < std::min(streams.size(), (g + 1) * kGroupSubstreams); ++i)
            out.append(streams[i].begin(), streams[i].end());
        set_u32(crcs + 4 * g, crc32(reinterpret_cast<const uint8_t*>(out.data()) + from, out.size() - from));
    }
    set_u32(head_bytes - 4, crc32(reinterpret_cast<const uint8_t*>(out.data()), head_bytes - 4));
    return out;
}

std::vector<std::vector<uint32_t>> count_symbols(const Coefficients& c, int stage,
                                                 const std::vector<std::vector<uint32_t>>& steps, int threads) {
    const std::vector<CodeFamily> families = stage_families(stage);
    const int workers = std::max(threads, 1);
    std::vector<std::vector<std::vector<uint32_t>>> parts(workers);
    for (auto& part : parts)
        for (const CodeFamily& f : families) part.emplace_back(static_cast<size_t>(f.classes) * f.alphabet, 0);
    const DcWeights weights = stage_weights(c, stage, steps);
    parallel_for(static_cast<int64_t>(c.tiles.size()), workers, [&](int64_t i, int worker) {
        CountSink sink{parts[worker].data(), &families};
        walk_tile(c, c.tiles[i], stage, steps, weights, sink);
    });
    for (int w = 1; w < workers; ++w)
        for (size_t f = 0; f < families.size(); ++f) add_to(parts[0][f], parts[w][f]);
    return parts[0];
}

std::vector<uint32_t> count_token_contexts(const Coefficients& c, int stage, int threads) {
    const int workers = std::max(threads, 1);
    std::vector<std::vector<uint32_t>> parts(workers);
    for (auto& part : parts) part.assign(kTokenContexts * kTokenAlphabet, 0);
    parallel_for(static_cast<int64_t>(c.tiles.size()), workers, [&](int64_t i, int worker) {
        ContextSink sink{parts[worker].data()};
        AcWalk<ContextSink>(c, c.tiles[i], stage, sink).run();
    });
    for (int w = 1; w < workers; ++w) add_to(parts[0], parts[w]);
    return parts[0];
}

std::string pack_stage(const Coefficients& c, int stage, const std::vector<std::vector<uint32_t>>& steps, int threads) {
    const std::vector<CodeFamily> families = stage_families(stage);
    const std::vector<std::vector<uint32_t>> histograms = count_symbols(c, stage, steps, threads);
    const DcWeights weights = stage_weights(c, stage, steps);
    BitString head;
    if (stage == 1) put_weights(weights, head);
    std::vector<EncodingTables> tables;
    for (size_t f = 0; f < families.size(); ++f) tables.push_back(choose_codes(families[f], histograms[f], head));
    std::vector<std::vector<uint8_t>> streams(c.tiles.size());
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) {
        WriteSink sink(&streams[i], &tables);
        if (stage == 1 && c.mask) put_mask(c, c.tiles[i], sink);
        walk_tile(c, c.tiles[i], stage, steps, weights, sink);
        sink.finish();
        streams[i].shrink_to_fit();
    });
    return assemble_payload(head.finish(), streams);
}

namespace {

struct NoSink {
    void reserve(int64_t) {}
    void symbol(int, int, int) {}
    void token(int, int) {}
    void raw(uint32_t, int) {}
    void gamma(uint32_t) {}
};

StageRates rates_of(const CodeFamily& header, const CodeFamily& token, const EncodingTables& headers, const EncodingTables& tokens) {
    const auto bits = [](const CodeFamily& f, const EncodingTables& t, int c, int s) {
        const uint16_t word = t.row(c)[s];
        return word != kUnlistedWord ? word & 15 : (t.row(c)[f.alphabet] & 15) + f.escape_bits;
    };
    StageRates rates;
    for (int c = 0; c < header.classes; ++c)
        for (int s = 0; s < header.alphabet; ++s)
            rates.header.push_back(static_cast<uint8_t>(bits(header, headers, c, s) + ((s & 31) < 26 ? count_extra_bits(s & 31) : 0)));
    for (int c = 0; c < token.classes; ++c)
        for (int s = 0; s < token.alphabet; ++s)
            rates.token.push_back(static_cast<uint8_t>(bits(token, tokens, c, s) + count_extra_bits(s >> 4) + (s & 15)));
    return rates;
}

}  // namespace

StageRates builtin_rates(int stage) {
    const std::vector<CodeFamily> f = stage_families(stage);
    return rates_of(f[0], f[1], builtin_codewords(f[0]), builtin_codewords(f[1]));
}

StageRates chosen_rates(const Coefficients& c, int stage, const std::vector<std::vector<uint32_t>>& steps, int threads) {
    const std::vector<CodeFamily> f = stage_families(stage);
    const std::vector<std::vector<uint32_t>> histograms = count_symbols(c, stage, steps, threads);
    BitString head;
    return rates_of(f[0], f[1], choose_codes(f[0], histograms[0], head), choose_codes(f[1], histograms[1], head));
}

std::vector<uint8_t> header_classes(const Coefficients& c, int stage, int threads) {
    std::vector<uint8_t> classes(c.cells);
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) {
        NoSink sink;
        AcWalk<NoSink>(c, c.tiles[i], stage, sink).header_classes(classes.data() + c.tiles[i].base);
    });
    return classes;
}

}  // namespace mmip
