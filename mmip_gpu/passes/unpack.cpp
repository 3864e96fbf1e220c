// See unpack.h.
#include "unpack.h"

#include <cstring>

#include "../rules/builtin_codes.h"
#include "../rules/dc.h"
#include "codebook.h"
#include "crc.h"
#include "parallel.h"

namespace mmip {
namespace {

uint32_t read_u32(const uint8_t* at) {
    return at[0] | at[1] << 8 | at[2] << 16 | static_cast<uint32_t>(at[3]) << 24;
}

}  // namespace

PayloadHead read_head(const uint8_t* payload, uint64_t size, int64_t substreams, const std::vector<CodeFamily>& families, bool check_crc) {
    if (size < 10) throw DataError(kStatusTruncated, "payload shorter than its smallest head");
    PayloadHead head;
    head.bytes = read_u32(payload);
    if (head.bytes < 10) throw DataError(kStatusSymbol, "payload head of fewer than 10 bytes");
    if (head.bytes > size) throw DataError(kStatusTruncated, "payload ends inside its head");
    if (static_cast<uint64_t>(substreams) > size) throw DataError(kStatusTruncated, "fewer payload bytes than sub-streams");
    if (check_crc && crc32(payload, head.bytes - 4) != read_u32(payload + head.bytes - 4))
        throw DataError(kStatusSymbol, "crc of the payload head differs");
    BitReader bits(payload + 4, head.bytes - 4);
    for (const CodeFamily& f : families) head.tables.push_back(read_codes(f, bits));
    if (bits.overrun()) throw DataError(kStatusTruncated, "payload head ends inside its codes");
    if (!bits.padding_is_zero()) throw DataError(kStatusTrailing, "padding after the codes is not zero");
    const uint64_t at = 4 + (bits.position + 7) / 8;
    const uint64_t groups = (static_cast<uint64_t>(substreams) + kGroupSubstreams - 1) / kGroupSubstreams;
    if (at >= head.bytes) throw DataError(kStatusTruncated, "payload head without an index");
    const int index_bits = payload[at];
    if (index_bits > 32) throw DataError(kStatusSymbol, "index_bits above 32");
    const uint64_t index_bytes = (static_cast<uint64_t>(substreams) * index_bits + 7) / 8;
    if (at + 1 + index_bytes + 4 * groups + 4 != head.bytes) throw DataError(kStatusSymbol, "sizes in the payload head do not add up");
    BitReader index(payload + at + 1, index_bytes);
    head.offsets.reserve(substreams + 1);
    uint64_t offset = head.bytes;
    for (int64_t i = 0; i < substreams; ++i) {
        head.offsets.push_back(offset);
        index.refill();
        offset += uint64_t{1} + index.take(index_bits);
    }
    head.offsets.push_back(offset);
    if (!index.padding_is_zero()) throw DataError(kStatusTrailing, "padding after the index is not zero");
    if (offset > size) throw DataError(kStatusTruncated, "payload ends before its last sub-stream");
    if (offset < size) throw DataError(kStatusTrailing, "bytes after the last sub-stream");
    head.group_crcs = payload + at + 1 + index_bytes;
    return head;
}

namespace {

// Decodes the sub-stream of one tile; all functions return a Status.
class TileReader {
public:
    TileReader(Coefficients& c, const Tile& tile, int stage, const PayloadHead& head, const UnpackOptions& options, const uint8_t* payload)
        : c_(c), tile_(tile), order_(*tile.order), stage_(stage), tables_(head.tables), options_(options),
          bits_(payload + head.offsets[tile.substream], head.offsets[tile.substream + 1] - head.offsets[tile.substream]) {}

    Status run() {
        const Status status = stage_ == 1 ? read_dc() : read_ac();
        return status != kOk ? (bits_.overrun() ? kStatusTruncated : status) : bits_.finish();
    }

private:
    static constexpr int kMaxBlock = 4088;

