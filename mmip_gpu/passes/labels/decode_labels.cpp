// See labels.h: reading.
#include <limits>
#include <vector>

#include "passes/coding/payload.h"
#include "passes/labels/labels.h"
#include "passes/layout.h"
#include "passes/parallel.h"
#include "passes/tokens/unpack.h"
#include "rules/coding/bitstream.h"
#include "rules/labels/label_row.h"

namespace mmip {
namespace {

[[noreturn]] void refuse_values(int status, const char* why) { throw DataError(status, std::string("values of the labels: ") + why); }

// The values, ascending; `most` is how many there can be. Differences are those of two's complement.
std::vector<uint64_t> read_values(const ParameterPayload& p, const LabelLimits& limits, uint64_t most) {
    BitReader bits(p.parameters, p.parameter_bytes);
    const uint64_t count = bits.take(32), range = limits.maximum - limits.minimum;
    if (count == 0 || count > most || count - 1 > range) refuse_values(kStatusValue, "more or fewer than there can be");
    if (8 * uint64_t{p.parameter_bytes} < 32 + (count - 1 + kLabelBlock - 1) / kLabelBlock * kLabelWidthBits) refuse_values(kStatusTruncated, "they end early");
    std::vector<uint64_t> values(1, limits.minimum);
    values.reserve(count);
    for (int width = 0; values.size() < count;) {
        bits.refill();
        if (values.size() % kLabelBlock == 1) width = static_cast<int>(bits.take(kLabelWidthBits));
        if (width > 64) refuse_values(kStatusValue, "a width above 64 bits");
        const uint64_t high = width > 32 ? bits.take(width - 32) : 0;
        bits.refill();
        const uint64_t gap = high << 32 | bits.take(std::min(width, 32));
        if (gap >= limits.maximum - values.back()) refuse_values(kStatusValue, "above the maximum");
        values.push_back(values.back() + gap + 1);
    }
    if (bits.overrun()) refuse_values(kStatusTruncated, "they end early");
    if (!bits.padding_is_zero() || (bits.position + 7) / 8 != p.parameter_bytes) refuse_values(kStatusTrailing, "bits after the last of them");
    if (values.back() != limits.maximum) refuse_values(kStatusValue, "the last is not the maximum");
    return values;
}

// Runs of the rows of two slices: the one that is read, and the one before it.
class SliceRuns {
public:
    // Room for a row of so many runs at the end of the slice.
    LabelRun* room(int width) {
        const size_t used = static_cast<size_t>(starts_[now_].back());
        if (runs_[now_].size() < used + width) runs_[now_].resize(std::max(2 * runs_[now_].size(), used + width));
        return runs_[now_].data() + used;
    }
    void end_row(int count) { starts_[now_].push_back(starts_[now_].back() + count); }
    void next_slice() {
        now_ = 1 - now_;
        starts_[now_].assign(1, 0);
    }
    LabelRow row(int y) const { return at(now_, y); }
    LabelRow row_before(int y) const { return at(1 - now_, y); }

private:
    LabelRow at(int slice, int y) const {
        if (y < 0 || y + 1 >= static_cast<int>(starts_[slice].size())) return {nullptr, 0};
        return {runs_[slice].data() + starts_[slice][y], static_cast<int>(starts_[slice][y + 1] - starts_[slice][y])};
    }

    std::vector<LabelRun> runs_[2];
    std::vector<int64_t> starts_[2] = {{0}, {0}};
    int now_ = 0;
};

// Samples of a scaled box.
template <class T>
struct ScaledOut {
    T* samples;
    std::array<int64_t, 6> window;                           // first and last place on z, y, x
    int64_t first_plane;
    int scale;

    // nullptr for rows that the scale leaves out
    T* row(int64_t plane, int64_t z, int64_t y) const {
        if (z % scale != 0 || y % scale != 0) return nullptr;
        const int64_t height = window[3] - window[2], length = window[5] - window[4], depth = window[1] - window[0];
        return samples + (((plane - first_plane) * depth + z / scale - window[0]) * height + y / scale - window[2]) * length;
    }

    void fill(T* row, int64_t from, int64_t to, T value) const {
        std::fill(row + (from + scale - 1) / scale - window[4], row + (to + scale - 1) / scale - window[4], value);
    }
};

// Where the rows of a tile go.
class RowSink {
public:
    virtual ~RowSink() = default;
    virtual void write(const LabelRun* row, int count, const LabelNames& names, const LabelTile& tile, int z, int y) = 0;
};

template <class T>
class RowWriter final : public RowSink {
public:
    RowWriter(const std::vector<uint64_t>& values, const ScaledOut<T>& out) : values_(values), out_(out) {}

