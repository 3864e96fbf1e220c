// Binds the passes for Python and exports the constants of rules/format.h; nothing else.
// Arrays are C-ordered NumPy arrays, sizes are checked by the Python side; the GIL is released while work is done.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "bindings/batches.h"
#include "bindings/layouts.h"
#include "bindings/payloads.h"
#include "passes/blocks/analyze.h"
#include "passes/coding/code_lengths.h"
#include "passes/columns.h"
#include "passes/corrections/corrections.h"
#include "passes/dc/dc_fit.h"
#include "passes/dc/dc_image.h"
#include "passes/decode.h"
#include "passes/padding/fill.h"
#include "passes/padding/mask.h"
#include "passes/tokens/pack.h"
#include "passes/padding/padding.h"
#include "passes/samples/statistics.h"
#include "rules/samples/colour.h"
#include "rules/samples/floats.h"
#include "rules/samples/statistics.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace mmip {
namespace {

using AnyArray = nb::ndarray<nb::c_contig, nb::device::cpu>;
using ReadOnlyArray = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using ByteArray = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using ClassArray = nb::ndarray<const uint8_t, nb::c_contig, nb::device::cpu>;
using LongArray = nb::ndarray<const int64_t, nb::c_contig, nb::device::cpu>;
using FloatArray = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using IntArray = nb::ndarray<int32_t, nb::c_contig, nb::device::cpu>;

void require(bool condition, const char* message) {
    if (!condition) throw nb::value_error(message);
}

SampleType sample_type(nb::dlpack::dtype dtype) {
    const bool is_signed = dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Int);
    require(is_signed || dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::UInt), "samples are not integers");
    if (dtype.bits == 8) return is_signed ? kSampleI8 : kSampleU8;
    if (dtype.bits == 16) return is_signed ? kSampleI16 : kSampleU16;
    require(dtype.bits == 32 && is_signed, "samples of this width are not supported");
    return kSampleI32;
}

// The coefficients of a chunk (or of a box of its tiles) with the quantizer that belongs to them.
struct Chunk {
    Coefficients coefficients;
    Quantizer quantizer;
    std::optional<int32_t> padding;
    std::optional<DcWeights> dc_weights;     // fitted to the DCs as they are, where that was done already

    Chunk(int64_t planes, std::array<int64_t, 3> shape, int depth, std::array<int, 3> tile_log2, std::vector<int> cuts,
          std::vector<std::vector<uint32_t>> steps, std::vector<uint8_t> reversible, std::vector<std::array<int, 3>> recon,
          std::optional<std::array<int64_t, 8>> box, std::optional<int32_t> padding_value, std::optional<std::array<int, 3>> dc_image)
        : coefficients(geometry(planes, shape, depth, tile_log2), tile_box(geometry(planes, shape, depth, tile_log2), box), std::move(cuts)),
          quantizer{std::move(steps), std::move(reversible), recon}, padding(padding_value) {
        if (padding) coefficients.allocate_mask();
        if (dc_image) {
            require(quantizer.steps.size() == 1 && quantizer.reversible[0] == 0 && !padding, "a DC image needs one lossy class and no padding");
            quantizer.dc_recon = *dc_image;
            add_dc_image(coefficients);
        }
    }

    static Geometry geometry(int64_t planes, std::array<int64_t, 3> shape, int depth, std::array<int, 3> tile_log2) {
        Geometry g;
        g.planes = planes;
        g.depth = depth;
        for (int a = 0; a < 3; ++a) g.shape[a] = shape[a], g.tile_log2[a] = tile_log2[a];
        return g;
    }

    static TileBox tile_box(const Geometry& g, const std::optional<std::array<int64_t, 8>>& given) {
        TileBox box;
        box.planes[1] = g.planes;
        for (int a = 0; a < 3; ++a) box.high[a] = g.tiles(a);
        if (given) {
            box.planes[0] = (*given)[0], box.planes[1] = (*given)[1];
            for (int a = 0; a < 3; ++a) box.low[a] = (*given)[2 + 2 * a], box.high[a] = (*given)[3 + 2 * a];
        }
        return box;
    }

