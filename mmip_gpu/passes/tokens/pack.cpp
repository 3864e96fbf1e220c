// See pack.h. Symbols are found once and counted, then written: DCs as residuals with their contexts, AC tokens as lists.
#include "passes/tokens/pack.h"

#include "rules/tokens/builtin_codes.h"
#include "passes/coding/codebook.h"
#include "passes/coding/payload.h"
#include "passes/dc/dc_pack.h"
#include "passes/dc/dc_image.h"
#include "passes/padding/mask.h"
#include "passes/parallel.h"
#include "passes/tokens/tokens.h"

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
    // One past the last byte written.
    void end(const uint8_t* end) {
        const size_t used = static_cast<size_t>(end - bytes->data());
        bytes->resize(used == 0 ? 1 : used);
        if (used == 0) (*bytes)[0] = 0;
    }
};

// Adds the counts of all workers; addition does not depend on who counted what.
void add_to(std::vector<uint32_t>& sum, const std::vector<uint32_t>& part) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
}

// What stage 1 predicts DCs from: those of the chunk, or of its DC image.
struct DcSource {
    const Coefficients& c;
    std::vector<std::vector<uint32_t>> steps;
    DcWeights weights;

    DcSource(const Coefficients& chunk, int stage, const std::vector<std::vector<uint32_t>>& chunk_steps, const std::optional<DcWeights>& fitted)
        : c(chunk.dc_image ? *chunk.dc_image : chunk), steps(chunk.dc_image ? dc_image_quantizer({chunk_steps, {}, {}, {}}).steps : chunk_steps),
          weights(fitted ? *fitted : stage == 1 ? fit_dc_weights(c, steps) : builtin_dc_weights()) {}

    DcList list(size_t tile) const { return list_dcs(c, c.tiles[tile], steps, weights); }

    template <class Sink>
    void walk(size_t tile, const DcList& list, Sink& sink) const { walk_dc(c, c.tiles[tile], static_cast<int>(steps.size()), list, sink); }
};

// The symbols of every tile of a stage: DCs in stage 1, tokens in later ones and in a DC image.
struct StageLists {
    std::vector<DcList> dcs;
    std::vector<TokenList> tokens;

    StageLists(const Coefficients& c, int stage) : dcs(stage == 1 ? c.tiles.size() : 0), tokens(stage > 1 || c.dc_image ? c.tiles.size() : 0) {}
};

std::vector<CodeFamily> families_of(const Coefficients& c, int stage) {
    std::vector<CodeFamily> families = stage_families(stage, c.dc_image != nullptr);
    if (stage == 2 && c.has_predictions()) families.insert(families.begin(), prediction_family());
    return families;
}

// Fills the lists; returns their counts.
std::vector<std::vector<uint32_t>> list_symbols(const Coefficients& c, int stage, const std::vector<CodeFamily>& families, const DcSource& dcs, int threads,
                                                StageLists& lists) {
    const int workers = std::max(threads, 1);
    std::vector<std::vector<std::vector<uint32_t>>> parts(workers);
    for (auto& part : parts)
        for (const CodeFamily& f : families) part.emplace_back(static_cast<size_t>(f.classes) * f.alphabet, 0);
    parallel_for(static_cast<int64_t>(c.tiles.size()), workers, [&](int64_t i, int worker) {
        std::vector<std::vector<uint32_t>>& counts = parts[worker];
        if (stage == 1) {
            lists.dcs[i] = dcs.list(i);
            CountSink sink{counts.data(), &families};
            dcs.walk(i, lists.dcs[i], sink);
            if (c.dc_image) list_tokens(*c.dc_image, c.dc_image->tiles[i], 2, lists.tokens[i], counts[1].data(), counts[2].data());
        } else {
            list_tokens(c, c.tiles[i], stage, lists.tokens[i], counts[counts.size() - 2].data(), counts.back().data());
            if (counts.size() > 2) list_predictions(c, c.tiles[i], lists.tokens[i], counts[0].data());
        }
    });
    for (int w = 1; w < workers; ++w)
        for (size_t f = 0; f < families.size(); ++f) add_to(parts[0][f], parts[w][f]);
    return parts[0];
}

}  // namespace

std::vector<std::vector<uint32_t>> count_symbols(const Coefficients& c, int stage,
                                                 const std::vector<std::vector<uint32_t>>& steps, int threads) {
    StageLists lists(c, stage);
    return list_symbols(c, stage, families_of(c, stage), DcSource(c, stage, steps, std::nullopt), threads, lists);
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

std::string pack_stage(const Coefficients& c, int stage, const std::vector<std::vector<uint32_t>>& steps, int threads,
                       const std::optional<DcWeights>& fitted) {
    const std::vector<CodeFamily> families = families_of(c, stage);
    const bool predicted = stage == 2 && families.size() > 2;
    StageLists lists(c, stage);
    const DcSource dcs(c, stage, steps, fitted);
    const std::vector<std::vector<uint32_t>> histograms = list_symbols(c, stage, families, dcs, threads, lists);
    BitString head;
    if (predicted) head.put(kPredictionMark, kPredictionMarkBits);
    if (stage == 1) put_weights(dcs.weights, head);
    std::vector<EncodingTables> tables;
    for (size_t f = 0; f < families.size(); ++f) tables.push_back(choose_codes(families[f], histograms[f].data(), head, threads));
    StageWords words;
    if (tables.size() > 1) words = {symbol_words(tables[tables.size() - 2]), token_words(tables.back()), predicted ? symbol_words(tables[0]) : std::vector<uint32_t>{}};
    std::vector<std::vector<uint8_t>> streams(c.tiles.size()), buffers(std::max(threads, 1));
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int worker) {
        if (stage == 1) {
            WriteSink sink(&streams[i], &tables);
            if (c.mask) put_mask(c, c.tiles[i], sink);
            dcs.walk(i, lists.dcs[i], sink);
            if (c.dc_image) {
                sink.reserve_bytes(token_room(lists.tokens[i]));
                sink.end(write_tokens(*c.dc_image, c.dc_image->tiles[i], 2, lists.tokens[i], words, sink.writer));
            } else {
                sink.end(sink.writer.finish());
            }
            streams[i].shrink_to_fit();
            return;
        }
        std::vector<uint8_t>& buffer = buffers[worker];
        TokenList& list = lists.tokens[i];
        if (buffer.size() < token_room(list)) buffer.resize(token_room(list));
        buffer[0] = 0;   // a sub-stream without bits is a zero byte
        const uint8_t* end = write_tokens(c, c.tiles[i], stage, list, words, BitWriter(buffer.data()));
        streams[i].assign(static_cast<const uint8_t*>(buffer.data()), std::max(end, static_cast<const uint8_t*>(buffer.data()) + 1));
        list = TokenList{};
    });
    return assemble_payload(head.finish(), streams, threads);
}

}  // namespace mmip