    void write(const LabelRun* row, int count, const LabelNames& names, const LabelTile& tile, int z, int y) override {
        while (shown_.size() < names.count) shown_.push_back(static_cast<T>(values_[names.ranks[shown_.size()]]));
        T* to = out_.row(tile.plane, tile.start[0] + z, tile.start[1] + y);
        if (to == nullptr) return;
        const int64_t first = tile.start[2];
        for (int i = 0; i < count; ++i) {
            const int end = i + 1 < count ? row[i + 1].x : tile.size[2];
            out_.fill(to, first + row[i].x, first + end, shown_[row[i].label]);
        }
    }

private:
    const std::vector<uint64_t>& values_;
    const ScaledOut<T>& out_;
    std::vector<T> shown_;                                   // values of the labels of the tile
};

// Rows out of a sub-stream; `values`: how many the chunk has.
Status read_tile(const uint8_t* data, uint32_t size, const LabelTile& tile, uint32_t values, RowSink& sink) {
    using Coder = RangeDecoder<LabelModel>;
    std::vector<uint32_t> ranks(static_cast<size_t>(std::min<int64_t>(values, tile.samples())) + 1, 0);
    LabelModel model;
    model.reset();
    Coder coder(data, size, model);
    if (coder.code == coder.range) return kStatusSymbol;
    LabelNames names(ranks.data(), values);
    SliceRuns runs;
    for (int z = 0; z < tile.size[0]; ++z) {
        if (z > 0) runs.next_slice();
        for (int y = 0; y < tile.size[1]; ++y) {
            LabelRun* row = runs.room(tile.size[2]);         // before any row is pointed at
            const LabelRow before = runs.row_before(y), above = y == 0 ? before : runs.row(y - 1);
            LabelRowWalk<Coder, NoRow> walk{above, before, tile.size[2], NoRow{}, names, coder, row};
            if (const Status status = walk.walk(); status != kOk) return status;
            sink.write(row, walk.count, names, tile, z, y);
            runs.end_row(walk.count);
        }
    }
    return size > coder.used ? kStatusTrailing : kOk;
}

template <class T>
void decode(const ParameterPayload& p, const LabelGrid& grid, const std::vector<uint64_t>& values, const LabelBox& box, int scale, T* samples, int threads) {
    const ScaledOut<T> out{samples, label_window(grid, box, scale), box[0], scale};
    std::vector<int64_t> wanted;
    for (int64_t plane = box[0]; plane < box[1]; ++plane)
        for (int64_t z = box[2]; z < box[3]; ++z)
            for (int64_t y = box[4]; y < box[5]; ++y)
                for (int64_t x = box[6]; x < box[7]; ++x) wanted.push_back(grid.substream(plane, z, y, x));
    std::vector<int64_t> firsts;                             // of the sub-streams of a group among those that are wanted
    for (size_t i = 0; i < wanted.size(); ++i)
        if (i == 0 || wanted[i] / kGroupSubstreams != wanted[i - 1] / kGroupSubstreams) firsts.push_back(static_cast<int64_t>(i));
    firsts.push_back(static_cast<int64_t>(wanted.size()));
    parallel_for(static_cast<int64_t>(firsts.size()) - 1, threads, [&](int64_t g, int) { p.check_group(wanted[firsts[g]] / kGroupSubstreams); });
    parallel_for(static_cast<int64_t>(wanted.size()), threads, [&](int64_t i, int) {
        const int64_t number = wanted[i];
        RowWriter<T> rows(values, out);
        const Status status = read_tile(p.substream(number), static_cast<uint32_t>(p.substream_bytes(number)), grid.tile(number), static_cast<uint32_t>(values.size()), rows);
        if (status != kOk) throw DataError(status, "labels, sub-stream " + std::to_string(number) + " " + status_text(status));
    });
}

}  // namespace

std::array<int64_t, 6> label_window(const LabelGrid& grid, const LabelBox& box, int scale) {
    std::array<int64_t, 6> window{};
    for (int axis = 0; axis < 3; ++axis) {
        const int64_t from = box[2 + 2 * axis] << grid.tile_log2[axis];
        const int64_t to = std::min(grid.shape[axis], box[3 + 2 * axis] << grid.tile_log2[axis]);
        window[2 * axis] = (from + scale - 1) / scale;
        window[2 * axis + 1] = (to + scale - 1) / scale;
    }
    return window;
}

void decode_labels(const uint8_t* payload, uint64_t size, LabelType type, const LabelGrid& grid, const LabelLimits& limits, const LabelBox& box,
                   int scale, bool check_crc, void* out, int threads) {
    const ParameterPayload p = read_parameter_payload(payload, size, size, grid.substreams(), check_crc);
    const uint64_t samples = static_cast<uint64_t>(grid.planes) * grid.shape[0] * grid.shape[1] * grid.shape[2];
    const std::vector<uint64_t> values = read_values(p, limits, samples);
    with_label_type({type.bytes, false}, [&](auto zero) { decode(p, grid, values, box, scale, static_cast<decltype(zero)*>(out), threads); });
}

}  // namespace mmip