    std::vector<double> run_analyze(ReadOnlyArray samples, std::optional<ClassArray> classes, int offset, int rounding, int search, int passes, int threads) {
        const Geometry& g = coefficients.geometry;
        const int64_t cells = g.planes * g.grid(0) * g.grid(1) * g.grid(2);
        require(static_cast<int64_t>(samples.size()) == g.planes * g.shape[0] * g.shape[1] * g.shape[2], "samples do not fill the chunk");
        require(!classes || static_cast<int64_t>(classes->size()) == cells, "class map does not fill the grid");
        const Samples view{const_cast<void*>(samples.data()), sample_type(samples.dtype())};
        nb::gil_scoped_release free;
        const AnalyzeOptions options{offset, rounding, search, passes, threads};
        std::vector<double> errors = analyze(coefficients, view, classes ? classes->data() : nullptr, quantizer, options);
        dc_weights.reset();
        if (padding) dc_weights = settle_masked_blocks(coefficients, quantizer, threads);
        if (coefficients.dc_image) errors[0] += analyze_dc_image(coefficients, quantizer, options);
        return errors;
    }

    void run_fill(ReadOnlyArray samples, std::optional<ClassArray> classes, AnyArray filled, int threads) {
        const Geometry& g = coefficients.geometry;
        const int64_t cells = g.planes * g.grid(0) * g.grid(1) * g.grid(2);
        require(padding.has_value(), "a chunk without padding has nothing to fill");
        require(static_cast<int64_t>(samples.size()) == g.planes * g.shape[0] * g.shape[1] * g.shape[2], "samples do not fill the chunk");
        require(filled.size() == samples.size() && filled.dtype() == samples.dtype(), "the filled array differs from the samples");
        require(!classes || static_cast<int64_t>(classes->size()) == cells, "class map does not fill the grid");
        const SampleType type = sample_type(samples.dtype());
        const Samples from{const_cast<void*>(samples.data()), type}, to{filled.data(), type};
        nb::gil_scoped_release free;
        find_mask(coefficients, from, *padding, threads);
        fill_padding(coefficients, quantizer, from, classes ? classes->data() : nullptr, to, threads);
    }

    nb::bytes run_pack(int stage, int threads) {
        std::string payload;
        {
            nb::gil_scoped_release free;
            need_entries(stage);
            payload = pack_stage(coefficients, stage, quantizer.steps, threads, dc_weights);
        }
        return nb::bytes(payload.data(), payload.size());
    }

    UnpackOptions unpack_options(bool check_crc, bool alone, int threads) const {
        UnpackOptions options;
        options.steps = quantizer.steps;
        if (!alone) options.reversible = quantizer.reversible;
        options.check_crc = check_crc;
        options.threads = threads;
        return options;
    }

    uint64_t run_unpack(int stage, ByteArray payload, bool check_crc, bool alone, int threads) {
        const UnpackOptions options = unpack_options(check_crc, alone, threads);
        nb::gil_scoped_release free;
        if (holds_tokens(stage) != nullptr) holds_tokens(stage)->entries.clear();
        dc_weights.reset();
        const uint64_t read = unpack_stage(coefficients, stage, payload.data(), payload.size(), options);
        if (stage == 1 && coefficients.dc_image) {
            DcImageSynthesizer synthesizer(coefficients, quantizer);
            for (size_t i = 0; i < coefficients.tiles.size(); ++i) synthesizer.run(i, nullptr);
        }
        return read;
    }

    uint64_t extent(int stage, ByteArray payload) const {
        if (stage > coefficients.stages()) return corrections_extent(coefficients, payload.data(), payload.size());
        return stage_extent(coefficients, stage, payload.data(), payload.size());
    }

    void check_indices(const IntArray& indices) const {
        const Window w = box_window(coefficients.geometry, coefficients.box, 1);
        const int64_t planes = coefficients.box.planes[1] - coefficients.box.planes[0];
        require(static_cast<int64_t>(indices.size()) == planes * w.shape[0] * w.shape[1] * w.shape[2], "indices do not fit the box");
    }

