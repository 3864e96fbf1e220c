// See pack.h. A tile is walked twice with the same code: once to count symbols, once to write them.
#include "pack.h"

#include <cstring>

#include "../rules/builtin_codes.h"
#include "../rules/dc.h"
#include "codebook.h"
#include "crc.h"
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

template <class Sink>
void walk_dc(const Coefficients& c, const Tile& tile, const std::vector<std::vector<uint32_t>>& steps, Sink& sink) {
    const TileOrder& order = *tile.order;
    const int cells = order.cells();
    const uint8_t* classes = c.classes.get() + tile.base;
    const int32_t* dc = c.dc.get() + tile.base;
    if (steps.size() > 1) walk_classes(classes, order, static_cast<int>(steps.size()), sink);
    const size_t component = static_cast<size_t>(tile.plane) % steps[0].size();
    std::vector<int64_t> values(cells);
    std::vector<uint32_t> errors(cells);
    sink.reserve(cells);
    int i = 0;
    for (int z = 0; z < order.az; ++z)
        for (int y = 0; y < order.ay; ++y)
            for (int x = 0; x < order.ax; ++x, ++i) {
                const int64_t step = steps[classes[i]][component];
                const CellPlace at{z, y, x, order.ay, order.ax};
                const int32_t residual = static_cast<int32_t>(dc[i] - dc_prediction(&values[i], at, step));
                values[i] = dc[i] * step;
                const int context = dc_residual_context(&errors[i], at);
                errors[i] = magnitude(residual);
                const int size = bit_length(errors[i]);
                sink.symbol(0, context, size);
                if (size > 0) put_sign_and_low_bits(sink, residual, size);
            }
}

// One stage of the AC of a tile.
template <class Sink>
class AcWalk {
public:
    AcWalk(const Coefficients& c, const Tile& tile, int stage, Sink& sink)
        : c_(c), order_(*tile.order), stage_(stage), sink_(sink), modes_(c.modes.get() + tile.base),
          ac_(c.ac.get() + tile.base * c.per_cell()), density_(order_.cells(), 0), magnitudes_(kMaxBlock + 1, 0) {
        for (int m = 0; m < kModeCount; ++m) tables_[m] = block_table(m, c.geometry.depth);
    }

    void run() {
        const int cells = order_.cells();
        if (stage_ > 2) find_empty();
        for (int i = 0; i < cells;) {
            if (stage_ > 2 && empty_[i]) {
                i += put_cover(i);
                continue;
            }
            const BlockTable& table = *tables_[modes_[i]];
            find_nonzeros(i, table);
            put_header(i, modes_[i], table.cells, static_cast<uint32_t>(found_.size()));
            put_tokens(i, table);
            i += table.cells;
        }
    }

private:
    static constexpr int kMaxBlock = 4088;

    int low(const BlockTable& t) const { return t.cells * c_.cuts[stage_ - 2]; }
    int high(const BlockTable& t) const { return t.cells * c_.cuts[stage_ - 1]; }

    void find_nonzeros(int i, const BlockTable& table) {
        const int32_t* q = ac_ + static_cast<int64_t>(i) * c_.per_cell();
        found_.clear();
        for (int p = low(table); p < high(table); ++p)
            if (q[p] != 0) found_.push_back(p);
    }

    // Later stages cover empty regions with blocks of any mode that fits.
    void find_empty() {
        empty_.assign(order_.cells(), 0);
        for (int i = 0; i < order_.cells();) {
            const BlockTable& table = *tables_[modes_[i]];
            find_nonzeros(i, table);
            std::memset(empty_.data() + i, found_.empty() ? 1 : 0, table.cells);
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

    void put_header(int i, int mode, int cells, uint32_t nonzeros) {
        const int at = order_.raster[i], slice = order_.ay * order_.ax;
        uint32_t sum = 0;
        int neighbours = 0;
        if (order_.x[i] > 0) sum += density_[at - 1], ++neighbours;
        if (order_.y[i] > 0) sum += density_[at - order_.ax], ++neighbours;
        if (order_.z[i] > 0) sum += density_[at - slice], ++neighbours;
        const int n = count_symbol(nonzeros);
        sink_.reserve(2 + nonzeros);
        sink_.symbol(0, header_class(header_context(sum, neighbours)), 32 * mode + n);
        sink_.raw(nonzeros & ((1u << count_extra_bits(n)) - 1), count_extra_bits(n));
        const uint32_t d = density(nonzeros, cells);
        for (int k = 0; k < cells; ++k) density_[order_.raster[i + k]] = d;
    }

    void put_tokens(int i, const BlockTable& table) {
        const int32_t* q = ac_ + static_cast<int64_t>(i) * c_.per_cell();
        int p = low(table), left = static_cast<int>(found_.size());
        for (const int at : found_) {
            const uint16_t* n = &table.neighbours[static_cast<size_t>(p) * 6];
            const uint32_t v = neighbour_sum(magnitudes_.data(), n);
            const uint32_t m = magnitude(q[at]), run = static_cast<uint32_t>(at - p);
            const int r = count_symbol(run), size = token_size(m);
            sink_.token(token_context(left, table.position_class[p], v), 16 * r + size);
            sink_.raw(run & ((1u << count_extra_bits(r)) - 1), count_extra_bits(r));
            if (size < kEscapeSize) {
                put_sign_and_low_bits(sink_, q[at], size);
            } else {
                sink_.raw(q[at] < 0 ? 1 : 0, 1);
                sink_.gamma(m - (1u << (kEscapeSize - 1)) + 1);
            }
            magnitudes_[at] = m;
            p = at + 1;
            --left;
        }
        for (const int at : found_) magnitudes_[at] = 0;
    }

    const Coefficients& c_;
    const TileOrder& order_;
    int stage_;
    Sink& sink_;
    const uint8_t* modes_;
    const int32_t* ac_;
    const BlockTable* tables_[kModeCount];
    std::vector<uint32_t> density_;
    std::vector<uint32_t> magnitudes_;
    std::vector<uint8_t> empty_;
    std::vector<int> found_;
};

template <class Sink>
void walk_tile(const Coefficients& c, const Tile& tile, int stage, const std::vector<std::vector<uint32_t>>& steps, Sink& sink) {
    if (stage == 1) walk_dc(c, tile, steps, sink);
    else AcWalk<Sink>(c, tile, stage, sink).run();
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
    parallel_for(static_cast<int64_t>(c.tiles.size()), workers, [&](int64_t i, int worker) {
        CountSink sink{parts[worker].data(), &families};
        walk_tile(c, c.tiles[i], stage, steps, sink);
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
    BitString head;
    std::vector<EncodingTables> tables;
    for (size_t f = 0; f < families.size(); ++f) tables.push_back(choose_codes(families[f], histograms[f], head));
    std::vector<std::vector<uint8_t>> streams(c.tiles.size());
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) {
        WriteSink sink(&streams[i], &tables);
        walk_tile(c, c.tiles[i], stage, steps, sink);
        sink.finish();
        streams[i].shrink_to_fit();
    });
    return assemble_payload(head.finish(), streams);
}

}  // namespace mmip
