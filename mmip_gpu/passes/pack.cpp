// See pack.h. DCs are walked twice with the same code: once to count symbols, once to write them; AC tokens are listed once.
#include "pack.h"

#include "../rules/builtin_codes.h"
#include "../rules/dc_walk.h"
#include "codebook.h"
#include "crc.h"
#include "dc_fit.h"
#include "dc_image.h"
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
    void reserve(int64_t symbols) { reserve_bytes(static_cast<size_t>(symbols) * 24 + 64); }
    void reserve_bytes(size_t more) {
        const size_t used = static_cast<size_t>(writer.out - bytes->data());
        const size_t need = used + more;
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
    void gamma(uint32_t value) { put_gamma(writer, value); }
    void finish() {
        uint8_t* end = writer.finish();
        const size_t used = static_cast<size_t>(end - bytes->data());
        bytes->resize(used == 0 ? 1 : used);
        if (used == 0) (*bytes)[0] = 0;
    }
};

template <class Sink>
void walk_dc(const Coefficients& c, const Tile& tile, const std::vector<std::vector<uint32_t>>& steps, const DcWeights& weights, Sink& sink) {
    const TileOrder& order = *tile.order;
    const int cells = order.cells();
    const uint8_t* classes = c.classes.get() + tile.base;
    const int32_t* dc = c.dc.get() + tile.base;
    if (steps.size() > 1) walk_classes(classes, order.ay, order.ax, cells, static_cast<int>(steps.size()), sink);
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
                errors[i] = index_magnitude(residuals[i]);
            }
    walk_dcs(residuals.data(), contexts.data(), cells, sink);
}

// What stage 1 predicts DCs from: those of the chunk, or of its DC image.
struct DcSource {
    const Coefficients& c;
    std::vector<std::vector<uint32_t>> steps;
    DcWeights weights;

    DcSource(const Coefficients& chunk, int stage, const std::vector<std::vector<uint32_t>>& chunk_steps)
        : c(chunk.dc_image ? *chunk.dc_image : chunk), steps(chunk.dc_image ? dc_image_quantizer({chunk_steps, {}, {}, {}}).steps : chunk_steps),
          weights(stage == 1 ? fit_dc_weights(c, steps) : builtin_dc_weights()) {}

    template <class Sink>
    void walk(size_t tile, Sink& sink) const { walk_dc(c, c.tiles[tile], steps, weights, sink); }
};

// Adds the counts of all workers; addition does not depend on who counted what.
void add_to(std::vector<uint32_t>& sum, const std::vector<uint32_t>& part) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
}

void append_u32(std::string& out, uint32_t v) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(v >> (8 * i)));
}

}  // namespace

std::string payload_head(const std::vector<uint8_t>& codes, const std::vector<uint32_t>& sizes, const std::vector<uint32_t>& group_crcs) {
    uint32_t largest = 1;
    for (const uint32_t size : sizes) largest = std::max(largest, size);
    const int index_bits = bit_length(largest - 1);
    BitString index;
    for (const uint32_t size : sizes) index.put(size - 1, index_bits);
    const std::vector<uint8_t>& index_bytes = index.finish();
    std::string out;
    append_u32(out, static_cast<uint32_t>(4 + codes.size() + 1 + index_bytes.size() + 4 * group_crcs.size() + 4));
    out.append(codes.begin(), codes.end());
    out.push_back(static_cast<char>(index_bits));
    out.append(index_bytes.begin(), index_bytes.end());
    for (const uint32_t crc : group_crcs) append_u32(out, crc);
    append_u32(out, crc32(reinterpret_cast<const uint8_t*>(out.data()), out.size()));
    return out;
}

std::string assemble_payload(const std::vector<uint8_t>& codes, const std::vector<std::vector<uint8_t>>& streams) {
    std::vector<uint32_t> sizes, crcs;
    std::string body;
    for (size_t first = 0; first < streams.size(); first += kGroupSubstreams) {
        const size_t from = body.size();
        for (size_t i = first; i < std::min(streams.size(), first + kGroupSubstreams); ++i) {
            sizes.push_back(static_cast<uint32_t>(streams[i].size()));
            body.append(streams[i].begin(), streams[i].end());
        }
        crcs.push_back(crc32(reinterpret_cast<const uint8_t*>(body.data()) + from, body.size() - from));
    }
    return payload_head(codes, sizes, crcs) + body;
}

