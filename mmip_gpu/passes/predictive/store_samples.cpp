// See store_samples.h.
#include "passes/predictive/store_samples.h"

#include <algorithm>

namespace mmip {
namespace {

template <class T, class Sample>
void put_rows(T* out, const int64_t* shape, const Brick& brick, const int64_t* at, const int32_t* lane, int lanes, const LaneStrides& strides, const Sample& sample) {
    for (int z = 0; z < brick.extent[0]; ++z)
        for (int y = 0; y < brick.extent[1]; ++y) {
            T* to = out + ((at[0] + z) * shape[1] + at[1] + y) * shape[2] + at[2];
            const int32_t* from = lane + (z * strides.slice + y * strides.row) * lanes;
            for (int x = 0; x < brick.extent[2]; ++x) to[x] = static_cast<T>(sample(from[static_cast<int64_t>(x) * lanes]));
        }
}

}  // namespace

SampleStore::SampleStore(const PredictiveForm& form, const BrickBox& box, const Parameters& parameters, int32_t minimum, int32_t maximum, const Samples& out)
    : out_(out), first_plane_(box.planes[0]), channels_(form.channels), step_(2 * form.near + 1), offset_(form.offset), minimum_(minimum), maximum_(maximum) {
    for (int a = 0; a < 3; ++a) {
        origin_[a] = box.low[a] << form.layout.brick_log2[a];
        shape_[a] = std::min(box.high[a] << form.layout.brick_log2[a], form.layout.shape[a]) - origin_[a];
    }
    const bool is_palette = form.colour_form == kFormPalette;
    if (parameters.values.empty() && !is_palette) return;
    for (int i = 0; i < channels_; ++i) {
        const size_t count = is_palette ? parameters.palette.size() : parameters.values.size();
        const auto sample = [&](size_t v) { return std::clamp(is_palette ? parameters.palette[v][i] : parameters.values[v], minimum, maximum); };
        for (size_t v = 0; v < size_t{1} << form.bits; ++v) tables_[i].push_back(sample(std::min(v, count - 1)));
    }
}

void SampleStore::put(int64_t group, int channel, const Brick& brick, const int32_t* lane, int lanes, const LaneStrides& strides) const {
    int64_t at[3];
    for (int a = 0; a < 3; ++a) at[a] = brick.origin[a] - origin_[a];
    const int64_t first = (group * channels_ + channel - first_plane_) * shape_[0] * shape_[1] * shape_[2];
    const auto by_type = [&](const auto& sample) {
        switch (out_.type) {
            case kSampleU8: return put_rows(static_cast<uint8_t*>(out_.data) + first, shape_, brick, at, lane, lanes, strides, sample);
            case kSampleI8: return put_rows(static_cast<int8_t*>(out_.data) + first, shape_, brick, at, lane, lanes, strides, sample);
            case kSampleU16: return put_rows(static_cast<uint16_t*>(out_.data) + first, shape_, brick, at, lane, lanes, strides, sample);
            case kSampleI16: return put_rows(static_cast<int16_t*>(out_.data) + first, shape_, brick, at, lane, lanes, strides, sample);
            default: return put_rows(static_cast<int32_t*>(out_.data) + first, shape_, brick, at, lane, lanes, strides, sample);
        }
    };
    if (const std::vector<int32_t>& table = tables_[channel]; !table.empty()) {
        const uint32_t most = static_cast<uint32_t>(table.size() - 1);
        by_type([&](int32_t v) { return table[std::min(static_cast<uint32_t>(v), most)]; });
    } else {
        by_type([&](int32_t v) { return std::clamp(v * step_ + offset_, minimum_, maximum_); });
    }
}

}  // namespace mmip
