// Binds the coding and decoding of a chunk.
// Values: NumPy arrays and payload bytes. Home: host. FORMAT.md sections 2 to 8.
#include "bindings/chunk.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include "bindings/bindings.h"
#include "passes/corrections/corrections.h"
#include "passes/dc/dc_image.h"
#include "passes/decode.h"
#include "passes/padding/fill.h"
#include "passes/padding/mask.h"
#include "passes/padding/padding.h"
#include "passes/tokens/pack.h"

namespace mmip {
namespace {

// Whether the steps of classes and components are as many.
bool have_one_shape(const std::vector<std::vector<uint32_t>>& a, const std::vector<std::vector<uint32_t>>& b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) { return x.size() == y.size(); });
}

}  // namespace

Chunk::Chunk(int64_t planes, std::array<int64_t, 3> shape, int depth, std::array<int, 3> tile_log2, std::vector<int> cuts,
      std::vector<std::vector<uint32_t>> steps, std::vector<uint8_t> reversible, std::vector<std::array<int, 3>> recon,
      std::optional<std::array<int64_t, 8>> box, std::optional<int32_t> padding_value, std::optional<std::array<int, 3>> dc_image, bool prediction,
      std::optional<std::vector<std::vector<uint32_t>>> choice_steps)
    : coefficients(geometry_of(planes, shape, depth, tile_log2), tile_box(geometry_of(planes, shape, depth, tile_log2), box), std::move(cuts)),
      quantizer{std::move(steps), std::move(reversible), recon}, padding(padding_value) {
    if (choice_steps) quantizer.choice_steps = std::move(*choice_steps);
    require(quantizer.choice_steps.empty() || have_one_shape(quantizer.choice_steps, quantizer.steps), "steps of other classes");
    if (padding) coefficients.allocate_mask();
    require(!prediction || depth == 1, "prediction needs flat cells");
    if (prediction) coefficients.allocate_predictions();
    if (dc_image) {
        require(quantizer.steps.size() == 1 && quantizer.reversible[0] == 0 && !padding, "a DC image needs one lossy class and no padding");
        quantizer.dc_recon = *dc_image;
        add_dc_image(coefficients);
    }
}

TileBox Chunk::tile_box(const Geometry& g, const std::optional<std::array<int64_t, 8>>& given) {
    TileBox box;
    box.planes[1] = g.planes;
    for (int a = 0; a < 3; ++a) box.high[a] = g.tiles(a);
    if (given) {
        box.planes[0] = (*given)[0], box.planes[1] = (*given)[1];
        for (int a = 0; a < 3; ++a) box.low[a] = (*given)[2 + 2 * a], box.high[a] = (*given)[3 + 2 * a];
    }
    return box;
}

void Chunk::check_samples(const ReadOnlyArray& samples, const std::optional<ClassArray>& classes) const {
    const Geometry& g = coefficients.geometry;
    const int64_t cells = g.planes * g.grid(0) * g.grid(1) * g.grid(2);
    require(static_cast<int64_t>(samples.size()) == g.planes * g.shape[0] * g.shape[1] * g.shape[2], "samples do not fill the chunk");
    require(!classes || static_cast<int64_t>(classes->size()) == cells, "class map does not fill the grid");
}

std::vector<double> Chunk::run_analyze(ReadOnlyArray samples, std::optional<ClassArray> classes, int offset, int rounding, int search, int passes, int threads) {
    check_samples(samples, classes);
    const Samples view = samples_of(samples);
    nb::gil_scoped_release free;
    analyzed_by = {offset, rounding, search, passes, threads};
    std::vector<double> errors = analyze(coefficients, view, classes ? classes->data() : nullptr, quantizer, analyzed_by);
    if (!coefficients.predictions) return settle(std::move(errors));
    errors.assign(errors.size(), 0.0);       // what a DC image adds; the rest is found when predictions are closed
    const std::vector<double> image = settle(std::move(errors));
    errors = close_predictions(coefficients, view, quantizer, analyzed_by);
    errors[0] += image[0];
    return errors;
}