    nb::bytes run_pack_corrections(IntArray indices, int threads) const {
        check_indices(indices);
        std::string payload;
        {
            nb::gil_scoped_release free;
            payload = pack_corrections(coefficients, indices.data(), threads);
        }
        return nb::bytes(payload.data(), payload.size());
    }

    uint64_t run_unpack_corrections(ByteArray payload, IntArray indices, bool check_crc, int threads) const {
        check_indices(indices);
        nb::gil_scoped_release free;
        return unpack_corrections(coefficients, payload.data(), payload.size(), check_crc, threads, indices.data());
    }

    // The output array as the passes take it.
    Samples output(const AnyArray& out, int scale) const {
        const Window w = box_window(coefficients.geometry, coefficients.box, scale);
        const int64_t planes = coefficients.box.planes[1] - coefficients.box.planes[0];
        require(static_cast<int64_t>(out.size()) == planes * w.shape[0] * w.shape[1] * w.shape[2], "output does not fit the box");
        return {out.data(), sample_type(out.dtype())};
    }

    void run_synthesize(int stages, int scale, int offset, int minimum, int maximum, AnyArray out, int threads) {
        const Samples view = output(out, scale);
        require(stages == 1 || coefficients.ac || !coefficients.entries.empty(), "stages were not decoded");
        nb::gil_scoped_release free;
        need_ac(stages);
        synthesize(coefficients, quantizer, stages, scale, {offset, minimum, maximum}, view, threads);
        if (padding) restore_padding(coefficients, scale, *padding, view, threads);
    }

    // Seconds of checks, stage 1, later stages and synthesis.
    std::array<double, 4> run_decode(const std::vector<ByteArray>& payloads, bool check_crc, int scale, int offset, int minimum, int maximum, AnyArray out, int threads) {
        require(!payloads.empty() && payloads.size() <= coefficients.cuts.size(), "as many payloads as stages, or fewer, are needed");
        const Samples view = output(out, scale);
        const UnpackOptions options = unpack_options(check_crc, false, threads);
        std::vector<PayloadBytes> bytes;
        for (const ByteArray& p : payloads) bytes.push_back({p.data(), p.size()});
        nb::gil_scoped_release free;
        dc_weights.reset();
        const DecodeTimes t = decode_tiles(coefficients, quantizer, bytes, options, {offset, minimum, maximum}, scale, view);
        if (padding) restore_padding(coefficients, scale, *padding, view, threads);
        return {t.checks, t.stage_1, t.later_stages, t.synthesis};
    }

    std::pair<std::array<int64_t, 3>, std::array<int64_t, 3>> window(int scale) const {
        const Window w = box_window(coefficients.geometry, coefficients.box, scale);
        return {{w.origin[0], w.origin[1], w.origin[2]}, {w.shape[0], w.shape[1], w.shape[2]}};
    }

    void check_columns(int stage, const IntArray& array) const {
        require(array.ndim() == 5 && static_cast<int>(array.shape(4)) == stage_columns(coefficients, stage), "not an array of this stage");
        const Coefficients& c = stage == 1 && coefficients.dc_image ? *coefficients.dc_image : coefficients;
        require(static_cast<int64_t>(array.shape(0)) >= c.box.planes[1] - c.box.planes[0], "array of fewer planes than the box");
        for (int axis = 0; axis < 3; ++axis) require(static_cast<int64_t>(array.shape(axis + 1)) >= c.box_cells(axis), "array smaller than the box");
    }

    // An analyzed chunk holds its indices as entries, a decoded one in place: each form is made from the other when it is wanted.
    void need_ac(int stage) {
        Coefficients* c = holds_tokens(stage);
        if (c != nullptr && !c->ac && !c->entries.empty()) c->fill_ac();
    }
    void need_entries(int stage) {
        Coefficients* c = holds_tokens(stage);
        if (c != nullptr && c->ac && c->entries.empty()) c->fill_entries();
    }
    Coefficients* holds_tokens(int stage) { return stage > 1 ? &coefficients : coefficients.dc_image.get(); }

    std::vector<std::vector<uint32_t>> run_count_symbols(int stage, int threads) {
        need_entries(stage);
        return count_symbols(coefficients, stage, quantizer.steps, threads);
    }
    std::vector<uint32_t> run_count_token_contexts(int stage, int threads) {
        require(stage > 1, "stage 1 has no token contexts of its own");
        need_entries(stage);
        return count_token_contexts(coefficients, stage, threads);
    }