    int symbol(int family, int c) {
        const DecodingTables& t = tables_[family];
        return decode_symbol(bits_, t.tables[c], t.alphabet, t.escape_bits);
    }

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
        if (options_.steps.size() > 1) {
            const Status status = read_classes(classes);
            if (status != kOk) return status;
        }
        const size_t component = static_cast<size_t>(tile_.plane) % options_.steps[0].size();
        std::vector<int64_t> values(cells);
        std::vector<uint32_t> errors(cells);
        int i = 0;
        for (int z = 0; z < order_.az; ++z)
            for (int y = 0; y < order_.ay; ++y)
                for (int x = 0; x < order_.ax; ++x, ++i) {
                    const int64_t step = options_.steps[classes[i]][component];
                    const CellPlace at{z, y, x, order_.ay, order_.ax};
                    bits_.refill();
                    const int size = symbol(0, dc_residual_context(&errors[i], at));
                    if (size < 0) return kStatusSymbol;
                    bits_.refill();
                    int64_t residual = 0;
                    if (size > 0) {
                        const bool negative = bits_.take(1) != 0;
                        residual = (int64_t{1} << (size - 1)) | bits_.take(size - 1);
                        errors[i] = static_cast<uint32_t>(residual);
                        if (negative) residual = -residual;
                    }
                    const int64_t q = dc_prediction(&values[i], at, step) + residual;
                    if (q <= -kMaxIndex || q >= kMaxIndex) return kStatusValue;
                    dc[i] = static_cast<int32_t>(q);
                    values[i] = q * step;
                }
        return kOk;
    }

    Status read_ac() {
        const int cells = order_.cells(), per_cell = c_.per_cell();
        uint8_t* modes = c_.modes.get() + tile_.base;
        int32_t* ac = c_.ac.get() + tile_.base * per_cell;
        const bool alone = options_.reversible.empty();
        if (stage_ == 2 || alone) std::memset(ac, 0, sizeof(int32_t) * static_cast<size_t>(cells) * per_cell);
        density_.assign(cells, 0);
        magnitudes_.assign(kMaxBlock + 1, 0);
        for (int i = 0; i < cells;) {
            bits_.refill();
            const int header = symbol(0, header_class(context(i)));
            if (header < 0) return kStatusSymbol;
            const int mode = header >> 5, n_symbol = header & 31;
            const BlockTable* table = block_table(mode, c_.geometry.depth);
            if (table == nullptr || !order_.fits(i, block_shape(mode, c_.geometry.depth))) return kStatusMode;
            bits_.refill();
            const uint32_t n = count_base(n_symbol) + bits_.take(count_extra_bits(n_symbol));
            const int low = table->cells * c_.cuts[stage_ - 2], high = table->cells * c_.cuts[stage_ - 1];
            if (n > static_cast<uint32_t>(high - low)) return kStatusPosition;
            const Status status = stage_ == 2 || alone ? set_mode(modes, i, mode, n, *table) : check_mode(modes, i, mode, n, *table);
            if (status != kOk) return status;
            const uint32_t d = density(n, table->cells);
            for (int k = 0; k < table->cells; ++k) density_[order_.raster[i + k]] = d;
            if (n > 0) {
                const Status tokens = read_tokens(*table, static_cast<int>(n), low, high, ac + static_cast<int64_t>(i) * per_cell);
                if (tokens != kOk) return tokens;
            }
            i += table->cells;
        }
        return kOk;
    }

    int context(int i) const {
        const int at = order_.raster[i];
        uint32_t sum = 0;
        int neighbours = 0;
        if (order_.x[i] > 0) sum += density_[at - 1], ++neighbours;
        if (order_.y[i] > 0) sum += density_[at - order_.ax], ++neighbours;
        if (order_.z[i] > 0) sum += density_[at - order_.ay * order_.ax], ++neighbours;
        return header_context(sum, neighbours);
    }

    Status set_mode(uint8_t* modes, int i, int mode, uint32_t n, const BlockTable& table) {
        if (stage_ > 2 && n == 0) {
            if (table.cells == 1 && mode != kMode8) return kStatusMode;
            mode = kMode8;
        }
        std::memset(modes + i, mode, table.cells);
        if (options_.reversible.empty()) return kOk;
        const uint8_t* classes = c_.classes.get() + tile_.base;
        const int first = classes[order_.raster[i]];
        for (int k = 0; k < table.cells; ++k)
            if (classes[order_.raster[i + k]] != first) return kStatusDisagree;
        return options_.reversible[first] != 0 && mode != kMode8 ? kStatusDisagree : kOk;
    }

    Status check_mode(const uint8_t* modes, int i, int mode, uint32_t n, const BlockTable& table) const {
        if (n == 0) return table.cells == 1 && mode != kMode8 ? kStatusMode : kOk;
        for (int k = 0; k < table.cells; ++k)
            if (modes[i + k] != mode) return kStatusDisagree;
        return kOk;
    }