std::vector<double> Chunk::run_requantize(std::vector<std::vector<uint32_t>> steps, int threads) {
    require(!coefficients.scaled.empty(), "nothing was kept of an analysis");
    require(have_one_shape(steps, quantizer.steps), "steps of other classes");
    nb::gil_scoped_release free;
    quantizer.steps = std::move(steps);
    analyzed_by.threads = threads;
    return settle(requantize(coefficients, quantizer, analyzed_by));
}

std::vector<double> Chunk::settle(std::vector<double> errors) {
    dc_weights.reset();
    unsettled = padding.has_value();
    if (coefficients.predictions) need_settled();
    if (coefficients.dc_image) errors[0] += analyze_dc_image(coefficients, quantizer, analyzed_by);
    return errors;
}

void Chunk::need_settled() {
    if (unsettled) dc_weights = settle_masked_blocks(coefficients, quantizer, analyzed_by.threads);
    unsettled = false;
}

void Chunk::run_fill(ReadOnlyArray samples, std::optional<ClassArray> classes, AnyArray filled, int threads) {
    require(padding.has_value(), "a chunk without padding has nothing to fill");
    check_samples(samples, classes);
    require(filled.size() == samples.size() && filled.dtype() == samples.dtype(), "the filled array differs from the samples");
    const Samples from = samples_of(samples), to = samples_of(filled);
    nb::gil_scoped_release free;
    find_mask(coefficients, from, *padding, threads);
    Quantizer by = quantizer;
    if (!by.choice_steps.empty()) by.steps = by.choice_steps;
    fill_padding(coefficients, by, from, classes ? classes->data() : nullptr, to, threads);
}

nb::bytes Chunk::run_pack(int stage, int threads) {
    std::string payload;
    {
        nb::gil_scoped_release free;
        need_entries(stage);
        payload = pack_stage(coefficients, stage, quantizer.steps, threads, dc_weights);
    }
    return nb::bytes(payload.data(), payload.size());
}

UnpackOptions Chunk::unpack_options(bool check_crc, bool alone, int threads) const {
    UnpackOptions options;
    options.steps = quantizer.steps;
    if (!alone) options.reversible = quantizer.reversible;
    options.check_crc = check_crc;
    options.threads = threads;
    return options;
}

uint64_t Chunk::run_unpack(int stage, ByteArray payload, bool check_crc, bool alone, int threads) {
    const UnpackOptions options = unpack_options(check_crc, alone, threads);
    nb::gil_scoped_release free;
    need_settled();
    if (holds_tokens(stage) != nullptr) holds_tokens(stage)->entries.clear();
    dc_weights.reset();
    const uint64_t read = unpack_stage(coefficients, stage, payload.data(), payload.size(), options);
    if (stage == 1 && coefficients.dc_image) {
        coefficients.dc_image->fill_entries();
        DcImageSynthesizer synthesizer(coefficients, quantizer);
        for (size_t i = 0; i < coefficients.tiles.size(); ++i) synthesizer.run(i, nullptr);
    }
    return read;
}

void Chunk::check_indices(const IntArray& indices) const {
    const Window w = box_window(coefficients.geometry, coefficients.box, 1);
    const int64_t planes = coefficients.box.planes[1] - coefficients.box.planes[0];
    require(static_cast<int64_t>(indices.size()) == planes * w.shape[0] * w.shape[1] * w.shape[2], "indices do not fit the box");
}

nb::bytes Chunk::run_pack_corrections(IntArray indices, int threads) const {
    check_indices(indices);
    std::string payload;
    {
        nb::gil_scoped_release free;
        payload = pack_corrections(coefficients, indices.data(), threads);
    }
    return nb::bytes(payload.data(), payload.size());
}

std::vector<uint32_t> Chunk::run_count_corrections(IntArray indices, int threads) const {
    check_indices(indices);
    return count_corrections(coefficients, indices.data(), threads);
}

uint64_t Chunk::run_unpack_corrections(ByteArray payload, IntArray indices, bool check_crc, int threads) const {
    check_indices(indices);
    nb::gil_scoped_release free;
    return unpack_corrections(coefficients, payload.data(), payload.size(), check_crc, threads, indices.data());
}

Output Chunk::output(const AnyArray& out, int scale) const {
    const Window w = box_window(coefficients.geometry, coefficients.box, scale);
    const int64_t planes = coefficients.box.planes[1] - coefficients.box.planes[0];
    require(static_cast<int64_t>(out.size()) == planes * w.shape[0] * w.shape[1] * w.shape[2], "output does not fit the box");
    return whole_output(samples_of(out), w);
}

