// See unpack.h.
#include "passes/tokens/unpack.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "passes/dc/dc_image.h"
#include "passes/dc/dc_unpack.h"
#include "passes/padding/mask.h"
#include "passes/parallel.h"

namespace mmip {
namespace {

// The tokens of a tile into its zeroed part of the AC buffer.
void spread_tokens(const Coefficients& c, const Tile& tile, const TokenSpan* spans, bool first) {
    int32_t* ac = c.ac.get() + tile.base * c.per_cell();
    const int cells = tile.order->cells();
    if (first) std::memset(ac, 0, sizeof(int32_t) * static_cast<size_t>(cells) * c.per_cell());
    for (int i = 0; i < cells; ++i)
        for (const Token* t = spans[i].first; t < spans[i].first + spans[i].count; ++t)
            ac[static_cast<int64_t>(i) * c.per_cell() + t->position] = t->value;
}

}  // namespace

const char* status_text(int status) {
    switch (status) {
        case kStatusTruncated: return "ends before its last symbol";
        case kStatusTrailing: return "has bits left over";
        case kStatusSymbol: return "holds a symbol outside its alphabet";
        case kStatusMode: return "holds a block mode that is reserved or does not fit there";
        case kStatusPosition: return "holds a position past the end of its stage";
        case kStatusValue: return "holds an index that is too large";
        case kStatusClass: return "holds an impossible class map";
        case kStatusCrc: return "has another crc than its group";
        case kStatusPrediction: return "holds a prediction that does not exist or does not fit there";
        case kStatusMask: return "holds an impossible padding mask";
        case kStatusDisagree: return "disagrees with an earlier stage or with the classes of its cells";
        default: return "is fine";
    }
}

void refuse(int status, int stage, const Tile& tile) {
    throw DataError(status, "stage " + std::to_string(stage) + ", sub-stream " + std::to_string(tile.substream) + " " + status_text(status));
}

TileTokens::TileTokens(const Coefficients& c) : magnitudes_(kMaxBlockCount + 1, 0) {
    int cells = 0;
    for (const Tile& tile : c.tiles) cells = std::max(cells, tile.order->cells());
    tokens_.reset(new Token[static_cast<size_t>(cells) * c.per_cell()]);   // not touched before it is needed
    if (c.dc_image) image_.reset(new TileTokens(*c.dc_image));
}

void TileTokens::start(const Coefficients& c, int64_t tile) {
    end_ = tokens_.get();
    cells_ = c.tiles[tile].order->cells();
    spans_.clear();
    if (image_) image_->start(*c.dc_image, tile);
}

TileUnpacker::TileUnpacker(Coefficients& c, const UnpackOptions& options) : c_(c), options_(options) {
    for (int mode = 0; mode < kModeCount; ++mode) {
        if (block_table(mode, c.geometry.depth) == nullptr) continue;
        const BlockShape shape = block_shape(mode, c.geometry.depth);
        blocks_[mode] = {shape.cells, shape.z, shape.y, shape.x, c.contexts->positions[mode].data()};
    }
    if (!c.dc_image) return;
    image_options_.steps = dc_image_quantizer({options.steps, {}, {}, {}}).steps;
    image_.reset(new TileUnpacker(*c.dc_image, image_options_));
}

void TileUnpacker::unpack(const StagePayload& payload, int64_t first, int count, TileTokens* tokens) const {
    if (payload.stage == 1) return unpack_first(payload, first, count, tokens);
    TileTokens* of_tiles[2] = {tokens, tokens + count - 1};
    const uint64_t from_start[2] = {0, 0};
    unpack_tokens(payload, payload.stage, first, count, of_tiles, from_start);
}

void TileUnpacker::unpack_first(const StagePayload& payload, int64_t first, int count, TileTokens* tokens) const {
    Coefficients& of_dcs = image_ ? *c_.dc_image : c_;
    const DcCode code{payload.tables[0].view(), payload.dc_weights, image_ ? image_options_.steps : options_.steps};
    uint64_t read[2] = {0, 0};
    for (int k = 0; k < count; ++k) {
        const Tile& tile = c_.tiles[first + k];
        BitReader bits(payload.substream(tile.substream), payload.substream_bytes(tile.substream));
        Status status = c_.mask ? read_mask(c_, tile, bits) : kOk;
        if (status == kOk) status = read_dcs(of_dcs, of_dcs.tiles[first + k], code, bits);
        if (status != kOk && bits.overrun()) status = kStatusTruncated;
        if (status == kOk && !image_) status = bits.finish();
        if (status != kOk) refuse(status, 1, tile);
        read[k] = bits.position;
    }
    if (!image_) return;
    TileTokens* of_image[2] = {nullptr, nullptr};
    for (int k = 0; k < count; ++k) of_image[k] = tokens[k].image_.get();
    image_->unpack_tokens(payload, 2, first, count, of_image, read);
}

UnpackJob TileUnpacker::tile_job(const StagePayload& payload, int stage, const Tile& tile, uint64_t first_bit) const {
    const bool alone = options_.reversible.empty();
    UnpackJob job{};
    job.data = payload.substream(tile.substream);
    job.bytes = payload.substream_bytes(tile.substream);
    job.first_bit = first_bit;
    job.stage = stage;
    job.depth = c_.geometry.depth;
    job.az = tile.order->az, job.ay = tile.order->ay, job.ax = tile.order->ax;
    job.low = c_.cuts[stage - 2], job.high = c_.cuts[stage - 1];
    job.raster = tile.order->raster.data();
    job.merges = tile.order->merges.data();
    job.blocks = blocks_;
    job.token_places = token_code_places();
    job.left_offsets = token_left_offsets();
    job.classes = c_.classes.get() + tile.base;
    job.reversible = alone ? nullptr : options_.reversible.data();
    job.sets_modes = stage == 2 || alone ? 1 : 0;
    job.modes = c_.modes.get() + tile.base;
    return job;
}

void TileUnpacker::unpack_tokens(const StagePayload& payload, int stage, int64_t first, int count, TileTokens* const* tokens, const uint64_t* first_bits) const {
    const size_t tables = payload.tables.size();
    const CodeTables headers = payload.tables[tables - 2].view(), codes = payload.tables[tables - 1].view();
    const CodeTables predictions = payload.tables[0].view();
    UnpackJob jobs[2] = {};
    for (int k = 0; k < count; ++k) {
        TileTokens& t = *tokens[k];
        UnpackJob& job = jobs[k];
        job = tile_job(payload, stage, c_.tiles[first + k], first_bits[k]);
        job.header_codes = &headers;
        job.token_codes = &codes;
        t.density_.resize(t.cells_);
        t.spans_.resize(t.spans_.size() + t.cells_);
        job.density = t.density_.data();
        if (payload.prediction) {
            t.predictions_.resize(t.cells_);
            job.prediction_codes = &predictions;
            job.predictions = c_.predictions.get() + c_.tiles[first + k].base;
            job.near_predictions = t.predictions_.data();
        }
        job.magnitudes = t.magnitudes_.data();
        job.tokens = t.end_;
        job.tokens_end = t.tokens_.get() + static_cast<int64_t>(t.cells_) * c_.per_cell();
        job.spans = t.spans_.data() + t.spans_.size() - t.cells_;
    }
    kernels().unpack_tiles(jobs, count);
    for (int k = 0; k < count; ++k) {
        if (jobs[k].status != kOk) refuse(jobs[k].status, payload.stage, c_.tiles[first + k]);
        tokens[k]->end_ = jobs[k].tokens;
    }
}

void expect_prediction(const Coefficients& c, const StagePayload& payload) {
    if (payload.stage != 2 || payload.prediction == (c.predictions != nullptr)) return;
    throw DataError(kStatusDisagree, payload.prediction ? "stage 2: predictions that the header does not announce" : "stage 2: without the predictions that the header announces");
}

std::vector<int64_t> tile_groups(const Coefficients& c) {
    std::vector<int64_t> groups;
    const auto count = static_cast<int64_t>(c.tiles.size());
    for (int64_t i = 0; i < count; ++i)
        if (i == 0 || c.tiles[i].substream / kGroupSubstreams != c.tiles[i - 1].substream / kGroupSubstreams) groups.push_back(i);
    groups.push_back(count);
    return groups;
}

// Calls use(group) for the groups of a stage that tiles [first, end) have sub-streams in.
template <class Use>
static void each_group(const Coefficients& c, int64_t first, int64_t end, const Use& use) {
    int64_t last = -1;
    for (int64_t i = first; i < end; ++i) {
        const int64_t group = c.tiles[i].substream / kGroupSubstreams;
        if (group != last) use(group);
        last = group;
    }
}

void check_groups(const Coefficients& c, int64_t first, int64_t end, const StagePayload& payload) {
    each_group(c, first, end, [&](int64_t group) { payload.check_group(group); });
}

uint64_t bytes_read(const Coefficients& c, const StagePayload& payload) {
    uint64_t bytes = payload.head_bytes;
    each_group(c, 0, static_cast<int64_t>(c.tiles.size()), [&](int64_t group) { bytes += payload.group_bytes(group); });
    return bytes;
}

uint64_t unpack_stage(Coefficients& c, int stage, const uint8_t* bytes, uint64_t size, const UnpackOptions& options) {
    const StagePayload payload = read_payload(bytes, size, c.geometry.substreams(), stage, stage_families(stage, c.dc_image != nullptr), options.check_crc);
    if (payload.prediction && c.geometry.depth != 1) throw DataError(kStatusDisagree, "stage 2: predictions of 3D blocks");
    if (stage == 2 && options.reversible.empty() && payload.prediction && !c.predictions) c.allocate_predictions();
    expect_prediction(c, payload);
    const std::vector<int64_t> groups = tile_groups(c);
    const TileUnpacker unpacker(c, options);
    Coefficients& of_tokens = stage == 1 && c.dc_image ? *c.dc_image : c;
    const bool has_tokens = stage > 1 || c.dc_image, clears = stage <= 2 || options.reversible.empty();
    if (has_tokens && !of_tokens.ac) of_tokens.allocate_ac();
    parallel_for(static_cast<int64_t>(groups.size()) - 1, options.threads, [&](int64_t g, int) {
        check_groups(c, groups[g], groups[g + 1], payload);
        TileTokens tokens[2] = {TileTokens(c), TileTokens(c)};
        for (int64_t i = groups[g]; i < groups[g + 1]; i += 2) {
            const int count = static_cast<int>(std::min<int64_t>(2, groups[g + 1] - i));
            for (int k = 0; k < count; ++k) tokens[k].start(c, i + k);
            unpacker.unpack(payload, i, count, tokens);
            for (int k = 0; has_tokens && k < count; ++k)
                spread_tokens(of_tokens, of_tokens.tiles[i + k], stage == 1 ? tokens[k].image_spans() : tokens[k].spans(), clears);
        }
    });
    return bytes_read(c, payload);
}

}  // namespace mmip
