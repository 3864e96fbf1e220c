// See store_samples.h.
#include "passes/predictive/store_samples.h"

#include <algorithm>

namespace mmip {

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
        for (size_t v = 0; v < size_t{1} << form.bits; ++v) tables_[i].push_back(static_cast<uint32_t>(sample(std::min(v, count - 1))));
    }
}

void SampleStore::put(const PredictiveKernels& kernels, int channel, const DecodedBrick* bricks, int count, const int32_t* values, const LaneStrides& strides) const {
    const std::vector<uint32_t>& table = tables_[channel];
    const int* e = bricks[0].brick.extent;
    StoreJob job{values, strides, {e[0], e[1], e[2]}, count, {}, {shape_[2], shape_[1] * shape_[2]}, out_.type, step_, offset_, minimum_, maximum_,
                 table.empty() ? nullptr : table.data(), static_cast<int32_t>(table.size()) - 1};
    for (int lane = 0; lane < count; ++lane) {
        const int64_t* at = bricks[lane].brick.origin;
        const int64_t plane = bricks[lane].group * channels_ + channel - first_plane_;
        const int64_t sample = ((plane * shape_[0] + at[0] - origin_[0]) * shape_[1] + at[1] - origin_[1]) * shape_[2] + at[2] - origin_[2];
        job.to[lane] = static_cast<uint8_t*>(out_.data) + sample * kSampleBytes[out_.type];
    }
    kernels.store(job);
}

}  // namespace mmip