namespace {

// Symbol counts of a stage, and from stage 2 on the symbols of each tile.
std::vector<std::vector<uint32_t>> listed_symbols(const Coefficients& c, int stage, const DcSource& dcs, int threads, std::vector<TokenList>& lists) {
    const std::vector<CodeFamily> families = stage_families(stage, c.dc_image != nullptr);
    const int workers = std::max(threads, 1);
    std::vector<std::vector<std::vector<uint32_t>>> parts(workers);
    for (auto& part : parts)
        for (const CodeFamily& f : families) part.emplace_back(static_cast<size_t>(f.classes) * f.alphabet, 0);
    parallel_for(static_cast<int64_t>(c.tiles.size()), workers, [&](int64_t i, int worker) {
        std::vector<std::vector<uint32_t>>& counts = parts[worker];
        if (stage == 1) {
            CountSink sink{counts.data(), &families};
            dcs.walk(i, sink);
            if (c.dc_image) list_tokens(*c.dc_image, c.dc_image->tiles[i], 2, lists[i], counts[1].data(), counts[2].data());
        } else {
            list_tokens(c, c.tiles[i], stage, lists[i], counts[0].data(), counts[1].data());
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
    return listed_symbols(c, stage, DcSource(c, stage, steps), threads, lists);
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
    const std::vector<CodeFamily> families = stage_families(stage, c.dc_image != nullptr);
    std::vector<TokenList> lists(c.tiles.size());
    const DcSource dcs(c, stage, steps);
    const std::vector<std::vector<uint32_t>> histograms = listed_symbols(c, stage, dcs, threads, lists);
    BitString head;
    if (stage == 1) put_weights(dcs.weights, head);
    std::vector<EncodingTables> tables;
    for (size_t f = 0; f < families.size(); ++f) tables.push_back(choose_codes(families[f], histograms[f], head));
    std::vector<std::vector<uint32_t>> words;
    for (const EncodingTables& t : tables) words.push_back(symbol_words(t));
    std::vector<std::vector<uint8_t>> streams(c.tiles.size()), buffers(std::max(threads, 1));
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int worker) {
        if (stage == 1) {
            WriteSink sink(&streams[i], &tables);
            if (c.mask) put_mask(c, c.tiles[i], sink);
            dcs.walk(i, sink);
            if (c.dc_image) {
                sink.reserve_bytes(token_room(lists[i]));
                write_tokens(*c.dc_image, c.dc_image->tiles[i], 2, lists[i], words[1], words[2], sink.writer);
            }
            sink.finish();
            streams[i].shrink_to_fit();
            return;
        }
        std::vector<uint8_t>& buffer = buffers[worker];
        if (buffer.size() < token_room(lists[i])) buffer.resize(token_room(lists[i]));
        buffer[0] = 0;   // a sub-stream without bits is a zero byte
        BitWriter writer(buffer.data());
        write_tokens(c, c.tiles[i], stage, lists[i], words[0], words[1], writer);
        const uint8_t* end = writer.finish();
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
    const std::vector<CodeFamily> f = stage_families(stage, false);
    return rates_of(f[0], f[1], builtin_codewords(f[0]), builtin_codewords(f[1]));
}

StageRates rates_of_counts(int stage, const std::vector<std::vector<uint32_t>>& histograms) {
    const std::vector<CodeFamily> f = stage_families(stage, false);
    BitString head;
    return rates_of(f[0], f[1], choose_codes(f[0], histograms[0], head), choose_codes(f[1], histograms[1], head));
}

StageRates chosen_rates(const Coefficients& c, int stage, const std::vector<std::vector<uint32_t>>& steps, int threads) {
    return rates_of_counts(stage, count_symbols(c, stage, steps, threads));
}

std::vector<uint8_t> header_classes(const Coefficients& c, int stage, int threads) {
    std::vector<uint8_t> classes(c.cells);
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) {
        find_header_classes(c, c.tiles[i], stage, classes.data() + c.tiles[i].base);
    });
    return classes;
}

}  // namespace mmip
