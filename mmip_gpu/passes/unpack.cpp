// See unpack.h.
#include "unpack.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "../rules/dc.h"
#include "mask.h"
#include "parallel.h"

namespace mmip {
namespace {

// Decodes the stage 1 sub-stream of one tile: class map and DCs; all functions return a Status.
class DcReader {
public:
    DcReader(Coefficients& c, const Tile& tile, const StagePayload& payload, const UnpackOptions& options)
        : c_(c), tile_(tile), order_(*tile.order), codes_(payload.tables[0].view()), weights_(payload.dc_weights), options_(options),
          bits_(payload.substream(tile.substream), payload.substream_bytes(tile.substream)) {}

    Status run() {
        const Status status = read_dc();
        return status != kOk ? (bits_.overrun() ? kStatusTruncated : status) : bits_.finish();
    }

private:
    Status read_classes(uint8_t* classes) {
        const int class_count = static_cast<int>(options_.steps.size());
        const int width = order_.ax, row_cells = order_.ax * order_.ay, cells = order_.cells();
        const int raw_bits = bit_length(static_cast<uint32_t>(class_count - 2));
        uint32_t right = 0;
        if (!bits_.take_gamma(right)) return kStatusClass;
        --right;
        for (int i = 0; i < cells; ++i) {
            const int x = i % width, y = (i % row_cells) / width;
            const int predicted = predicted_class(x > 0, y > 0, x > 0 ? classes[i - 1] : 0, y > 0 ? classes[i - width] : 0,
                                                  x > 0 && y > 0 ? classes[i - width - 1] : 0, i > 0 ? classes[i - 1] : 0);
            if (right > 0) {
                classes[i] = static_cast<uint8_t>(predicted);
                --right;
                continue;
            }
            bits_.refill();
            const int other = static_cast<int>(bits_.take(raw_bits));
            const int value = other >= predicted ? other + 1 : other;
            if (value >= class_count) return kStatusClass;
            classes[i] = static_cast<uint8_t>(value);
            if (i + 1 < cells) {
                if (!bits_.take_gamma(right)) return kStatusClass;
                --right;
            }
        }
        return right == 0 ? kOk : kStatusClass;
    }

    Status read_dc() {
        const int cells = order_.cells();
        uint8_t* classes = c_.classes.get() + tile_.base;
        int32_t* dc = c_.dc.get() + tile_.base;
        if (c_.mask) {
            const Status status = read_mask(c_, tile_, bits_);
            if (status != kOk) return status;
        }
        if (options_.steps.size() > 1) {
            const Status status = read_classes(classes);
            if (status != kOk) return status;
        }
        const size_t component = static_cast<size_t>(tile_.plane) % options_.steps[0].size();
        std::vector<int64_t> values(cells);
        std::vector<uint32_t> errors(cells);
        int64_t zeros = -1;                  // left of the run of context 0; -1: the next run is not read yet
        int i = 0;
        for (int z = 0; z < order_.az; ++z)
            for (int y = 0; y < order_.ay; ++y)
                for (int x = 0; x < order_.ax; ++x, ++i) {
                    const int64_t step = options_.steps[classes[i]][component];
                    const CellPlace at{z, y, x, order_.ay, order_.ax};
                    const int context = dc_residual_context(&errors[i], at);
                    if (context == 0 && zeros < 0) {
                        bits_.refill();
                        const int symbol = decode_symbol(bits_, codes_, kDcRunClass);
                        if (symbol < 0 || symbol > kLargestDcRunSymbol) return kStatusSymbol;
                        zeros = count_base(symbol) + bits_.take(count_extra_bits(symbol));
                        if (zeros > cells - i) return kStatusPosition;
                    }
                    int64_t residual = 0;
                    if (context != 0 || zeros-- == 0) {
                        bits_.refill();
                        const int size = decode_symbol(bits_, codes_, context);
                        if (size < 0 || (size == 0 && context == 0)) return kStatusSymbol;
                        bits_.refill();
                        if (size > 0) {
                            const bool negative = bits_.take(1) != 0;
                            residual = (int64_t{1} << (size - 1)) | bits_.take(size - 1);
                            errors[i] = static_cast<uint32_t>(residual);
                            if (negative) residual = -residual;
                        }
                    }
                    const int64_t q = dc_prediction(&values[i], at, step, weights_) + residual;
                    if (q <= -kMaxIndex || q >= kMaxIndex) return kStatusValue;
                    dc[i] = static_cast<int32_t>(q);
                    values[i] = q * step;
                }
        return zeros <= 0 ? kOk : kStatusPosition;
    }

