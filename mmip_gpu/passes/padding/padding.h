// Puts the padding value back where the mask says so, at full or reduced scale.
// Values: the output of synthesize, changed in place. Home: host; one item of work = one tile.
// Implements FORMAT.md sections 5 and 5.1 (padding). Results do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "passes/blocks/synthesize.h"

namespace mmip {

// use(pointer to the samples in their own type); padding exists in arrays of 8 and 16 bits.
template <class Use>
void with_typed(const Samples& samples, const Use& use) {
    switch (samples.type) {
        case kSampleU8: return use(static_cast<uint8_t*>(samples.data));
        case kSampleI8: return use(static_cast<int8_t*>(samples.data));
        case kSampleU16: return use(static_cast<uint16_t*>(samples.data));
        case kSampleI16: return use(static_cast<int16_t*>(samples.data));
        default: throw std::invalid_argument("padding: samples of this width are not supported");
    }
}

void restore_padding(const Coefficients& coefficients, int scale, int32_t value, const Output& out, int threads);

}  // namespace mmip