Output Chunk::output(const StridedArray& out, int scale, const std::optional<std::array<int64_t, 3>>& origin) const {
    const Window all = box_window(coefficients.geometry, coefficients.box, scale);
    Window part = all;
    bool fits = static_cast<int64_t>(out.shape(0)) == coefficients.box.planes[1] - coefficients.box.planes[0];
    for (int a = 0; a < 3; ++a) {
        if (origin) part.origin[a] = (*origin)[a];
        part.shape[a] = static_cast<int64_t>(out.shape(1 + a));
        const int64_t end = part.origin[a] + part.shape[a], last = all.origin[a] + all.shape[a];
        fits = fits && part.origin[a] >= all.origin[a] && (origin ? end <= last : end == last);
    }
    require(fits, "output does not fit the box");
    require(out.shape(3) < 2 || out.stride(3) == 1, "rows of the output have gaps");
    return {{out.data(), sample_type(out.dtype())}, part, out.stride(0), out.stride(1), out.stride(2)};
}

void Chunk::run_synthesize(int stages, int scale, int offset, int minimum, int maximum, AnyArray out, int threads) {
    const Output view = output(out, scale);
    require(stages == 1 || coefficients.ac || !coefficients.entries.empty(), "stages were not decoded");
    nb::gil_scoped_release free;
    if (coefficients.predictions) need_ac(stages);
    else need_entries(stages);
    synthesize(coefficients, quantizer, stages, scale, {offset, minimum, maximum}, view, threads);
    if (padding) restore_padding(coefficients, scale, *padding, view, threads);
}

std::vector<std::pair<uint64_t, uint64_t>> Chunk::run_measure(int offset, int minimum, int maximum, ReadOnlyArray samples, int threads) {
    check_samples(samples, std::nullopt);
    require(!coefficients.entries.empty(), "nothing was analyzed");
    const Samples view = samples_of(samples);
    std::vector<std::pair<uint64_t, uint64_t>> found;
    nb::gil_scoped_release free;
    for (const Difference& d : measure(coefficients, quantizer, {offset, minimum, maximum}, view, threads)) found.emplace_back(d.squares, d.largest);
    return found;
}

std::array<double, 4> Chunk::run_decode(const nb::object& list, bool check_crc, int scale, int offset, int minimum, int maximum, StridedArray out, int threads,
                                        std::optional<std::array<int64_t, 3>> origin) {
    const std::vector<ByteArray> payloads = listed<ByteArray>(list);
    require(!payloads.empty() && payloads.size() <= coefficients.cuts.size(), "as many payloads as stages, or fewer, are needed");
    const Output view = output(out, scale, origin);
    const UnpackOptions options = unpack_options(check_crc, false, threads);
    std::vector<PayloadBytes> bytes;
    for (const ByteArray& p : payloads) bytes.push_back({p.data(), p.size()});
    nb::gil_scoped_release free;
    dc_weights.reset();
    const DecodeTimes t = decode_tiles(coefficients, quantizer, bytes, options, {offset, minimum, maximum}, scale, view);
    if (padding) restore_padding(coefficients, scale, *padding, view, threads);
    return {t.checks, t.stage_1, t.later_stages, t.synthesis};
}

std::pair<std::array<int64_t, 3>, std::array<int64_t, 3>> Chunk::window(int scale) const {
    const Window w = box_window(coefficients.geometry, coefficients.box, scale);
    return {{w.origin[0], w.origin[1], w.origin[2]}, {w.shape[0], w.shape[1], w.shape[2]}};
}

