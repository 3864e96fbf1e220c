// Binds, for the GPU path, what the head of a payload of kind 2 says: the parameters in the form that the kernels take.
// Values: the head's bytes in; NumPy arrays of the layouts of device/kernels/predictive/bricks.h out. Home: host. FORMAT.md
// sections 6, 6.1 and 7.3.
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/predictive_form.h"
#include "bindings/predictive_sets.h"

#include <cstring>

#include "passes/coding/payload.h"

namespace mmip {
namespace {

using namespace nb::literals;

class PredictiveHead {
public:
    PredictiveHead(ByteArray head, uint64_t size, bool check_crc, int64_t planes, Sizes3 shape, bool colour, FormFields fields) {
        nb::gil_scoped_release free;
        const PredictiveForm form = form_of(planes, shape, colour, 0, fields);
        const ParameterPayload read = read_parameter_payload(head.data(), head.size(), size, form.layout.substreams(), check_crc);
        offsets_ = read.offsets;
        crcs_.resize(static_cast<size_t>(read.groups()));
        if (!crcs_.empty()) std::memcpy(crcs_.data(), read.group_crcs, crcs_.size() * sizeof(uint32_t));
        const bool is_palette = form.colour_form == kFormPalette;
        parameters_ = read_parameters(read.parameters, read.parameter_bytes,
                                      {form.layout, form.components(), form.bits, form.offset, is_palette, component_bits(form.colour_form, 0, 1)});
    }

    Made<uint64_t> offsets() const { return copied(offsets_); }
    Made<uint32_t> group_crcs() const { return copied(crcs_); }

    Made<uint32_t> entries() const {
        std::vector<uint32_t> all;
        for (const ComponentParameters& c : parameters_.components) {
            const std::vector<uint32_t> own = decoding_entries(c.lengths);
            all.insert(all.end(), own.begin(), own.end());
        }
        return copied(all);
    }

    Made<uint8_t> sets() const { return predictors_of(parameters_.components); }

    Made<uint8_t> set_of_brick() const {
        std::vector<uint8_t> all;
        for (const ComponentParameters& c : parameters_.components) all.insert(all.end(), c.set_of_brick.begin(), c.set_of_brick.end());
        return copied(all);
    }

    Made<int32_t> values() const {
        if (parameters_.palette.empty()) return copied(parameters_.values);
        std::vector<int32_t> all;
        for (int channel = 0; channel < kMaxComponents; ++channel)
            for (const auto& colour : parameters_.palette) all.push_back(colour[channel]);
        return copied(all);
    }

    Made<int32_t> cross() const { return cross_of(parameters_.components); }

private:
    std::vector<uint64_t> offsets_;
    std::vector<uint32_t> crcs_;
    Parameters parameters_;
};

}  // namespace

void bind_predictive_heads(nb::module_& m) {
    nb::class_<PredictiveHead>(m, "PredictiveHead")
        .def(nb::init<ByteArray, uint64_t, bool, int64_t, Sizes3, bool, FormFields>(), "head"_a, "size"_a, "check_crc"_a, "planes"_a, "shape"_a, "colour"_a, "form"_a)
        .def_prop_ro("offsets", &PredictiveHead::offsets, nb::rv_policy::move)
        .def_prop_ro("group_crcs", &PredictiveHead::group_crcs, nb::rv_policy::move)
        .def_prop_ro("entries", &PredictiveHead::entries, nb::rv_policy::move)
        .def_prop_ro("sets", &PredictiveHead::sets, nb::rv_policy::move)
        .def_prop_ro("set_of_brick", &PredictiveHead::set_of_brick, nb::rv_policy::move)
        .def_prop_ro("values", &PredictiveHead::values, nb::rv_policy::move)
        .def_prop_ro("cross", &PredictiveHead::cross, nb::rv_policy::move);
}

}  // namespace mmip
