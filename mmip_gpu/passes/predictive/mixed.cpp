// See mixed.h.
#include "passes/predictive/mixed.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "passes/coding/payload.h"
#include "passes/parallel.h"
#include "passes/predictive/mixed_tile.h"
#include "passes/predictive/mixed_values.h"
#include "passes/predictive/store_samples.h"
#include "rules/coding/range_coder.h"

namespace mmip {
namespace {

constexpr int kTileLog2[2][3] = {{0, 8, 8}, {4, 7, 7}};   // of slices, of volumes
struct Probes {
    int tiles, rows;                                      // that choose the form of a colour; rows from the middle of a tile
};
constexpr double kNearCost = 1.05;                         // of a form on few rows, over the least: it may still be the best
constexpr Probes kProbes[] = {{1, 64}, {3, 64}, {8, 256}};   // by effort

struct ByteSink {
    std::vector<uint8_t> bytes;
    void byte(uint8_t b) { bytes.push_back(b); }
};
using Writer = RangeEncoder<ByteSink, StatedProbability>;
using Reader = RangeDecoder<StatedProbability>;

struct Workspace {
    BrickMemory brick;
    MixedMemory mixed;

    explicit Workspace(const PredictiveForm& form) : brick(form.layout, form.channels) {}
};

MixedTile tile_of(const MixedValues& values, BrickMemory& m, int component) {
    MixedTile tile{{}, m.strides, values.bits(component), m.of(component), {}};
    std::copy_n(m.brick.extent, 3, tile.extent);
    for (int i = 0; i < component; ++i) tile.earlier[i] = m.of(i);
    return tile;
}

template <bool reads, int earlier, class Coder>
Status code_tile(Coder& coder, const MixedTile& tile, MixedMemory& memory) {
    if (tile.extent[0] > 1) return std::make_unique<MixedTileCoder<Coder, reads, earlier, true>>(coder, tile, memory)->code();
    return std::make_unique<MixedTileCoder<Coder, reads, earlier, false>>(coder, tile, memory)->code();
}

template <bool reads, class Coder>
Status code_component(Coder& coder, const MixedTile& tile, MixedMemory& memory, int component) {
    switch (component) {
        case 0: return code_tile<reads, 0>(coder, tile, memory);
        case 1: return code_tile<reads, 1>(coder, tile, memory);
        default: return code_tile<reads, 2>(coder, tile, memory);
    }
}

// Bytes of a component of the brick in memory, from sample `start` on; at least one.
std::vector<uint8_t> written(const MixedValues& values, Workspace& w, int component, int64_t start = 0) {
    ByteSink sink;
    StatedProbability model{};
    Writer writer(sink, model);
    MixedTile tile = tile_of(values, w.brick, component);
    tile.samples += start;
    for (int i = 0; i < component; ++i) tile.earlier[i] += start;
    code_component<false>(writer, tile, w.mixed, component);
    writer.finish();
    while (sink.bytes.size() > 1 && sink.bytes.back() == 0) sink.bytes.pop_back();
    return std::move(sink.bytes);
}

// What each of the values takes, in bytes: the first rows of some tiles, and their share of the parameters.
std::vector<double> costs_of(const std::vector<MixedValues>& tried, const PredictiveForm& form, const SourceBricks& source, int64_t tiles, const Probes& wanted, int threads) {
    const int64_t forms = static_cast<int64_t>(tried.size()), of_plane = form.layout.bricks_of_plane(), probes = std::min<int64_t>(tiles, wanted.tiles);
    std::vector<size_t> bytes(tried.size() * static_cast<size_t>(probes), 0);
    std::vector<int64_t> samples(static_cast<size_t>(probes), 0);
    parallel_for(forms * probes, threads, [&](int64_t i, int) {
        const MixedValues& values = tried[static_cast<size_t>(i / probes)];
        const int64_t tile = (2 * (i % probes) + 1) * tiles / (2 * probes);
        Workspace w(form);
        values.load(source, tile / of_plane, tile % of_plane, w.brick);
        int* extent = w.brick.brick.extent;
        const int rows = std::min(extent[1], wanted.rows);
        const int64_t start = ((extent[0] / 2) * static_cast<int64_t>(extent[1]) + (extent[1] - rows) / 2) * w.brick.strides.row;
        extent[0] = 1, extent[1] = rows;
        if (i < probes) samples[static_cast<size_t>(i)] = static_cast<int64_t>(rows) * extent[2];
        for (int c = 0; c < values.form().components(); ++c) bytes[static_cast<size_t>(i)] += written(values, w, c, start).size();
    });
    const int64_t* shape = form.layout.shape;
    const double share = static_cast<double>(std::accumulate(samples.begin(), samples.end(), int64_t{0})) /
                         static_cast<double>(form.layout.planes / form.channels * shape[0] * shape[1] * shape[2]);
    std::vector<double> costs;
    for (size_t k = 0; k < tried.size(); ++k) {
        const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(k * static_cast<size_t>(probes));
        costs.push_back(static_cast<double>(std::accumulate(first, first + probes, size_t{0})) + share * static_cast<double>(tried[k].write(source.palette()).size()));
    }
    return costs;
}

// The values whose components take the fewest bytes; those that take many on a quarter of the rows are not tried on all.
MixedValues best_values(const PredictiveForm& form, const SourceBricks& source, int64_t tiles, const Probes& wanted, int threads) {
    std::vector<MixedValues> tried;
    for (int i = 0; i < (form.channels > 1 ? kColourForms : 1); ++i) {
        if (i == kFormPalette && source.palette().empty()) continue;
        PredictiveForm other = form;
        other.colour_form = i;
        other.bits = source.bits(i);
        other.set_planes(form.layout.planes);
        tried.push_back(MixedValues::of(other, source, threads));
    }
    for (const int part : {4, 1}) {
        if (tried.size() == 1) break;
        const std::vector<double> costs = costs_of(tried, form, source, tiles, {wanted.tiles, wanted.rows / part}, threads);
        const double least = *std::min_element(costs.begin(), costs.end());
        std::vector<MixedValues> left;
        for (size_t k = 0; k < tried.size(); ++k)
            if (costs[k] <= least * (part > 1 ? kNearCost : 1)) left.push_back(std::move(tried[k]));
        tried = std::move(left);
    }
    return tried[0];
}

struct TileOfGroup {
    int64_t group, tile;                                  // group: of the planes of one tile
};

std::vector<TileOfGroup> tiles_of(const PredictiveForm& form, const BrickBox& box) {
    const BrickLayout& layout = form.layout;
    std::vector<TileOfGroup> found;
    for (int64_t group = box.planes[0] / form.channels; group < box.planes[1] / form.channels; ++group)
        for (int64_t z = box.low[0]; z < box.high[0]; ++z)
            for (int64_t y = box.low[1]; y < box.high[1]; ++y)
                for (int64_t x = box.low[2]; x < box.high[2]; ++x) found.push_back({group, (z * layout.bricks(1) + y) * layout.bricks(2) + x});
    return found;
}

int64_t substream_of(const PredictiveForm& form, const TileOfGroup& t, int component) {
    return (t.group * form.components() + component) * form.layout.bricks_of_plane() + t.tile;
}

void check_groups(const PredictiveForm& form, const ParameterPayload& payload, const std::vector<TileOfGroup>& tiles, int threads) {
    std::vector<int64_t> needed;
    for (const TileOfGroup& t : tiles)
        for (int c = 0; c < form.components(); ++c) needed.push_back(substream_of(form, t, c) / kGroupSubstreams);
    std::sort(needed.begin(), needed.end());
    needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
    parallel_for(static_cast<int64_t>(needed.size()), threads, [&](int64_t i, int) { payload.check_group(needed[i]); });
}

void read_component(const MixedValues& values, const uint8_t* bytes, uint64_t count, BrickMemory& m, MixedMemory& memory, int component) {
    if (count > UINT32_MAX) throw DataError(kStatusTrailing, "a sub-stream has more bytes than its samples take");
    StatedProbability model{};
    Reader reader(bytes, static_cast<uint32_t>(count), model);
    if (reader.code == UINT32_MAX) throw DataError(kStatusSymbol, "the first bytes of a sub-stream");
    const Status status = code_component<true>(reader, tile_of(values, m, component), memory, component);
    if (status != kOk) throw DataError(status, "a sample is not within the bits of its component");
    if (reader.used < count) throw DataError(kStatusTrailing, "a sub-stream has more bytes than its samples take");
}

}  // namespace

PredictiveChunk encode_mixed(const Samples& samples, int64_t planes, const int64_t* shape, bool colour, int near, const PredictiveOptions& options) {
    const int threads = options.threads;
    PredictiveChunk chunk;
    PredictiveForm& form = chunk.form;
    form.channels = colour ? kMaxComponents : 1;
    form.set_planes(planes);
    std::copy_n(shape, 3, form.layout.shape);
    form.near = near;
    for (int a = 0; a < 3; ++a) {
        int& log2 = form.layout.brick_log2[a];
        while (log2 < kTileLog2[shape[0] > 1][a] && int64_t{1} << log2 < shape[a]) ++log2;
        form.layout.tile_log2[a] = log2;
    }
    const SourceBricks source(form, samples, false, threads);
    const int64_t of_plane = form.layout.bricks_of_plane(), tiles = planes / form.channels * of_plane;
    const MixedValues values = best_values(form, source, tiles, kProbes[std::clamp(options.effort, 1, 3) - 1], threads);
    form = values.form();
    std::vector<std::vector<uint8_t>> streams(static_cast<size_t>(form.layout.substreams()));
    std::vector<std::unique_ptr<Workspace>> workspaces(static_cast<size_t>(std::max(threads, 1)));
    parallel_for(tiles, threads, [&](int64_t i, int worker) {
        if (!workspaces[worker]) workspaces[worker] = std::make_unique<Workspace>(form);
        Workspace& w = *workspaces[worker];
        const TileOfGroup t{i / of_plane, i % of_plane};
        values.load(source, t.group, t.tile, w.brick);
        for (int c = 0; c < form.components(); ++c) streams[static_cast<size_t>(substream_of(form, t, c))] = written(values, w, c);
    });
    chunk.payload = assemble_parameter_payload(values.write(source.palette()), streams, threads);
    return chunk;
}

void decode_mixed(const PredictiveForm& form, const uint8_t* payload, uint64_t size, const BrickBox& box, const DecodeOptions& options, const Samples& out) {
    const ParameterPayload read = read_parameter_payload(payload, size, size, form.layout.substreams(), options.check_crc);
    Parameters parameters;
    const MixedValues values = MixedValues::read(form, read.parameters, read.parameter_bytes, parameters.palette);
    const SampleStore store(form, box, parameters, options.minimum, options.maximum, out);
    const PredictiveKernels& lane = predictive_kernels(kMaxValueBits);
    const std::vector<TileOfGroup> tiles = tiles_of(form, box);
    check_groups(form, read, tiles, options.threads);
    std::vector<std::unique_ptr<Workspace>> workspaces(static_cast<size_t>(std::max(options.threads, 1)));
    parallel_for(static_cast<int64_t>(tiles.size()), options.threads, [&](int64_t i, int worker) {
        if (!workspaces[worker]) workspaces[worker] = std::make_unique<Workspace>(form);
        Workspace& w = *workspaces[worker];
        BrickMemory& m = w.brick;
        const TileOfGroup& t = tiles[static_cast<size_t>(i)];
        m.brick = form.layout.brick(t.tile);
        m.strides.row = m.brick.extent[2] + kRowRoom;
        m.strides.slice = m.strides.row * m.brick.extent[1];
        for (int c = 0; c < form.components(); ++c) {
            const int64_t substream = substream_of(form, t, c);
            read_component(values, read.substream(substream), read.substream_bytes(substream), m, w.mixed, c);
        }
        values.restore(m);
        const DecodedBrick placed{t.group, m.brick};
        for (int c = 0; c < form.channels; ++c) store.put(lane, c, &placed, 1, m.of(form.components() > 1 ? c : 0), m.strides);
    });
}

}  // namespace mmip
