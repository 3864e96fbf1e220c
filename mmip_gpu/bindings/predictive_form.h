// The form of a chunk of kind 2 or 3 as Python states it.
// Values: fields of a header in, a PredictiveForm out. Home: host. FORMAT.md section 1.
#pragma once

#include <nanobind/stl/array.h>
#include <nanobind/stl/tuple.h>

#include <array>
#include <tuple>

#include "passes/predictive/decode.h"
#include "passes/predictive/lockstep.h"

namespace mmip {

using Numbers3 = std::array<int, 3>;
using Sizes3 = std::array<int64_t, 3>;
// colour_form, bits, offset, tile_log2, brick_log2
using FormFields = std::tuple<int, int, int32_t, Numbers3, Numbers3>;

// planes, shape: of the samples.
inline PredictiveForm form_of(int64_t planes, const Sizes3& shape, bool colour, int near, const FormFields& fields) {
    PredictiveForm form;
    form.channels = colour ? kMaxComponents : 1;
    form.near = near;
    Numbers3 tile, brick;
    std::tie(form.colour_form, form.bits, form.offset, tile, brick) = fields;
    form.set_planes(planes);
    for (int a = 0; a < 3; ++a) {
        form.layout.shape[a] = shape[a];
        form.layout.tile_log2[a] = tile[a];
        form.layout.brick_log2[a] = brick[a];
    }
    return form;
}

inline FormFields form_fields(const PredictiveForm& form) {
    const int *tile = form.layout.tile_log2, *brick = form.layout.brick_log2;
    return {form.colour_form, form.bits, form.offset, {tile[0], tile[1], tile[2]}, {brick[0], brick[1], brick[2]}};
}

}  // namespace mmip
