// The bricks of an array as an encoder takes them: values of its components, with what stands before and after each row.
// Values: samples of any type in, numbers 0 .. 2^bits - 1 out. Home: host. Implements FORMAT.md section 2.1.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "passes/predictive/decode.h"
#include "passes/predictive/lockstep.h"
#include "rules/predictive/colour_forms.h"

namespace mmip {

// One brick in memory: components and their residuals, rows with kRowRoom numbers of room.
struct BrickMemory {
    std::vector<int32_t> values[kMaxComponents], residuals[kMaxComponents];
    Brick brick{};
    LaneStrides strides{};

    BrickMemory(const BrickLayout& layout, int components);

    int32_t* of(int component) { return values[component].data() + kRowStart; }
    int32_t* residuals_of(int component) { return residuals[component].data() + kRowStart; }
};

class SourceBricks {
public:
    // `form` gets bits and offset; `ranked`: whether ranks may stand for samples. Looks at all samples once.
    SourceBricks(PredictiveForm& form, const Samples& samples, bool ranked, int threads);

    const std::vector<int32_t>& values() const { return values_; }   // what ranks stand for; empty without
    const std::vector<std::array<int32_t, 3>>& palette() const { return palette_; }   // of a colour: all, by lightness; empty if many
    // Bits of the values of a form.
    int bits(int colour_form) const { return colour_form == kFormPalette ? palette_bits_ : value_bits_; }
    // Values of the channels of brick `number` of a group of planes as components.
    void load(int64_t group, int64_t number, int colour_form, BrickMemory& memory) const;

private:
    void find_palette();
    void load_numbers(int64_t group, const Brick& b, LaneStrides strides, int32_t* to) const;
    int number_of(const int32_t* colour) const;
    void find_values(int64_t count, int32_t low, size_t range, int threads);
    void load_values(int64_t plane, const Brick& b, LaneStrides strides, int32_t* to) const;

    const PredictiveForm& form_;
    Samples samples_;
    int32_t offset_ = 0;
    std::vector<int32_t> values_, ranks_;    // ranks_: of sample - offset
    std::vector<std::array<int32_t, 3>> palette_;
    std::vector<int32_t> slots_;             // of a hash table: number of a colour, or -1
    int value_bits_ = 1, palette_bits_ = 1;
};

}  // namespace mmip
