// See decode.h. Bricks of one extent are decoded in step, as many as the kernels have lanes.
#include "passes/predictive/decode.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <tuple>
#include <vector>

#include "passes/coding/payload.h"
#include "passes/parallel.h"
#include "passes/predictive/lockstep.h"
#include "passes/predictive/parameters.h"
#include "passes/predictive/store_samples.h"
#include "rules/predictive/colour_forms.h"

namespace mmip {
namespace {

constexpr int kSideBySide = 2;               // tiles that are read at the same time
constexpr int kLaneBytes = 7232 + 64;        // of a sub-stream, and room to read past it; no multiple of 4096

struct AlignedFree {
    void operator()(int32_t* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
using LaneMemory = std::unique_ptr<int32_t[], AlignedFree>;

LaneMemory lane_memory(size_t numbers) { return LaneMemory(static_cast<int32_t*>(::operator new[](numbers * sizeof(int32_t), std::align_val_t{64}))); }

// What is one for all bricks.
struct Shared {
    const PredictiveForm& form;
    const PredictiveKernels& kernels;        // of the widest component
    ParameterPayload payload;
    Parameters parameters;
    std::vector<std::vector<uint32_t>> entries;   // per component
    SampleStore store;
};

struct BrickNumber {
    int64_t group, brick;                    // group: of the planes of one brick
};

// What a worker needs to decode bricks of up to one full extent.
struct Workspace {
    LaneMemory bricks[kSideBySide][kMaxComponents], magnitudes, twins;
    std::unique_ptr<uint8_t[]> bytes;
    LaneMemory weights;                      // of a component: first, later, bound_ne, bound_p

    Workspace(const PredictiveForm& form, int lanes, int groups) : bytes(new uint8_t[static_cast<size_t>(kSideBySide) * lanes * kLaneBytes]()) {
        size_t full[3], tile[3];
        for (int a = 0; a < 3; ++a) {
            full[a] = static_cast<size_t>(std::min(int64_t{1} << form.layout.brick_log2[a], form.layout.shape[a]));
            tile[a] = std::min(size_t{1} << form.layout.tile_log2[a], full[a]);
        }
        const size_t samples = full[0] * full[1] * (full[2] + 2) * lanes;
        for (int g = 0; g < groups; ++g)
            for (int i = 0; i < form.components(); ++i) bricks[g][i] = lane_memory(samples);
        magnitudes = lane_memory(kSideBySide * 2 * (tile[1] + 1) * (tile[2] + 2) * lanes);
        twins = lane_memory(kSideBySide * tile[0] * tile[1] * tile[2] * form.components() * lanes);
        weights = lane_memory(static_cast<size_t>(kNeighbours2d + kNeighbours3d + 2) * lanes);
    }
};

// Bricks in step, one a lane. All have the extent of the first.
class LaneGroup {
public:
    LaneGroup(const Shared& shared, Workspace& work, int number, const BrickNumber* numbers, int count)
        : s_(shared), w_(work), lanes_(shared.kernels.lanes), count_(count), numbers_(numbers), brick_(shared.form.layout.brick(numbers[0].brick)) {
        strides_.row = brick_.extent[2] + 2;
        strides_.slice = strides_.row * brick_.extent[1];
        for (int i = 0; i < s_.form.components(); ++i) samples_[i] = w_.bricks[number][i].get() + lanes_;
    }

    const int* extent() const { return brick_.extent; }

    // Once the residuals of slices [from, to) are read.
    void restore(int from, int to) {
        for (int i = 1; i < s_.form.components(); ++i) add_cross(i, from, to);
        for (int i = 0; i < s_.form.components(); ++i) restore(i, from, to);
    }

    void store() {
        if (s_.form.components() == kMaxComponents)
            s_.kernels.to_colour({{samples_[0], samples_[1], samples_[2]}, s_.form.colour_form, s_.form.bits, 0, brick_.extent[0], brick_.extent[1], brick_.extent[2], strides_});
        DecodedBrick bricks[kMaxLanes];
        for (int lane = 0; lane < count_; ++lane) bricks[lane] = {numbers_[lane].group, s_.form.layout.brick(numbers_[lane].brick)};
        for (int i = 0; i < s_.form.channels; ++i)
            s_.store.put(s_.kernels, i, bricks, count_, samples_[std::min(i, s_.form.components() - 1)], strides_);
    }

    // One tile of every lane, in place `slot` of what is read side by side.
    struct TileRead {
        int32_t first_bits[kMaxLanes], end_bits[kMaxLanes], runs[kMaxLanes];
        uint64_t bytes[kMaxLanes];
    };

    ReadTileJob begin(TileRead& read, int slot, int component, int tile, const int* first, const int* size) {
        for (int lane = 0; lane < lanes_; ++lane) {
            read.first_bits[lane] = 8 * place_of(slot, lane);
            if (lane >= count_) {
                read.first_bits[lane] = read.first_bits[0];
                continue;
            }
            const BrickNumber& number = numbers_[lane];
            const int64_t plane = number.group * s_.form.components() + component;
            const int64_t substream = s_.form.layout.first_substream(plane, s_.form.layout.brick(number.brick)) + tile;
            read.bytes[lane] = s_.payload.substream_bytes(substream);
            if (read.bytes[lane] > kReadPastEnd) throw DataError(kStatusTrailing, "a sub-stream has more bytes than its residuals take");
            std::memcpy(w_.bytes.get() + place_of(slot, lane), s_.payload.substream(substream), read.bytes[lane]);
        }
        const int64_t at = first[0] * strides_.slice + first[1] * strides_.row + first[2];
        return {w_.bytes.get(), read.first_bits, read.end_bits, read.runs, s_.entries[component].data(), {size[0], size[1], size[2]}, strides_,
                {component > 0 ? samples_[0] + at * lanes_ : nullptr, component > 1 ? samples_[1] + at * lanes_ : nullptr},
                s_.parameters.components[component].context, w_.magnitudes.get(), w_.twins.get(), samples_[component] + at * lanes_};
    }

    void end(const TileRead& read, int slot) const {
        for (int lane = 0; lane < count_; ++lane)
            check_end(w_.bytes.get() + place_of(slot, lane), read.bytes[lane], read.end_bits[lane] - read.first_bits[lane], read.runs[lane]);
    }

private:
    int bits(int component) const { return component_bits(s_.form.colour_form, s_.form.bits, component); }
    int place_of(int slot, int lane) const { return (slot * lanes_ + lane) * kLaneBytes; }   // of a sub-stream
    int lane_of(int lane) const { return lane < count_ ? lane : 0; }   // lanes without a brick repeat the first

    static void check_end(const uint8_t* substream, uint64_t bytes, int end_bit, int run) {
        if (run > 0) throw DataError(kStatusPosition, "a run of residuals is longer than its tile");
        BitReader reader(substream, bytes, static_cast<uint64_t>(end_bit));
        const Status status = reader.finish();
        if (status != kOk) throw DataError(status, status == kStatusTruncated ? "a sub-stream ends before its last residual" : "bits after the last residual of a sub-stream");
    }

    void add_cross(int component, int from, int to) {
        const ComponentParameters& p = s_.parameters.components[component];
        if (p.cross[0] == 0 && p.cross[1] == 0) return;
        s_.kernels.add_cross({samples_[component], {samples_[0], component > 1 ? samples_[1] : nullptr}, {p.cross[0], p.cross[1]}, bits(component),
                              from, to, brick_.extent[1], brick_.extent[2], strides_});
    }

    void restore(int component, int from, int to) {
        const ComponentParameters& p = s_.parameters.components[component];
        int32_t* first = w_.weights.get();
        int32_t *later = first + kNeighbours2d * lanes_, *bound_ne = later + kNeighbours3d * lanes_, *bound_p = bound_ne + lanes_;
        bool with_previous = false;
        for (int lane = 0; lane < lanes_; ++lane) {
            const BrickNumber& number = numbers_[lane_of(lane)];
            const PredictorSet& set = p.sets[p.set_of_brick[number.group * s_.form.layout.bricks_of_plane() + number.brick]];
            for (int i = 0; i < kNeighbours2d; ++i) first[i * lanes_ + lane] = set.first[i];
            for (int i = 0; i < kNeighbours3d; ++i) later[i * lanes_ + lane] = set.later[i];
            bound_ne[lane] = set.bound_ne ? -1 : 0;
            bound_p[lane] = set.with_previous ? -1 : 0;
            with_previous |= set.with_previous;
        }
        s_.kernels.restore({samples_[component], strides_, from, to, brick_.extent[1], brick_.extent[2], bits(component), first, later, bound_ne, bound_p, with_previous});
    }

    const Shared& s_;
    Workspace& w_;
    int lanes_, count_;
    const BrickNumber* numbers_;
    Brick brick_;                            // of the first lane
    LaneStrides strides_;
    int32_t* samples_[kMaxComponents] = {};  // of sample 0: one element after the start of the memory
};

// Residuals of groups of one extent are read tile by tile, two at a time; each layer of tiles is restored before the next.
void decode_groups(const Shared& s, std::vector<LaneGroup>& groups) {
    struct Tile {
        LaneGroup* group;
        int number, first[3], size[3];
    };
    const int *extent = groups[0].extent(), depth = 1 << s.form.layout.tile_log2[0];
    int tiles_before = 0;
    for (int z = 0; z < extent[0]; z += depth) {
        const int end = std::min(z + depth, extent[0]), layer[3] = {end - z, extent[1], extent[2]};
        std::vector<Tile> tiles;
        for (LaneGroup& g : groups)
            for_tiles(s.form.layout, layer, [&](int number, const int* at, const int* size) {
                tiles.push_back({&g, tiles_before + number, {z + at[0], at[1], at[2]}, {size[0], size[1], size[2]}});
            });
        tiles_before += static_cast<int>(tiles.size() / groups.size());
        std::stable_sort(tiles.begin(), tiles.end(), [](const Tile& a, const Tile& b) { return std::lexicographical_compare(b.size, b.size + 3, a.size, a.size + 3); });
        for (int i = 0; i < s.form.components(); ++i)
            for (size_t k = 0; k < tiles.size();) {
                LaneGroup::TileRead reads[kSideBySide];
                ReadTileJob jobs[kSideBySide];
                int count = 0;
                for (; count < kSideBySide && k + count < tiles.size() && std::equal(tiles[k].size, tiles[k].size + 3, tiles[k + count].size); ++count) {
                    const Tile& t = tiles[k + count];
                    jobs[count] = t.group->begin(reads[count], count, i, t.number, t.first, t.size);
                }
                s.kernels.read_tiles(jobs, count);
                for (int c = 0; c < count; ++c) tiles[k + c].group->end(reads[c], c);
                k += count;
            }
        for (LaneGroup& g : groups) g.restore(z, end);
    }
    for (LaneGroup& g : groups) g.store();
}

// The bricks of the box, those of one extent together.
std::vector<std::vector<BrickNumber>> bricks_by_extent(const PredictiveForm& form, const BrickBox& box) {
    const BrickLayout& layout = form.layout;
    std::map<std::tuple<int, int, int>, std::vector<BrickNumber>> found;
    for (int64_t group = box.planes[0] / form.channels; group < box.planes[1] / form.channels; ++group)
        for (int64_t z = box.low[0]; z < box.high[0]; ++z)
            for (int64_t y = box.low[1]; y < box.high[1]; ++y)
                for (int64_t x = box.low[2]; x < box.high[2]; ++x) {
                    const int64_t number = (z * layout.bricks(1) + y) * layout.bricks(2) + x;
                    const Brick b = layout.brick(number);
                    found[{b.extent[0], b.extent[1], b.extent[2]}].push_back({group, number});
                }
    std::vector<std::vector<BrickNumber>> lists;
    for (auto& item : found) lists.push_back(std::move(item.second));
    return lists;
}

void check_groups(const Shared& s, const std::vector<std::vector<BrickNumber>>& lists, int threads) {
    std::vector<uint8_t> is_needed(static_cast<size_t>(s.payload.groups()), 0);
    std::vector<int64_t> needed;
    for (const auto& list : lists)
        for (const BrickNumber& number : list)
            for (int i = 0; i < s.form.components(); ++i) {
                const Brick b = s.form.layout.brick(number.brick);
                const int64_t first = s.form.layout.first_substream(number.group * s.form.components() + i, b);
                int64_t count = 1;
                for (int a = 0; a < 3; ++a) count *= BrickLayout::over(b.extent[a], s.form.layout.tile_log2[a]);
                for (int64_t g = first / kGroupSubstreams; g <= (first + count - 1) / kGroupSubstreams; ++g)
                    if (!is_needed[g]) is_needed[g] = 1, needed.push_back(g);
            }
    parallel_for(static_cast<int64_t>(needed.size()), threads, [&](int64_t i, int) { s.payload.check_group(needed[i]); });
}

}  // namespace

void decode_predictive(const PredictiveForm& form, const uint8_t* payload, uint64_t size, const BrickBox& box, const DecodeOptions& options, const Samples& out) {
    const int widest = component_bits(form.colour_form, form.bits, form.components() - 1);
    Shared s{form, predictive_kernels(widest), read_parameter_payload(payload, size, size, form.layout.substreams(), options.check_crc), {}, {}, {}};
    s.parameters = read_parameters(s.payload.parameters, s.payload.parameter_bytes, {form.layout, form.components(), form.bits, form.offset, form.colour_form == kFormPalette, component_bits(form.colour_form, 0, 1)});
    for (const ComponentParameters& c : s.parameters.components) s.entries.push_back(decoding_entries(c.lengths));
    s.store = SampleStore(form, box, s.parameters, options.minimum, options.maximum, out);
    const auto lists = bricks_by_extent(form, box);
    check_groups(s, lists, options.threads);
    const int lanes = s.kernels.lanes, layer_tiles = (1 << form.layout.brick_log2[1] >> form.layout.tile_log2[1]) * (1 << form.layout.brick_log2[2] >> form.layout.tile_log2[2]);
    int64_t bricks = 0;
    for (const auto& list : lists) bricks += static_cast<int64_t>(list.size());
    const int together = layer_tiles > 1 || lanes == 1 || bricks < int64_t{2} * kSideBySide * lanes * options.threads ? 1 : kSideBySide;   // groups of one item
    std::vector<std::pair<const BrickNumber*, int>> items;
    for (const auto& list : lists)
        for (size_t i = 0; i < list.size(); i += together * lanes) items.push_back({list.data() + i, static_cast<int>(std::min<size_t>(together * lanes, list.size() - i))});
    std::vector<std::unique_ptr<Workspace>> workspaces(static_cast<size_t>(std::max(options.threads, 1)));
    parallel_for(static_cast<int64_t>(items.size()), options.threads, [&](int64_t i, int worker) {
        if (!workspaces[worker]) workspaces[worker] = std::make_unique<Workspace>(form, lanes, together);
        std::vector<LaneGroup> groups;
        for (int at = 0; at < items[i].second; at += lanes)
            groups.emplace_back(s, *workspaces[worker], at / lanes, items[i].first + at, std::min(lanes, items[i].second - at));
        decode_groups(s, groups);
    });
}

}  // namespace mmip
