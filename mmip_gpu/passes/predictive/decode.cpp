// See decode.h. Bricks of one extent are decoded in step, as many as the kernels have lanes.
#include "passes/predictive/decode.h"

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
    LaneMemory bricks[kMaxComponents], magnitudes;
    std::unique_ptr<uint8_t[]> bytes;
    LaneMemory weights;                      // of a component: first, later, bound_ne, bound_p

    Workspace(const PredictiveForm& form, int lanes) : bytes(new uint8_t[static_cast<size_t>(lanes) * kLaneBytes]()) {
        size_t full[3], tile[3];
        for (int a = 0; a < 3; ++a) {
            full[a] = static_cast<size_t>(std::min(int64_t{1} << form.layout.brick_log2[a], form.layout.shape[a]));
            tile[a] = std::min(size_t{1} << form.layout.tile_log2[a], full[a]);
        }
        const size_t samples = full[0] * full[1] * (full[2] + 2) * lanes;
        for (int i = 0; i < form.components(); ++i) bricks[i] = lane_memory(samples);
        magnitudes = lane_memory(2 * (tile[1] + 1) * (tile[2] + 2) * lanes);
        weights = lane_memory(static_cast<size_t>(kNeighbours2d + kNeighbours3d + 2) * lanes);
    }
};

class LaneGroup {
public:
    LaneGroup(const Shared& shared, Workspace& work, const BrickNumber* numbers, int count)
        : s_(shared), w_(work), lanes_(shared.kernels.lanes), count_(count), numbers_(numbers), brick_(shared.form.layout.brick(numbers[0].brick)) {
        strides_.row = brick_.extent[2] + 2;
        strides_.slice = strides_.row * brick_.extent[1];
        for (int i = 0; i < s_.form.components(); ++i) samples_[i] = w_.bricks[i].get() + lanes_;
    }

    void decode() {
        const BrickLayout& layout = s_.form.layout;
        const int depth = 1 << layout.tile_log2[0];
        int tile = 0;
        for (int z = 0; z < brick_.extent[0]; z += depth) {
            const int end = std::min(z + depth, brick_.extent[0]);
            const int layer[3] = {end - z, brick_.extent[1], brick_.extent[2]};
            for_tiles(layout, layer, [&](int, const int* first, const int* size) {
                for (int i = 0; i < s_.form.components(); ++i) read_tile(i, tile, z, first, size);
                ++tile;
            });
            for (int i = 1; i < s_.form.components(); ++i) add_cross(i, z, end);
            for (int i = 0; i < s_.form.components(); ++i) restore(i, z, end);
        }
        if (s_.form.components() == kMaxComponents)
            s_.kernels.to_colour({{samples_[0], samples_[1], samples_[2]}, s_.form.colour_form, s_.form.bits, 0, brick_.extent[0], brick_.extent[1], brick_.extent[2], strides_});
        store();
    }

private:
    int bits(int component) const { return component_bits(s_.form.colour_form, s_.form.bits, component); }
    int lane_of(int lane) const { return lane < count_ ? lane : 0; }   // lanes without a brick repeat the first

    void read_tile(int component, int tile, int z, const int* first, const int* size) {
        int32_t first_bits[kMaxLanes], end_bits[kMaxLanes], runs[kMaxLanes];
        uint64_t bytes[kMaxLanes];
        for (int lane = 0; lane < lanes_; ++lane) {
            first_bits[lane] = 8 * lane * kLaneBytes;
            if (lane >= count_) {
                first_bits[lane] = first_bits[0];
                continue;
            }
            const BrickNumber& number = numbers_[lane];
            const int64_t plane = number.group * s_.form.components() + component;
            const int64_t substream = s_.form.layout.first_substream(plane, s_.form.layout.brick(number.brick)) + tile;
            bytes[lane] = s_.payload.substream_bytes(substream);
            if (bytes[lane] > kReadPastEnd) throw DataError(kStatusTrailing, "a sub-stream has more bytes than its residuals take");
            std::memcpy(w_.bytes.get() + lane * kLaneBytes, s_.payload.substream(substream), bytes[lane]);
        }
        const int64_t at = (z + first[0]) * strides_.slice + first[1] * strides_.row + first[2];
        const int weight = component > 0 ? s_.parameters.components[component].context_weight : 0;
        s_.kernels.read_tile({w_.bytes.get(), first_bits, end_bits, runs, s_.entries[component].data(), {size[0], size[1], size[2]}, strides_,
                              {component > 0 ? samples_[0] + at * lanes_ : nullptr, component > 1 ? samples_[1] + at * lanes_ : nullptr},
                              weight, w_.magnitudes.get(), samples_[component] + at * lanes_});
        for (int lane = 0; lane < count_; ++lane) check_end(w_.bytes.get() + lane * kLaneBytes, bytes[lane], end_bits[lane] - first_bits[lane], runs[lane]);
    }

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

    void store() {
        DecodedBrick bricks[kMaxLanes];
        for (int lane = 0; lane < count_; ++lane) bricks[lane] = {numbers_[lane].group, s_.form.layout.brick(numbers_[lane].brick)};
        for (int i = 0; i < s_.form.channels; ++i)
            s_.store.put(s_.kernels, i, bricks, count_, samples_[std::min(i, s_.form.components() - 1)], strides_);
    }

    const Shared& s_;
    Workspace& w_;
    int lanes_, count_;
    const BrickNumber* numbers_;
    Brick brick_;                            // of the first lane; all have its extent
    LaneStrides strides_;
    int32_t* samples_[kMaxComponents] = {};  // of sample 0: one element after the start of the memory
};

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
    std::vector<std::pair<const BrickNumber*, int>> groups;
    const int lanes = s.kernels.lanes;
    for (const auto& list : lists)
        for (size_t i = 0; i < list.size(); i += lanes) groups.push_back({list.data() + i, static_cast<int>(std::min<size_t>(lanes, list.size() - i))});
    std::vector<std::unique_ptr<Workspace>> workspaces(static_cast<size_t>(std::max(options.threads, 1)));
    parallel_for(static_cast<int64_t>(groups.size()), options.threads, [&](int64_t i, int worker) {
        if (!workspaces[worker]) workspaces[worker] = std::make_unique<Workspace>(form, lanes);
        LaneGroup(s, *workspaces[worker], groups[i].first, groups[i].second).decode();
    });
}

}  // namespace mmip