    void to_columns(int stage, IntArray array) {
        check_columns(stage, array);
        const int64_t grid[4] = {static_cast<int64_t>(array.shape(0)), static_cast<int64_t>(array.shape(1)),
                                 static_cast<int64_t>(array.shape(2)), static_cast<int64_t>(array.shape(3))};
        nb::gil_scoped_release free;
        need_ac(stage);
        stage_to_columns(coefficients, stage, grid, array.data());
    }

    void from_columns(int stage, IntArray array) {
        check_columns(stage, array);
        const int64_t grid[4] = {static_cast<int64_t>(array.shape(0)), static_cast<int64_t>(array.shape(1)),
                                 static_cast<int64_t>(array.shape(2)), static_cast<int64_t>(array.shape(3))};
        nb::gil_scoped_release free;
        stage_from_columns(coefficients, stage, grid, array.data(), static_cast<int>(quantizer.steps.size()));
        dc_weights.reset();
        if (holds_tokens(stage) != nullptr) holds_tokens(stage)->entries.clear();
    }

    // The DC weights that stage 1 would state for these DCs and classes (per tile in raster order); masked: 1 for cells that lie
    // under the padding mask as a whole.
    std::array<int, kDcWeights> fit_weights(IntArray dc, ClassArray classes, std::optional<ClassArray> masked) {
        const size_t cells = static_cast<size_t>(coefficients.cells);
        require(dc.size() == cells && classes.size() == cells && masked.has_value() == padding.has_value() && (!masked || masked->size() == cells),
                "not the DCs of this chunk");
        const size_t depth = static_cast<size_t>(coefficients.geometry.depth);
        for (size_t i = 0; masked && i < cells; ++i) std::fill_n(coefficients.mask.get() + i * depth, depth, masked->data()[i] != 0 ? ~uint64_t{0} : 0);
        std::copy_n(dc.data(), cells, coefficients.dc.get());
        std::copy_n(classes.data(), cells, coefficients.classes.get());
        nb::gil_scoped_release free;
        const DcWeights weights = fit_dc_weights(coefficients, quantizer.steps);
        std::array<int, kDcWeights> found;
        std::copy_n(weights.of, kDcWeights, found.begin());
        return found;
    }

    // Reconstruction points and squared errors out of sums (QuantizerSums as int64: counts, excesses, distortion) by tile and class.
    std::vector<double> run_settle_sums(LongArray sums, int search) {
        const size_t rows = coefficients.tiles.size() * kMaxClasses;
        require(sums.size() == 7 * rows, "not the sums of this chunk");
        std::vector<QuantizerSums> found(rows);
        for (size_t i = 0; i < rows; ++i) {
            const int64_t* row = sums.data() + 7 * i;
            std::copy_n(row, 3, found[i].count);
            std::copy_n(row + 3, 3, found[i].excess);
            found[i].distortion = row[6];
        }
        return settle_sums(coefficients, found, quantizer, search);
    }

    // Cells per block mode: how the encoder decided.
    std::vector<int64_t> mode_counts() const {
        std::vector<int64_t> counts(kModeCount, 0);
        for (int64_t i = 0; i < coefficients.cells; ++i) ++counts[coefficients.modes[i]];
        return counts;
    }
};

void colour_planes(IntArray planes, bool forward) {
    require(planes.ndim() == 3 && planes.shape(1) == 3, "planes are not (groups, 3, samples)");
    const int64_t samples = static_cast<int64_t>(planes.shape(2));
    nb::gil_scoped_release free;
    for (size_t g = 0; g < planes.shape(0); ++g) {
        int32_t* a = planes.data() + 3 * samples * static_cast<int64_t>(g);
        for (int64_t i = 0; i < samples; ++i) {
            const Colour in{a[i], a[samples + i], a[2 * samples + i]};
            const Colour out = forward ? colour_forward(in) : colour_inverse(in);
            a[i] = out.a, a[samples + i] = out.b, a[2 * samples + i] = out.c;
        }
    }
}

