// See labels.h: writing.
#include <vector>

#include "passes/coding/payload.h"
#include "passes/labels/label_runs.h"
#include "passes/labels/labels.h"
#include "passes/parallel.h"
#include "rules/coding/bitstream.h"

namespace mmip {
namespace {

constexpr int kFarthest = 60;                                // samples that a run may be moved, as encoders choose

struct ByteSink {
    std::vector<uint8_t> bytes;
    void byte(uint8_t value) { bytes.push_back(value); }
};

int far(int64_t d) { return static_cast<int>(d < 0 ? -d : d); }

// A row that is known, and how its runs are matched with those above.
struct KnownRow {
    const LabelRun* runs;
    int count, width;

    uint32_t label(int i) const { return i < count ? runs[i].label : 0; }
    int x(int i) const { return i < count ? runs[i].x : width; }

    // A run with the label of the one above goes on from it, unless a neighbour of either fits better.
    LabelMove move(const LabelRow& above, int k, int i) const {
        const LabelRun& up = above.runs[k];
        const int at = x(i), d = at - up.x;
        bool fits = i < count && label(i) == up.label && far(d) <= kFarthest;
        if (fits && d > 0 && k + 1 < above.count) fits = far(above.runs[k + 1].x - at) >= d || above.runs[k + 1].label != up.label;
        if (fits && d < 0 && i + 1 < count) fits = far(x(i + 1) - up.x) >= -d || label(i + 1) != up.label;
        if (fits) return {kStepGoesOn, d};
        return {i < count && at < up.x ? kStepBegun : kStepEnded, 0};
    }
};

// Bits of the list of values, but for the first, which the header has.
template <class T>
std::vector<uint8_t> value_list(const std::vector<T>& values) {
    std::vector<uint8_t> bytes(4 + values.size() * 8 + values.size() / kLabelBlock + 16);
    BitWriter out(bytes.data());
    out.put(values.size(), 32);
    for (size_t first = 1; first < values.size(); first += kLabelBlock) {
        const size_t end = std::min(values.size(), first + kLabelBlock);
        uint64_t any = 0;
        const auto gap = [&](size_t i) { return static_cast<uint64_t>(values[i]) - static_cast<uint64_t>(values[i - 1]) - 1; };
        for (size_t i = first; i < end; ++i) any |= gap(i);
        const int width = any == 0 ? 0 : 64 - __builtin_clzll(any);
        out.put(static_cast<uint64_t>(width), kLabelWidthBits);
        for (size_t i = first; i < end; ++i) {
            if (width > 32) out.put(gap(i) >> 32, width - 32);
            out.put(gap(i) & 0xFFFFFFFFu, std::min(width, 32));
        }
    }
    bytes.resize(static_cast<size_t>(out.finish() - bytes.data()));
    return bytes;
}

// Sub-stream of a tile; `ranks` of its labels. The runs are given their moves. No template: eight of it took longest to compile.
std::vector<uint8_t> tile_stream(LabelRuns& tile, const LabelTile& place, std::vector<uint32_t>& ranks, uint32_t values) {
    LabelModel model;
    model.reset();
    ByteSink sink;
    RangeEncoder<ByteSink, LabelModel> coder(sink, model);
    LabelNames names(ranks.data(), values);
    const auto row = [&](int64_t i) {
        return i < 0 ? LabelRow{nullptr, 0} : LabelRow{&tile.runs[tile.starts[i]], static_cast<int>(tile.starts[i + 1] - tile.starts[i])};
    };
    const int height = place.size[1];
    for (int64_t i = 0; i < place.rows(); ++i) {
        const LabelRow before = row(i - height), above = i % height == 0 ? before : row(i - 1);
        const KnownRow known{&tile.runs[tile.starts[i]], row(i).count, place.size[2]};
        LabelRowWalk<decltype(coder), KnownRow>{above, before, place.size[2], known, names, coder, &tile.runs[tile.starts[i]]}.walk();
    }
    coder.finish();
    while (sink.bytes.size() > 1 && sink.bytes.back() == 0) sink.bytes.pop_back();
    return sink.bytes;
}

// The values of all tiles, ascending.
template <class T>
std::vector<T> distinct(const std::vector<TileRuns<T>>& tiles) {
    std::vector<T> values;
    size_t most = size_t{1} << 20;                           // before those that are there twice are dropped
    const auto settle = [&] {
        std::sort(values.begin(), values.end());
        values.erase(std::unique(values.begin(), values.end()), values.end());
        most = std::max(most, 2 * values.size());
    };
    for (const TileRuns<T>& tile : tiles) {
        values.insert(values.end(), tile.values.begin(), tile.values.end());
        if (values.size() > most) settle();
    }
    settle();
    return values;
}

template <class T>
CodedLabels encode(const T* samples, const LabelGrid& grid, int threads) {
    const int64_t count = grid.substreams();
    std::vector<TileRuns<T>> tiles(count);
    parallel_for(count, threads, [&](int64_t i, int) {
        const LabelTile place = grid.tile(i);
        tiles[i].read(samples, grid, place);
        if (4 * static_cast<int64_t>(tiles[i].runs.size()) > place.samples()) tiles[i].forget_runs();   // read again later: they take much memory
    });
    const std::vector<T> values = distinct(tiles);
    std::vector<std::vector<uint8_t>> streams(count);
    parallel_for(count, threads, [&](int64_t i, int) {
        TileRuns<T>& tile = tiles[i];
        const LabelTile place = grid.tile(i);
        if (tile.runs.empty()) tile.read(samples, grid, place);
        std::vector<uint32_t> ranks;
        for (const T value : tile.values) ranks.push_back(static_cast<uint32_t>(std::lower_bound(values.begin(), values.end(), value) - values.begin()));
        ranks.push_back(0);
        streams[i] = tile_stream(tile, place, ranks, static_cast<uint32_t>(values.size()));
        tile.forget_runs();
    });
    const LabelLimits limits{static_cast<uint64_t>(values.front()), static_cast<uint64_t>(values.back())};
    return {assemble_parameter_payload(value_list(values), streams, threads), limits};
}

}  // namespace

CodedLabels encode_labels(const void* samples, LabelType type, const LabelGrid& grid, int threads) {
    return with_label_type(type, [&](auto zero) { return encode(static_cast<const decltype(zero)*>(samples), grid, threads); });
}

}  // namespace mmip
