// See mixed.h.
#include "passes/predictive/mixed.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "passes/coding/payload.h"
#include "passes/parallel.h"
#include "passes/predictive/mixed_tile.h"
#include "passes/predictive/parameters.h"
#include "passes/predictive/source_bricks.h"
#include "passes/predictive/store_samples.h"
#include "rules/coding/range_coder.h"

namespace mmip {
namespace {

constexpr int kTileLog2[2][3] = {{0, 8, 8}, {4, 7, 7}};   // of slices, of volumes
constexpr int kProbes = 2, kProbeRows = 64;               // of tiles that choose the form of a colour

struct ByteSink {
    std::vector<uint8_t> bytes;
    void byte(uint8_t b) { bytes.push_back(b); }
};
using Writer = RangeEncoder<ByteSink, StatedProbability>;
using Reader = RangeDecoder<StatedProbability>;

struct Workspace {
    BrickMemory brick;
    MixedMemory mixed;

    explicit Workspace(const PredictiveForm& form) : brick(form.layout, form.components) {}
};

MixedTile tile_of(const PredictiveForm& form, BrickMemory& m, int component) {
    MixedTile tile{{}, m.strides, component_bits(form.colour_form, form.bits, component), m.of(component), {}};
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

// Bytes of a component of the brick in memory; at least one.
std::vector<uint8_t> written(const PredictiveForm& form, Workspace& w, int component) {
    ByteSink sink;
    StatedProbability model{};
    Writer writer(sink, model);
    const MixedTile tile = tile_of(form, w.brick, component);
    code_component<false>(writer, tile, w.mixed, component);
    writer.finish();
    while (sink.bytes.size() > 1 && sink.bytes.back() == 0) sink.bytes.pop_back();
    return std::move(sink.bytes);
}

// The form whose components take the fewest bytes, in the first rows of some tiles.
int best_colour(const PredictiveForm& form, const SourceBricks& source, int64_t tiles, int threads) {
    const int64_t probes = std::min<int64_t>(tiles, kProbes), of_plane = form.layout.bricks_of_plane();
    std::vector<size_t> bytes(static_cast<size_t>(kColourForms * probes), 0);
    parallel_for(kColourForms * probes, threads, [&](int64_t i, int) {
        PredictiveForm tried = form;
        tried.colour_form = static_cast<int>(i / probes);
        const int64_t tile = (2 * (i % probes) + 1) * tiles / (2 * probes);
        Workspace w(form);
        source.load(tile / of_plane, tile % of_plane, tried.colour_form, w.brick);
        w.brick.brick.extent[0] = 1;
        w.brick.brick.extent[1] = std::min(w.brick.brick.extent[1], kProbeRows);
        for (int c = 0; c < form.components; ++c) bytes[i] += written(tried, w, c).size();
    });
    std::vector<size_t> sums(kColourForms, 0);
    for (size_t i = 0; i < bytes.size(); ++i) sums[i / probes] += bytes[i];
    return static_cast<int>(std::min_element(sums.begin(), sums.end()) - sums.begin());
}

struct TileOfGroup {
    int64_t group, tile;                                  // group: of the planes of one tile
};

std::vector<TileOfGroup> tiles_of(const PredictiveForm& form, const BrickBox& box) {
    const BrickLayout& layout = form.layout;
    std::vector<TileOfGroup> found;
    for (int64_t group = box.planes[0] / form.components; group < box.planes[1] / form.components; ++group)
        for (int64_t z = box.low[0]; z < box.high[0]; ++z)
            for (int64_t y = box.low[1]; y < box.high[1]; ++y)
                for (int64_t x = box.low[2]; x < box.high[2]; ++x) found.push_back({group, (z * layout.bricks(1) + y) * layout.bricks(2) + x});
    return found;
}

int64_t substream_of(const PredictiveForm& form, const TileOfGroup& t, int component) {
    return (t.group * form.components + component) * form.layout.bricks_of_plane() + t.tile;
}

void check_groups(const PredictiveForm& form, const ParameterPayload& payload, const std::vector<TileOfGroup>& tiles, int threads) {
    std::vector<int64_t> needed;
    for (const TileOfGroup& t : tiles)
        for (int c = 0; c < form.components; ++c) needed.push_back(substream_of(form, t, c) / kGroupSubstreams);
    std::sort(needed.begin(), needed.end());
    needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
    parallel_for(static_cast<int64_t>(needed.size()), threads, [&](int64_t i, int) { payload.check_group(needed[i]); });
}

void read_component(const PredictiveForm& form, const uint8_t* bytes, uint64_t count, BrickMemory& m, MixedMemory& memory, int component) {
    if (count > UINT32_MAX) throw DataError(kStatusTrailing, "a sub-stream has more bytes than its samples take");
    StatedProbability model{};
    Reader reader(bytes, static_cast<uint32_t>(count), model);
    const Status status = code_component<true>(reader, tile_of(form, m, component), memory, component);
    if (status != kOk) throw DataError(status, "a sample is not within the bits of its component");
    if (reader.used < count) throw DataError(kStatusTrailing, "a sub-stream has more bytes than its samples take");
}

void restore_channels(const PredictiveForm& form, BrickMemory& m) {
    for (int z = 0; z < m.brick.extent[0]; ++z)
        for (int y = 0; y < m.brick.extent[1]; ++y) {
            const int64_t row = z * m.strides.slice + y * m.strides.row;
            for (int x = 0; x < m.brick.extent[2]; ++x) to_channels(form.colour_form, form.bits, m.of(0)[row + x], m.of(1)[row + x], m.of(2)[row + x]);
        }
}

}  // namespace

PredictiveChunk encode_mixed(const Samples& samples, int64_t planes, const int64_t* shape, bool colour, int near, int threads) {
    PredictiveChunk chunk;
    PredictiveForm& form = chunk.form;
    form.layout.planes = planes;
    std::copy_n(shape, 3, form.layout.shape);
    form.components = colour ? kMaxComponents : 1;
    form.near = near;
    for (int a = 0; a < 3; ++a) {
        int& log2 = form.layout.brick_log2[a];
        while (log2 < kTileLog2[shape[0] > 1][a] && int64_t{1} << log2 < shape[a]) ++log2;
        form.layout.tile_log2[a] = log2;
    }
    const SourceBricks source(form, samples, true, threads);
    const int64_t of_plane = form.layout.bricks_of_plane(), tiles = planes / form.components * of_plane;
    if (colour) form.colour_form = best_colour(form, source, tiles, threads);
    std::vector<std::vector<uint8_t>> streams(static_cast<size_t>(form.layout.substreams()));
    std::vector<std::unique_ptr<Workspace>> workspaces(static_cast<size_t>(std::max(threads, 1)));
    parallel_for(tiles, threads, [&](int64_t i, int worker) {
        if (!workspaces[worker]) workspaces[worker] = std::make_unique<Workspace>(form);
        Workspace& w = *workspaces[worker];
        const TileOfGroup t{i / of_plane, i % of_plane};
        source.load(t.group, t.tile, form.colour_form, w.brick);
        for (int c = 0; c < form.components; ++c) streams[static_cast<size_t>(substream_of(form, t, c))] = written(form, w, c);
    });
    chunk.payload = assemble_parameter_payload(write_value_map(source.values()), streams, threads);
    return chunk;
}

void decode_mixed(const PredictiveForm& form, const uint8_t* payload, uint64_t size, const BrickBox& box, const DecodeOptions& options, const Samples& out) {
    const ParameterPayload read = read_parameter_payload(payload, size, size, form.layout.substreams(), options.check_crc);
    const std::vector<int32_t> values = read_value_map(read.parameters, read.parameter_bytes, {form.layout, form.components, form.bits, form.offset});
    const SampleStore store(form, box, values, options.minimum, options.maximum, out);
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
        for (int c = 0; c < form.components; ++c) {
            const int64_t substream = substream_of(form, t, c);
            read_component(form, read.substream(substream), read.substream_bytes(substream), m, w.mixed, c);
        }
        if (form.components == kMaxComponents) restore_channels(form, m);
        for (int c = 0; c < form.components; ++c) store.put(t.group * form.components + c, m.brick, m.of(c), 1, m.strides);
    });
}

}  // namespace mmip