// (sum, least, greatest) of all samples of an array.
std::tuple<int64_t, int32_t, int32_t> statistics(ReadOnlyArray a, int threads) {
    require(a.size() > 0, "no samples");
    const Samples view{const_cast<void*>(a.data()), sample_type(a.dtype())};
    nb::gil_scoped_release free;
    const SampleStatistics found = sample_statistics(view, static_cast<int64_t>(a.size()), threads);
    return {found.sum, found.low, found.high};
}

// Fills `indices` with those of float32 samples; returns the place of the first sample without one, or -1.
int64_t float_indices(FloatArray samples, double step, double limit, IntArray indices) {
    require(samples.size() == indices.size(), "arrays differ in size");
    const float* from = samples.data();
    int32_t* to = indices.data();
    const int64_t count = static_cast<int64_t>(samples.size());
    constexpr int64_t kPiece = 1 << 12;
    nb::gil_scoped_release free;
    for (int64_t first = 0; first < count; first += kPiece) {
        const int64_t end = std::min(first + kPiece, count);
        bool all = true;
        for (int64_t i = first; i < end; ++i) all &= float_index(from[i], step, limit, to[i]);
        for (int64_t i = first; i < end && !all; ++i)
            if (!float_index(from[i], step, limit, to[i])) return i;
    }
    return -1;
}

// (sum of squared differences, largest absolute difference) of two arrays of one dtype.
std::pair<uint64_t, uint64_t> difference(ReadOnlyArray a, ReadOnlyArray b, int threads) {
    require(a.size() == b.size() && a.dtype() == b.dtype(), "arrays differ in size or dtype");
    const SampleType type = sample_type(a.dtype());
    const Samples first{const_cast<void*>(a.data()), type}, second{const_cast<void*>(b.data()), type};
    nb::gil_scoped_release free;
    const Difference found = sample_difference(first, second, static_cast<int64_t>(a.size()), threads);
    return {found.squares, found.largest};
}

// Sum of squared differences in each class, of planes (P, Z, Y, X) with the classes of their cells (P, gz, gy, gx).
std::vector<uint64_t> differences(ReadOnlyArray a, ReadOnlyArray b, ClassArray cells, int depth, int classes, int threads) {
    require(a.ndim() == 4 && a.size() == b.size() && a.dtype() == b.dtype(), "arrays differ in size or dtype, or are no planes");
    std::array<int64_t, 4> shape;
    for (int i = 0; i < 4; ++i) shape[i] = static_cast<int64_t>(a.shape(i));
    const Geometry grid = Chunk::geometry(shape[0], {shape[1], shape[2], shape[3]}, depth, {0, 0, 0});
    require(static_cast<int64_t>(cells.size()) == shape[0] * grid.grid(0) * grid.grid(1) * grid.grid(2), "class map does not fill the grid");
    require(std::all_of(cells.data(), cells.data() + cells.size(), [&](uint8_t c) { return c < classes; }), "a class without a step");
    const SampleType type = sample_type(a.dtype());
    const Samples first{const_cast<void*>(a.data()), type}, second{const_cast<void*>(b.data()), type};
    nb::gil_scoped_release free;
    return class_squares(first, second, shape, cells.data(), depth, classes, threads);
}

// Fills `indices` with the corrections of decoded samples.
void find_corrections(ReadOnlyArray original, ReadOnlyArray decoded, int error, IntArray indices) {
    require(original.size() == decoded.size() && original.size() == indices.size() && original.dtype() == decoded.dtype(),
            "arrays differ in size or dtype");
    require(error >= 0 && error <= kMaxCorrectionError, "error bound out of range");
    const Samples a{const_cast<void*>(original.data()), sample_type(original.dtype())}, b{const_cast<void*>(decoded.data()), a.type};
    nb::gil_scoped_release free;
    correction_indices(a, b, static_cast<int64_t>(indices.size()), error, indices.data());
}

void add_corrections(AnyArray samples, IntArray indices, int error, int minimum, int maximum) {
    require(samples.size() == indices.size(), "arrays differ in size");
    require(error >= 0 && error <= kMaxCorrectionError, "error bound out of range");
    const Samples view{samples.data(), sample_type(samples.dtype())};
    nb::gil_scoped_release free;
    apply_corrections(view, static_cast<int64_t>(indices.size()), indices.data(), error, minimum, maximum);
}