    Status read_tokens(const BlockTable& table, int n, int low, int high, int32_t* q) {
        int p = low;
        const DecodingTables& t = tables_[1];
        found_.clear();
        Status status = kOk;
        for (int left = n; left > 0; --left) {
            if (p >= high) {
                status = kStatusPosition;
                break;
            }
            const uint16_t* near = &table.neighbours[static_cast<size_t>(p) * 6];
            const uint32_t v = neighbour_sum(magnitudes_.data(), near);
            bits_.ensure(kCodeLimit + kTokenEscapeBits + 26);
            const int token = decode_symbol(bits_, t.tables[kTokenClass[token_context(left, table.position_class[p], v)]], t.alphabet, t.escape_bits);
            const int size = token & 15;
            if (token < 0 || size == 0) {
                status = kStatusSymbol;
                break;
            }
            const int run_symbol = token >> 4;
            p += static_cast<int>(count_base(run_symbol) + bits_.take(count_extra_bits(run_symbol)));
            if (p >= high) {
                status = kStatusPosition;
                break;
            }
            const bool negative = bits_.take(1) != 0;
            uint32_t m;
            if (size < kEscapeSize) {
                m = (1u << (size - 1)) | bits_.take(size - 1);
            } else {
                uint32_t above = 0;
                if (!bits_.take_gamma(above) || above > static_cast<uint32_t>(kMaxIndex - (1 << (kEscapeSize - 1)))) {
                    status = kStatusValue;
                    break;
                }
                m = above - 1 + (1u << (kEscapeSize - 1));
            }
            q[p] = negative ? -static_cast<int32_t>(m) : static_cast<int32_t>(m);
            magnitudes_[p] = m;
            found_.push_back(p);
            ++p;
        }
        for (const int at : found_) magnitudes_[at] = 0;
        return status;
    }

    Coefficients& c_;
    const Tile& tile_;
    const TileOrder& order_;
    int stage_;
    const std::vector<DecodingTables>& tables_;
    const UnpackOptions& options_;
    BitReader bits_;
    std::vector<uint32_t> density_;
    std::vector<uint32_t> magnitudes_;
    std::vector<int> found_;
};

}  // namespace

const char* status_text(Status status) {
    switch (status) {
        case kStatusTruncated: return "ends before its last symbol";
        case kStatusTrailing: return "has bits left over";
        case kStatusSymbol: return "holds a symbol outside its alphabet";
        case kStatusMode: return "holds a block mode that is reserved or does not fit there";
        case kStatusPosition: return "holds a position past the end of its stage";
        case kStatusValue: return "holds an index that is too large";
        case kStatusClass: return "holds an impossible class map";
        case kStatusDisagree: return "disagrees with an earlier stage or with the classes of its cells";
        default: return "is fine";
    }
}

uint64_t touched_bytes(const Coefficients& c, const PayloadHead& head, const uint8_t* payload, bool check_crc, const std::string& what) {
    const int64_t substreams = c.geometry.substreams();
    std::vector<uint8_t> touched((substreams + kGroupSubstreams - 1) / kGroupSubstreams, 0);
    for (const Tile& tile : c.tiles) touched[tile.substream / kGroupSubstreams] = 1;
    uint64_t bytes = head.bytes;
    for (size_t g = 0; g < touched.size(); ++g) {
        if (touched[g] == 0) continue;
        const uint64_t from = head.offsets[g * kGroupSubstreams];
        const uint64_t to = head.offsets[std::min<uint64_t>((g + 1) * kGroupSubstreams, substreams)];
        bytes += to - from;
        if (check_crc && crc32(payload + from, to - from) != read_u32(head.group_crcs + 4 * g))
            throw DataError(kStatusSymbol, what + ", group " + std::to_string(g) + ": crc differs");
    }
    return bytes;
}

uint64_t stage_extent(const Coefficients& c, int stage, const uint8_t* payload, uint64_t size) {
    return touched_bytes(c, read_head(payload, size, c.geometry.substreams(), stage_families(stage), true), payload, false, "");
}

uint64_t unpack_stage(Coefficients& c, int stage, const uint8_t* payload, uint64_t size, const UnpackOptions& options) {
    const PayloadHead head = read_head(payload, size, c.geometry.substreams(), stage_families(stage), options.check_crc);
    const uint64_t bytes = touched_bytes(c, head, payload, options.check_crc, "stage " + std::to_string(stage));
    if (stage > 1 && !c.ac) c.allocate_ac();
    parallel_for(static_cast<int64_t>(c.tiles.size()), options.threads, [&](int64_t i, int) {
        const Status status = TileReader(c, c.tiles[i], stage, head, options, payload).run();
        if (status != kOk)
            throw DataError(status, "stage " + std::to_string(stage) + ", sub-stream " + std::to_string(c.tiles[i].substream) + " " + status_text(status));
    });
    return bytes;
}

}  // namespace mmip
