// See pack.h. DCs are walked twice with the same code: once to count symbols, once to write them; AC tokens are listed once.
#include "pack.h"

#include "../rules/builtin_codes.h"
#include "../rules/dc.h"
#include "codebook.h"
#include "crc.h"
#include "dc_fit.h"
#include "mask.h"
#include "parallel.h"
#include "tokens.h"

namespace mmip {
namespace {

// Sinks: what a walk does with symbols (class, symbol) of family 0 or 1, and with raw bits.
struct CountSink {
    std::vector<uint32_t>* histograms;            // one per family
    const std::vector<CodeFamily>* families;

    void reserve(int64_t) {}
    void symbol(int family, int c, int s) { ++histograms[family][static_cast<size_t>(c) * (*families)[family].alphabet + s]; }
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

namespace {

// Symbol counts of a stage, and from stage 2 on the symbols of each tile.
std::vector<std::vector<uint32_t>> listed_symbols(const Coefficients& c, int stage, const std::vector<std::vector<uint32_t>>& steps,
                                                  int threads, std::vector<TokenList>& lists) {
    const std::vector<CodeFamily> families = stage_families(stage);
    const int workers = std::max(threads, 1);
    std::vector<std::vector<std::vector<uint32_t>>> parts(workers);
    for (auto& part : parts)
        for (const CodeFamily& f : families) part.emplace_back(static_cast<size_t>(f.classes) * f.alphabet, 0);
    const DcWeights weights = stage_weights(c, stage, steps);
    parallel_for(static_cast<int64_t>(c.tiles.size()), workers, [&](int64_t i, int worker) {
        if (stage == 1) {
            CountSink sink{parts[worker].data(), &families};
            walk_dc(c, c.tiles[i], steps, weights, sink);
        } else {
            list_tokens(c, c.tiles[i], stage, lists[i], parts[worker][0].data(), parts[worker][1].data());
        }
    });
    for (int w = 1; w < workers; ++w)
        for (size_t f = 0; f < families.size(); ++f) add_to(parts[0][f], parts[w][f]);
    return parts[0];
}

}  // namespace

std::vector<std::vector<uint32_t>> count_symbols(const Coefficients& c, int stage,
                                                 const std::vector<std::vector<uint32_t>>& steps, int threads) {
    std::vector<TokenList> lists(c.tiles.size());
    return listed_symbols(c, stage, steps, threads, lists);
}

std::vector<uint32_t> count_token_contexts(const Coefficients& c, int stage, int threads) {
    const int workers = std::max(threads, 1);
    std::vector<std::vector<uint32_t>> parts(workers);
    for (auto& part : parts) part.assign(kTokenContexts * kTokenAlphabet, 0);
    parallel_for(static_cast<int64_t>(c.tiles.size()), workers, [&](int64_t i, int worker) {
        add_token_contexts(c, c.tiles[i], stage, parts[worker].data());
    });
    for (int w = 1; w < workers; ++w) add_to(parts[0], parts[w]);
    return parts[0];
}

std::string pack_stage(const Coefficients& c, int stage, const std::vector<std::vector<uint32_t>>& steps, int threads) {
    const std::vector<CodeFamily> families = stage_families(stage);
    std::vector<TokenList> lists(c.tiles.size());
    const std::vector<std::vector<uint32_t>> histograms = listed_symbols(c, stage, steps, threads, lists);
    const DcWeights weights = stage_weights(c, stage, steps);
    BitString head;
    if (stage == 1) put_weights(weights, head);
    std::vector<EncodingTables> tables;
    for (size_t f = 0; f < families.size(); ++f) tables.push_back(choose_codes(families[f], histograms[f], head));
    std::vector<std::vector<uint32_t>> words;
    for (const EncodingTables& t : tables) words.push_back(symbol_words(t));
    std::vector<std::vector<uint8_t>> streams(c.tiles.size()), buffers(std::max(threads, 1));
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int worker) {
        if (stage == 1) {
            WriteSink sink(&streams[i], &tables);
            if (c.mask) put_mask(c, c.tiles[i], sink);
            walk_dc(c, c.tiles[i], steps, weights, sink);
            sink.finish();
            streams[i].shrink_to_fit();
            return;
        }
        std::vector<uint8_t>& buffer = buffers[worker];
        if (buffer.size() < token_room(lists[i])) buffer.resize(token_room(lists[i]));
        buffer[0] = 0;   // a sub-stream without bits is a zero byte
        const uint8_t* end = write_tokens(c, c.tiles[i], stage, lists[i], words[0], words[1], buffer.data());
        streams[i].assign(static_cast<const uint8_t*>(buffer.data()), std::max(end, static_cast<const uint8_t*>(buffer.data()) + 1));
        lists[i] = TokenList{};
    });
    return assemble_payload(head.finish(), streams);
}

namespace {

StageRates rates_of(const CodeFamily& header, const CodeFamily& token, const EncodingTables& headers, const EncodingTables& tokens) {
    const auto bits = [](const CodeFamily& f, const EncodingTables& t, int c, int s) {
        const uint16_t word = t.row(c)[s];
        return word != kUnlistedWord ? word & 15 : (t.row(c)[f.alphabet] & 15) + f.escape_bits;
    };
    const auto raw_bits = [](int size) { return size < kEscapeSize ? size_bits(size) : 1 + 4 + kEscapeLog; };
    StageRates rates;
    for (int c = 0; c < header.classes; ++c)
        for (int s = 0; s < header.alphabet; ++s)
            rates.header.push_back(static_cast<uint8_t>(bits(header, headers, c, s) + ((s & 31) < 26 ? count_extra_bits(s & 31) : 0)));
    for (int c = 0; c < token.classes; ++c)
        for (int s = 0; s < token.alphabet; ++s)
            rates.token.push_back(static_cast<uint8_t>(bits(token, tokens, c, s) + count_extra_bits(s >> 4) + raw_bits(s & 15)));
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
        find_header_classes(c, c.tiles[i], stage, classes.data() + c.tiles[i].base);
    });
    return classes;
}

}  // namespace mmip