namespace {

using namespace nb::literals;

using Numbers3 = std::array<int, 3>;
using Steps = std::vector<std::vector<uint32_t>>;

Steps listed_steps(const nb::object& steps) {
    Steps rows;
    for (const nb::handle row : steps) rows.push_back(listed<uint32_t>(nb::borrow(row)));
    return rows;
}

void make_chunk(Chunk* place, int64_t planes, std::array<int64_t, 3> shape, int depth, Numbers3 tile_log2, const nb::object& cuts, const nb::object& steps,
                const nb::object& reversible, const nb::object& recon, std::optional<std::array<int64_t, 8>> box, std::optional<int32_t> padding,
                std::optional<Numbers3> dc_image, bool prediction, const nb::object& choice_steps) {
    std::optional<Steps> choice;
    if (!choice_steps.is_none()) choice = listed_steps(choice_steps);
    new (place) Chunk(planes, shape, depth, tile_log2, listed<int>(cuts), listed_steps(steps), listed<uint8_t>(reversible), listed<Numbers3>(recon), box, padding,
                      dc_image, prediction, std::move(choice));
}

void bind_coding(nb::class_<Chunk>& chunk) {
    chunk.def("analyze", &Chunk::run_analyze, "samples"_a, "classes"_a.none(), "offset"_a, "rounding"_a, "search"_a, "passes"_a, "threads"_a)
        .def("fill", &Chunk::run_fill, "samples"_a, "classes"_a.none(), "filled"_a, "threads"_a)
        .def("pack", &Chunk::run_pack, "stage"_a, "threads"_a)
        .def("unpack", &Chunk::run_unpack, "stage"_a, "payload"_a, "check_crc"_a, "alone"_a, "threads"_a)
        .def("window", &Chunk::window, "scale"_a)
        .def("requantize", [](Chunk& c, const nb::object& steps, int threads) { return c.run_requantize(listed_steps(steps), threads); }, "steps"_a, "threads"_a)
        .def("measure", &Chunk::run_measure, "offset"_a, "minimum"_a, "maximum"_a, "samples"_a, "threads"_a)
        .def("synthesize", &Chunk::run_synthesize, "stages"_a, "scale"_a, "offset"_a, "minimum"_a, "maximum"_a, "out"_a, "threads"_a)
        .def("decode", &Chunk::run_decode, "payloads"_a, "check_crc"_a, "scale"_a, "offset"_a, "minimum"_a, "maximum"_a, "out"_a, "threads"_a,
             "origin"_a = nb::none())
        .def("pack_corrections", &Chunk::run_pack_corrections, "indices"_a, "threads"_a)
        .def("unpack_corrections", &Chunk::run_unpack_corrections, "payload"_a, "indices"_a, "check_crc"_a, "threads"_a);
}

void bind_indices(nb::class_<Chunk>& chunk) {
    chunk.def("to_columns", &Chunk::to_columns, "stage"_a, "array"_a)
        .def("from_columns", &Chunk::from_columns, "stage"_a, "array"_a)
        .def("mode_counts", &Chunk::mode_counts)
        .def("settle_sums", &Chunk::run_settle_sums, "sums"_a, "search"_a)
        .def("sum_errors", [](Chunk& c, LongArray sums, const nb::object& recon) { return c.run_sum_errors(sums, listed<Numbers3>(recon)); }, "sums"_a, "recon"_a)
        .def("fit_weights", &Chunk::fit_weights, "dc"_a, "classes"_a, "masked"_a.none())
        .def("count_symbols", &Chunk::run_count_symbols, "stage"_a, "threads"_a)
        .def("count_token_contexts", &Chunk::run_count_token_contexts, "stage"_a, "threads"_a)
        .def("count_corrections", &Chunk::run_count_corrections, "indices"_a, "threads"_a);
}

}  // namespace

void bind_chunk(nb::module_& m) {
    nb::class_<Chunk> chunk(m, "Chunk");
    chunk.def("__init__", &make_chunk,
              "planes"_a, "shape"_a, "depth"_a, "tile_log2"_a, "cuts"_a, "steps"_a, "reversible"_a, "recon"_a, "box"_a = nb::none(), "padding"_a = nb::none(),
              "dc_image"_a = nb::none(), "prediction"_a = false, "choice_steps"_a = nb::none())
        .def_prop_ro("planes", [](const Chunk& c) { return c.coefficients.box.planes[1] - c.coefficients.box.planes[0]; })
        .def_prop_ro("predicted", [](const Chunk& c) { return c.coefficients.has_predictions(); })
        .def_prop_ro("recon", [](const Chunk& c) { return c.quantizer.recon; })
        .def_prop_ro("dc_recon", [](const Chunk& c) { return c.quantizer.dc_recon; });
    bind_coding(chunk);
    bind_indices(chunk);
}

}  // namespace mmip
