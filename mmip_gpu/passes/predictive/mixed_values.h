// What the samples of kind 3 are coded as: components, and their values as ranks.
// Values: an encoder's bricks in; numbers of components; and back to channels. Home: host. Implements FORMAT.md sections 2.1, 2.2 and 6.2.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/predictive/parameter_bits.h"
#include "passes/predictive/source_bricks.h"

namespace mmip {

class MixedValues {
public:
    // Of a form without maps.
    explicit MixedValues(const PredictiveForm& form) : form_(form) {}
    // Of all tiles of a source.
    static MixedValues of(const PredictiveForm& form, const SourceBricks& source, int threads);

    const PredictiveForm& form() const { return form_; }
    int bits(int component) const;                       // of what is coded
    // A tile as it is coded; `group` numbers a group of planes.
    void load(const SourceBricks& source, int64_t group, int64_t tile, BrickMemory& to) const;
    // What was coded of a tile, as values of channels; palettes stay.
    void restore(BrickMemory& m) const;

    std::vector<uint8_t> write(const std::vector<PaletteColour>& palette) const;
    // Fills `palette` where the form has one.
    static MixedValues read(const PredictiveForm& form, const uint8_t* bytes, uint64_t size, std::vector<PaletteColour>& palette);

private:
    int full_bits(int component) const { return component_bits(form_.colour_form, form_.bits, component); }
    bool is_palette() const { return form_.colour_form == kFormPalette; }

    PredictiveForm form_;
    std::vector<int32_t> values_[kMaxComponents], ranks_[kMaxComponents];   // empty: a component is not ranked
};

}  // namespace mmip
