// Values of decoded bricks as samples of the caller's array.
// Values: lanes of values in, samples of any type out. Home: host. Implements FORMAT.md section 2.1.
#pragma once

#include <vector>

#include "passes/predictive/decode.h"
#include "passes/predictive/lockstep.h"
#include "passes/predictive/parameters.h"

namespace mmip {

// A brick of the planes of one group.
struct DecodedBrick {
    int64_t group;
    Brick brick;
};

class SampleStore {
public:
    SampleStore() = default;
    SampleStore(const PredictiveForm& form, const BrickBox& box, const Parameters& parameters, int32_t minimum, int32_t maximum, const Samples& out);

    // The samples of one channel of `count` bricks of one extent, each in a lane of the kernels.
    void put(const PredictiveKernels& kernels, int channel, const DecodedBrick* bricks, int count, const int32_t* values, const LaneStrides& strides) const;

private:
    Samples out_{};
    int64_t first_plane_ = 0, origin_[3] = {0, 0, 0}, shape_[3] = {0, 0, 0};
    int channels_ = 1;
    std::vector<uint32_t> tables_[kMaxComponents];   // value to sample, by channel; empty: value * step + offset, clipped
    int32_t step_ = 1, offset_ = 0, minimum_ = 0, maximum_ = 0;
};

}  // namespace mmip
