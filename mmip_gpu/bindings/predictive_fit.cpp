// Binds, for the GPU path, what the host does of an encoding of kind 2: the fit, the codes, the parameters.
// Values: samples, counts of symbols and numbers of sets in; arrays of the layouts of device/kernels/predictive/source.h and bytes
// out. Home: host. FORMAT.md sections 6.1 and 7.3.
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/predictive_form.h"
#include "bindings/predictive_sets.h"
#include "passes/predictive/fit.h"
#include "passes/predictive/fit_contexts.h"

namespace mmip {
namespace {

using namespace nb::literals;

class PredictiveFit {
public:
    PredictiveFit(ReadOnlyArray samples, int64_t planes, Sizes3 shape, bool colour, int near, int effort, int threads) {
        require(samples.size() > 0 && static_cast<int64_t>(samples.size()) == planes * shape[0] * shape[1] * shape[2], "samples do not fill the planes");
        form_ = form_of(planes, shape, colour, near, {kFormPlain, 1, 0, {0, 0, 0}, {0, 0, 0}});
        const Samples view = samples_of(samples);
        nb::gil_scoped_release free;
        const SourceBricks source(form_, view, true, threads);
        fit_parameters(source, effort, threads, form_, parameters_);
        if (is_palette()) parameters_.palette = source.palette();
        else parameters_.values = source.values();
    }

    FormFields form() const { return form_fields(form_); }
    Made<uint8_t> sets() const { return predictors_of(parameters_.components); }
    Made<int32_t> cross() const { return cross_of(parameters_.components); }

    Made<int32_t> set_counts() const {
        std::vector<int32_t> counts;
        for (const ComponentParameters& c : parameters_.components) counts.push_back(static_cast<int32_t>(c.sets.size()));
        return copied(counts);
    }

    // Of sample - offset; empty where samples are not ranked.
    Made<int32_t> ranks() const {
        const std::vector<int32_t>& values = parameters_.values;
        std::vector<int32_t> ranks(values.empty() ? 0 : static_cast<size_t>(values.back() - values.front()) + 1, 0);
        for (size_t i = 0; i < values.size(); ++i) ranks[static_cast<size_t>(values[i] - values[0])] = static_cast<int32_t>(i);
        return copied(ranks);
    }

    // Colours in ascending order, each with its number; empty without a palette.
    Made<int32_t> palette() const {
        std::vector<std::array<int32_t, 4>> colours;
        for (const auto& c : parameters_.palette) colours.push_back({c[0], c[1], c[2], static_cast<int32_t>(colours.size())});
        std::sort(colours.begin(), colours.end());
        std::vector<int32_t> all;
        for (const auto& c : colours) all.insert(all.end(), c.begin(), c.end());
        return copied(all);
    }

    // The best codes for counts of the symbols of every class and component: their codewords, with the lengths in the low 4 bits.
    Made<uint32_t> choose_codes(Given<uint32_t> counts) {
        constexpr size_t symbols = size_t{kClassNumbers} * kResidualAlphabet;
        require(counts.size() == parameters_.components.size() * symbols, "counts of another number of components");
        std::vector<uint32_t> codes;
        for (size_t i = 0; i < parameters_.components.size(); ++i) {
            ComponentParameters& c = parameters_.components[i];
            mmip::choose_codes({counts.data() + i * symbols, counts.data() + (i + 1) * symbols}, c);
            const CodeLengths& lengths = c.lengths;
            const std::vector<uint16_t> words = residual_codewords(lengths);
            for (int number = 0; number < kClassNumbers; ++number) {
                const auto t = static_cast<size_t>(table_of_class(number, context_least(c.context)));
                const auto used = std::count_if(lengths[t].begin(), lengths[t].end(), [](uint8_t n) { return n != 0; });
                for (size_t s = 0; s < lengths[t].size(); ++s)   // a single symbol has an empty codeword
                    codes.push_back(used > 1 && lengths[t][s] != 0 ? static_cast<uint32_t>(words[t * kResidualAlphabet + s]) << 4 | lengths[t][s] : 0u);
            }
        }
        return copied(codes);
    }

    // The bytes of the parameters; set_of_brick: the number of the set of every brick, component after component.
    Made<uint8_t> parameters(ByteArray set_of_brick) {
        const BrickLayout& layout = form_.layout;
        const auto bricks = static_cast<size_t>(layout.planes / form_.components() * layout.bricks_of_plane());
        require(set_of_brick.size() == bricks * parameters_.components.size(), "sets of another number of bricks");
        Parameters found = parameters_;
        for (size_t i = 0; i < found.components.size(); ++i) {
            ComponentParameters& c = found.components[i];
            c.set_of_brick.assign(set_of_brick.data() + i * bricks, set_of_brick.data() + (i + 1) * bricks);
            for (const uint8_t set : c.set_of_brick) require(set < c.sets.size(), "a set that is not there");
            drop_unused_sets(c);
        }
        return copied(write_parameters(found, {layout, form_.components(), form_.bits, form_.offset, is_palette()}));
    }

private:
    bool is_palette() const { return form_.colour_form == kFormPalette; }

    PredictiveForm form_;
    Parameters parameters_;
};

}  // namespace

void bind_predictive_fit(nb::module_& m) {
    nb::class_<PredictiveFit>(m, "PredictiveFit")
        .def(nb::init<ReadOnlyArray, int64_t, Sizes3, bool, int, int, int>(), "samples"_a, "planes"_a, "shape"_a, "colour"_a, "near"_a, "effort"_a, "threads"_a)
        .def_prop_ro("form", &PredictiveFit::form)
        .def_prop_ro("set_counts", &PredictiveFit::set_counts, nb::rv_policy::move)
        .def_prop_ro("sets", &PredictiveFit::sets, nb::rv_policy::move)
        .def_prop_ro("cross", &PredictiveFit::cross, nb::rv_policy::move)
        .def_prop_ro("ranks", &PredictiveFit::ranks, nb::rv_policy::move)
        .def_prop_ro("palette", &PredictiveFit::palette, nb::rv_policy::move)
        .def("choose_codes", &PredictiveFit::choose_codes, "counts"_a, nb::rv_policy::move)
        .def("parameters", &PredictiveFit::parameters, "set_of_brick"_a, nb::rv_policy::move);
}

}  // namespace mmip