// DataError becomes CorruptData or TruncatedData of mmip_gpu.errors.
void translate(const std::exception_ptr& p, void*) {
    try {
        std::rethrow_exception(p);
    } catch (const DataError& e) {
        const nb::object errors = nb::module_::import_("mmip_gpu.errors");
        const nb::object kind = errors.attr(e.status == kStatusTruncated ? "TruncatedData" : "CorruptData");
        PyErr_SetString(kind.ptr(), e.what());
    }
}

template <class T>
nb::bytes bytes_of(const std::vector<T>& values) {
    return nb::bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// (cells, AC coefficients, order, neighbours) of a block mode; see BlockTable of layout.h.
std::tuple<int, int, nb::bytes, nb::bytes> block_table_bytes(int mode, int depth) {
    const BlockTable* t = block_table(mode, depth);
    if (t == nullptr) return {0, 0, nb::bytes("", 0), nb::bytes("", 0)};
    return {t->cells, t->count, bytes_of(t->order), bytes_of(t->neighbours)};
}

std::vector<std::string> kernel_names() {
    const char* names[4];
    const int n = available_kernels(names, 4);
    return {names, names + n};
}

}  // namespace
}  // namespace mmip

NB_MODULE(_core, m) {
    using namespace mmip;
    nb::register_exception_translator(translate);
    nb::class_<Chunk>(m, "Chunk")
        .def(nb::init<int64_t, std::array<int64_t, 3>, int, std::array<int, 3>, std::vector<int>, std::vector<std::vector<uint32_t>>,
                      std::vector<uint8_t>, std::vector<std::array<int, 3>>, std::optional<std::array<int64_t, 8>>, std::optional<int32_t>, std::optional<std::array<int, 3>>>(),
             "planes"_a, "shape"_a, "depth"_a, "tile_log2"_a, "cuts"_a, "steps"_a, "reversible"_a, "recon"_a, "box"_a = nb::none(), "padding"_a = nb::none(),
             "dc_image"_a = nb::none())
        .def("analyze", &Chunk::run_analyze, "samples"_a, "classes"_a.none(), "offset"_a, "rounding"_a, "search"_a, "passes"_a, "threads"_a)
        .def("fill", &Chunk::run_fill, "samples"_a, "classes"_a.none(), "filled"_a, "threads"_a)
        .def("pack", &Chunk::run_pack, "stage"_a, "threads"_a)
        .def("unpack", &Chunk::run_unpack, "stage"_a, "payload"_a, "check_crc"_a, "alone"_a, "threads"_a)
        .def("extent", &Chunk::extent, "stage"_a, "payload"_a)
        .def("pack_corrections", &Chunk::run_pack_corrections, "indices"_a, "threads"_a)
        .def("unpack_corrections", &Chunk::run_unpack_corrections, "payload"_a, "indices"_a, "check_crc"_a, "threads"_a)
        .def("count_corrections", [](const Chunk& c, IntArray indices, int threads) {
                 c.check_indices(indices);
                 return count_corrections(c.coefficients, indices.data(), threads);
             }, "indices"_a, "threads"_a)
        .def("synthesize", &Chunk::run_synthesize, "stages"_a, "scale"_a, "offset"_a, "minimum"_a, "maximum"_a, "out"_a, "threads"_a)
        .def("decode", &Chunk::run_decode, "payloads"_a, "check_crc"_a, "scale"_a, "offset"_a, "minimum"_a, "maximum"_a, "out"_a, "threads"_a)
        .def("window", &Chunk::window, "scale"_a)
        .def("to_columns", &Chunk::to_columns, "stage"_a, "array"_a)
        .def("from_columns", &Chunk::from_columns, "stage"_a, "array"_a)
        .def("mode_counts", &Chunk::mode_counts)
        .def("settle_sums", &Chunk::run_settle_sums, "sums"_a, "search"_a)
        .def("fit_weights", &Chunk::fit_weights, "dc"_a, "classes"_a, "masked"_a.none())
        .def_prop_ro("planes", [](const Chunk& c) { return c.coefficients.box.planes[1] - c.coefficients.box.planes[0]; })
        .def_prop_ro("recon", [](const Chunk& c) { return c.quantizer.recon; })
        .def_prop_ro("dc_recon", [](const Chunk& c) { return c.quantizer.dc_recon; })
        .def("count_symbols", &Chunk::run_count_symbols, "stage"_a, "threads"_a)
        .def("count_token_contexts", &Chunk::run_count_token_contexts, "stage"_a, "threads"_a);
    bind_payloads(m);
    bind_batches(m);
    bind_layouts(m);
    m.def("colour_planes", &colour_planes, "planes"_a, "forward"_a);
    m.def("statistics", &statistics, "a"_a, "threads"_a);
    m.def("float_indices", &float_indices, "samples"_a, "step"_a, "limit"_a, "indices"_a);
    m.def("difference", &difference, "a"_a, "b"_a, "threads"_a);
    m.def("differences", &differences, "a"_a, "b"_a, "cells"_a, "depth"_a, "classes"_a, "threads"_a);
    m.def("find_corrections", &find_corrections, "original"_a, "decoded"_a, "error"_a, "indices"_a);
    m.def("add_corrections", &add_corrections, "samples"_a, "indices"_a, "error"_a, "minimum"_a, "maximum"_a);
    m.def("block_table", &block_table_bytes, "mode"_a, "depth"_a);
    m.def("superblock_shape", [](int depth) { return std::array<int, 3>{superblock_depth(depth), superblock_width(depth), superblock_width(depth)}; }, "depth"_a);
    m.def("code_lengths", &code_lengths, "counts"_a, "limit"_a);
    m.def("kernel_names", &kernel_names);
    m.def("selected_kernels", [] { return std::string(kernels().name); });
    m.def("select_kernels", [](const std::string& name) { return select_kernels(name.c_str()); }, "name"_a);

    m.attr("SEARCH_NONE") = static_cast<int>(kSearchNone);
    m.attr("SEARCH_FAST") = static_cast<int>(kSearchFast);
    m.attr("SEARCH_ROUGH") = static_cast<int>(kSearchRough);
    m.attr("SEARCH_FULL") = static_cast<int>(kSearchFull);
    m.attr("FORMAT_VERSION") = kFormatVersion;
    m.attr("MAX_CLASSES") = kMaxClasses;
    m.attr("MAX_STAGES") = kMaxStages;
    m.attr("MAX_TILE_SAMPLES") = kMaxTileSamples;
    m.attr("STEP_ONE") = kStepOne;
    m.attr("MIN_STEP") = kMinStep;
    m.attr("MAX_STEP") = kMaxStep;
    m.attr("MAX_RECON") = kMaxRecon;
    m.attr("MAX_INDEX") = kMaxIndex;
    m.attr("CODE_LIMIT") = kCodeLimit;
    m.attr("TOKEN_CONTEXTS") = kTokenContexts;
    m.attr("TOKEN_CLASSES") = kTokenClasses;
    m.attr("TOKEN_ALPHABET") = kTokenAlphabet;
    m.attr("TOKEN_ESCAPE_BITS") = kTokenEscapeBits;
    m.attr("HEADER_CLASSES") = kHeaderClasses;
    m.attr("HEADER_ALPHABET") = kHeaderAlphabet;
    m.attr("HEADER_ESCAPE_BITS") = kHeaderEscapeBits;
    m.attr("CORRECTION_CLASSES") = kCorrectionClasses;
    m.attr("CORRECTION_ALPHABET") = kCorrectionAlphabet;
    m.attr("CORRECTION_ESCAPE_BITS") = kCorrectionEscapeBits;
    m.attr("MAX_CORRECTION_ERROR") = kMaxCorrectionError;
    m.attr("DC_CLASSES") = kDcClasses;
    m.attr("DC_ALPHABET") = kDcAlphabet;
    m.attr("DC_ESCAPE_BITS") = kDcEscapeBits;
    m.attr("GROUP_SUBSTREAMS") = kGroupSubstreams;
    m.attr("MODE_COUNT") = kModeCount;
}
