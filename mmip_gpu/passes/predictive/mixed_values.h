// What the samples of kind 3 are coded as: components, their values as ranks, or places in a palette of colours.
// Values: an encoder's bricks in; numbers of components; and back to channels. Home: host. Implements FORMAT.md sections 2.1, 2.2 and 6.2.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "passes/predictive/source_bricks.h"
#include "rules/predictive/mixed_contexts.h"

namespace mmip {

using Colour = std::array<int32_t, kMaxComponents>;      // R, G, B
constexpr size_t kMostPalette = 4096;

class MixedValues {
public:
    // Of a form with neither maps nor palette.
    explicit MixedValues(const PredictiveForm& form) : form_(form) {}
    // Of all tiles of a source; without a colour of colour_form 3 where there are too many for a palette.
    static MixedValues of(const PredictiveForm& form, const SourceBricks& source, int threads);

    bool is_possible() const { return form_.colour_form != kFormPalette || !palette_.empty(); }
    int colour_form() const { return form_.colour_form; }
    int coded_components() const { return form_.colour_form == kFormPalette ? 1 : form_.components; }
    int bits(int component) const;                       // of what is coded
    // A tile as it is coded; `from` numbers a group of planes.
    void load(const SourceBricks& source, int64_t group, int64_t tile, BrickMemory& to) const;
    // What was coded of a tile, as values of channels.
    void restore(BrickMemory& m) const;

    std::vector<uint8_t> write() const;
    static MixedValues read(const PredictiveForm& form, const uint8_t* bytes, uint64_t size);

private:
    void find_palette(const SourceBricks& source);
    void find_maps(const SourceBricks& source, int threads);
    void load_components(const SourceBricks& source, int64_t group, int64_t tile, BrickMemory& to) const;
    int full_bits(int component) const { return component_bits(form_.colour_form == kFormPalette ? 0 : form_.colour_form, form_.bits, component); }

    PredictiveForm form_;
    std::vector<int32_t> values_[kMaxComponents], ranks_[kMaxComponents];   // empty: a component is not ranked
    std::vector<Colour> palette_;                        // ascending by brightness
};

}  // namespace mmip