    Coefficients& c_;
    const Tile& tile_;
    const TileOrder& order_;
    CodeTables codes_;
    DcWeights weights_;
    const UnpackOptions& options_;
    BitReader bits_;
};

const char* status_text(int status) {
    switch (status) {
        case kStatusTruncated: return "ends before its last symbol";
        case kStatusTrailing: return "has bits left over";
        case kStatusSymbol: return "holds a symbol outside its alphabet";
        case kStatusMode: return "holds a block mode that is reserved or does not fit there";
        case kStatusPosition: return "holds a position past the end of its stage";
        case kStatusValue: return "holds an index that is too large";
        case kStatusClass: return "holds an impossible class map";
        case kStatusMask: return "holds an impossible padding mask";
        case kStatusDisagree: return "disagrees with an earlier stage or with the classes of its cells";
        default: return "is fine";
    }
}

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

void refuse(int status, int stage, const Tile& tile) {
    throw DataError(status, "stage " + std::to_string(stage) + ", sub-stream " + std::to_string(tile.substream) + " " + status_text(status));
}

TileTokens::TileTokens(const Coefficients& c) : magnitudes_(kMaxBlockCount + 1, 0) {
    int cells = 0;
    for (const Tile& tile : c.tiles) cells = std::max(cells, tile.order->cells());
    tokens_.reset(new Token[static_cast<size_t>(cells) * c.per_cell()]);   // not touched before it is needed
}

void TileTokens::start(int cells) {
    end_ = tokens_.get();
    cells_ = cells;
    spans_.clear();
}

TileUnpacker::TileUnpacker(Coefficients& c, const UnpackOptions& options) : c_(c), options_(options) {
    for (int mode = 0; mode < kModeCount; ++mode) {
        if (block_table(mode, c.geometry.depth) == nullptr) continue;
        const BlockShape shape = block_shape(mode, c.geometry.depth);
        blocks_[mode] = {shape.cells, shape.z, shape.y, shape.x, c.contexts->positions[mode].data()};
    }
}

void TileUnpacker::unpack(const StagePayload& payload, int64_t first, int count, TileTokens* tokens) const {
    const int stage = payload.stage;
    if (stage == 1) {
        for (int64_t i = first; i < first + count; ++i) {
            const Status status = DcReader(c_, c_.tiles[i], payload, options_).run();
            if (status != kOk) refuse(status, stage, c_.tiles[i]);
        }
        return;
    }
    const bool alone = options_.reversible.empty();
    const CodeTables headers = payload.tables[0].view(), codes = payload.tables[1].view();
    UnpackJob jobs[2] = {};
    for (int k = 0; k < count; ++k) {
        const Tile& tile = c_.tiles[first + k];
        TileTokens& t = tokens[k];
        UnpackJob& job = jobs[k];
        job.data = payload.substream(tile.substream);
        job.bytes = payload.substream_bytes(tile.substream);
        job.stage = stage;
        job.az = tile.order->az, job.ay = tile.order->ay, job.ax = tile.order->ax;
        job.low = c_.cuts[stage - 2], job.high = c_.cuts[stage - 1];
        job.raster = tile.order->raster.data();
        job.merges = tile.order->merges.data();
        std::copy_n(blocks_, kModeCount, job.blocks);
        job.header_codes = &headers;
        job.token_codes = &codes;
        job.token_places = token_code_places();
        job.left_offsets = token_left_offsets();
        job.classes = c_.classes.get() + tile.base;
        job.reversible = alone ? nullptr : options_.reversible.data();
        job.sets_modes = stage == 2 || alone ? 1 : 0;
        job.modes = c_.modes.get() + tile.base;
        t.density_.assign(t.cells_, 0);
        t.spans_.resize(t.spans_.size() + t.cells_, TokenSpan{nullptr, 0});
        job.density = t.density_.data();
        job.magnitudes = t.magnitudes_.data();
        job.tokens = t.end_;
        job.spans = t.spans_.data() + t.spans_.size() - t.cells_;
    }
    kernels().unpack_tiles(jobs, count);
    for (int k = 0; k < count; ++k) {
        if (jobs[k].status != kOk) refuse(jobs[k].status, stage, c_.tiles[first + k]);
        tokens[k].end_ = jobs[k].tokens;
    }
}

std::vector<int64_t> tile_groups(const Coefficients& c) {
    std::vector<int64_t> groups;
    const auto count = static_cast<int64_t>(c.tiles.size());
    for (int64_t i = 0; i < count; ++i)
        if (i == 0 || c.tiles[i].substream / kGroupSubstreams != c.tiles[i - 1].substream / kGroupSubstreams) groups.push_back(i);
    groups.push_back(count);
    return groups;
}

uint64_t bytes_read(const Coefficients& c, const std::vector<int64_t>& groups, const StagePayload& payload) {
    uint64_t bytes = payload.head_bytes;
    for (size_t g = 0; g + 1 < groups.size(); ++g) bytes += payload.group_bytes(c.tiles[groups[g]].substream / kGroupSubstreams);
    return bytes;
}

uint64_t stage_extent(const Coefficients& c, int stage, const uint8_t* payload, uint64_t size) {
    return bytes_read(c, tile_groups(c), read_payload(payload, size, c.geometry.substreams(), stage, stage_families(stage), true));
}

uint64_t unpack_stage(Coefficients& c, int stage, const uint8_t* bytes, uint64_t size, const UnpackOptions& options) {
    const StagePayload payload = read_payload(bytes, size, c.geometry.substreams(), stage, stage_families(stage), options.check_crc);
    const std::vector<int64_t> groups = tile_groups(c);
    const TileUnpacker unpacker(c, options);
    if (stage > 1 && !c.ac) c.allocate_ac();
    parallel_for(static_cast<int64_t>(groups.size()) - 1, options.threads, [&](int64_t g, int) {
        payload.check_group(c.tiles[groups[g]].substream / kGroupSubstreams);
        TileTokens tokens[2] = {TileTokens(c), TileTokens(c)};
        for (int64_t i = groups[g]; i < groups[g + 1]; i += 2) {
            const int count = static_cast<int>(std::min<int64_t>(2, groups[g + 1] - i));
            for (int k = 0; k < count; ++k) tokens[k].start(c.tiles[i + k].order->cells());
            unpacker.unpack(payload, i, count, tokens);
            for (int k = 0; stage > 1 && k < count; ++k)
                spread_tokens(c, c.tiles[i + k], tokens[k].spans(), stage == 2 || options.reversible.empty());
        }
    });
    return bytes_read(c, groups, payload);
}

}  // namespace mmip
