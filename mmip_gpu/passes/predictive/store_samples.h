// Values of decoded bricks as samples of the caller's array.
// Values: lanes of values in, samples of any type out. Home: host. Implements FORMAT.md section 2.1.
#pragma once

#include <vector>

#include "passes/predictive/decode.h"
#include "passes/predictive/lockstep.h"
#include "passes/predictive/parameters.h"

namespace mmip {

class SampleStore {
public:
    SampleStore() = default;
    SampleStore(const PredictiveForm& form, const BrickBox& box, const Parameters& parameters, int32_t minimum, int32_t maximum, const Samples& out);

    // The samples of a brick of one channel of a group of planes, of which `lane` has the first and every `lanes` numbers the next.
    void put(int64_t group, int channel, const Brick& brick, const int32_t* lane, int lanes, const LaneStrides& strides) const;

private:
    Samples out_{};
    int64_t first_plane_ = 0, origin_[3] = {0, 0, 0}, shape_[3] = {0, 0, 0};
    int channels_ = 1;
    std::vector<int32_t> tables_[kMaxComponents];   // value to sample, by channel; empty: value * step + offset, clipped
    int32_t step_ = 1, offset_ = 0, minimum_ = 0, maximum_ = 0;
};

}  // namespace mmip
