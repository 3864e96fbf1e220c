// The core's Python module: the constants of rules/format.h, errors, and what belongs to no array; the rest is bound by its parts.
// Arrays are C-ordered NumPy arrays, sizes are checked by the Python side; the GIL is released while work is done.
#include "bindings/bindings.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>

#include "bindings/arrays.h"
#include "passes/coding/code_lengths.h"
#include "passes/coding/crc.h"
#include "passes/coding/payload.h"
#include "passes/parallel.h"
#include "passes/predictive/encode.h"
#include "rules/blocks/blocks.h"
#include "rules/blocks/decide.h"
#include "rules/coding/crc.h"
#include "rules/dc/dc.h"
#include "rules/predictive/colour_forms.h"
#include "rules/predictive/mixed_contexts.h"
#include "rules/predictive/residual_tokens.h"

namespace mmip {
namespace {

struct Constant {
    const char* name;
    int64_t value;
};

constexpr Constant kConstants[] = {
    {"SEARCH_NONE", kSearchNone},
    {"SEARCH_FAST", kSearchFast},
    {"SEARCH_ROUGH", kSearchRough},
    {"SEARCH_FULL", kSearchFull},
    {"FORMAT_VERSION", kFormatVersion},
    {"MAX_CLASSES", kMaxClasses},
    {"MAX_STAGES", kMaxStages},
    {"MAX_TILE_SAMPLES", kMaxTileSamples},
    {"STEP_ONE", kStepOne},
    {"MIN_STEP", kMinStep},
    {"MAX_STEP", kMaxStep},
    {"MAX_RECON", kMaxRecon},
    {"MAX_INDEX", kMaxIndex},
    {"CODE_LIMIT", kCodeLimit},
    {"TOKEN_CONTEXTS", kTokenContexts},
    {"TOKEN_CLASSES", kTokenClasses},
    {"TOKEN_ALPHABET", kTokenAlphabet},
    {"TOKEN_ESCAPE_BITS", kTokenEscapeBits},
    {"HEADER_CLASSES", kHeaderClasses},
    {"HEADER_ALPHABET", kHeaderAlphabet},
    {"HEADER_ESCAPE_BITS", kHeaderEscapeBits},
    {"CORRECTION_CLASSES", kCorrectionClasses},
    {"CORRECTION_ALPHABET", kCorrectionAlphabet},
    {"CORRECTION_ESCAPE_BITS", kCorrectionEscapeBits},
    {"MAX_CORRECTION_ERROR", kMaxCorrectionError},
    {"DC_CLASSES", kDcClasses},
    {"DC_ALPHABET", kDcAlphabet},
    {"DC_ESCAPE_BITS", kDcEscapeBits},
    {"DC_WEIGHTS", kDcWeights},
    {"DC_IMAGE_UNIT", kDcImageUnit},
    {"GROUP_SUBSTREAMS", kGroupSubstreams},
    {"MODE_COUNT", kModeCount},
    {"STATUS_TRUNCATED", kStatusTruncated},
    {"COLOUR_FORMS", kColourForms},
    {"PALETTE_FORM", kFormPalette},
    {"MAX_BRICK_LOG2", kMaxBrickLog2},
    {"MAX_RESIDUAL_TILE", kMaxResidualTile},
    {"LEAST_TRIED_EFFORT", kLeastTriedEffort},
    {"MAX_VALUE_BITS", kMaxValueBits},
    {"MAX_MIXED_TILE_LOG2", kMaxMixedTileLog2},
};

// DataError becomes CorruptData or TruncatedData of mmip_gpu.errors; memory that is not there becomes NoMemory.
void translate(const std::exception_ptr& p, void*) {
    try {
        std::rethrow_exception(p);
    } catch (const DataError& e) {
        const nb::object errors = nb::module_::import_("mmip_gpu.errors");
        const nb::object kind = errors.attr(e.status == kStatusTruncated ? "TruncatedData" : "CorruptData");
        PyErr_SetString(kind.ptr(), e.what());
    } catch (const std::bad_alloc&) {
        PyErr_SetString(nb::module_::import_("mmip_gpu.errors").attr("NoMemory").ptr(), "there is not enough memory: code smaller chunks, or a region");
    }
}

// Lets Python see a signal while the core works: a handler that raises, as Ctrl-C does, ends the work. Threads of the core have no
// state of Python; they must not wait for a lock that a caller may hold.
void see_signals() {
    if (PyGILState_GetThisThreadState() == nullptr) return;
    nb::gil_scoped_acquire lock;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

nb::bytes bytes_of(const std::vector<uint16_t>& values) {
    return nb::bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(uint16_t));
}

// (cells, AC coefficients, order, neighbours) of a block mode; see BlockTable of layout.h.
std::tuple<int, int, nb::bytes, nb::bytes> block_table_bytes(int mode, int depth) {
    const BlockTable* t = block_table(mode, depth);
    if (t == nullptr) return {0, 0, nb::bytes("", 0), nb::bytes("", 0)};
    return {t->cells, t->count, bytes_of(t->order), bytes_of(t->neighbours)};
}

constexpr Py_ssize_t kLongBuffer = 1 << 16;  // bytes that are worth letting other threads of Python run

// The crc of the bytes of any C-ordered buffer that come after others with crc `value`.
template <decltype(&crc32c) crc_function>
uint32_t buffer_crc(const nb::object& buffer, uint32_t value) {
    Py_buffer view;
    if (PyObject_GetBuffer(buffer.ptr(), &view, PyBUF_SIMPLE) != 0) throw nb::python_error();
    const std::unique_ptr<Py_buffer, decltype(&PyBuffer_Release)> held(&view, &PyBuffer_Release);
    std::optional<nb::gil_scoped_release> free;
    if (view.len >= kLongBuffer) free.emplace();
    return crc_function(static_cast<const uint8_t*>(view.buf), static_cast<size_t>(view.len), value);
}

uint32_t joined_crcs(uint32_t a, uint32_t b, int64_t count) {
    require(count >= 0, "the bytes of the second part are fewer than none");
    return crc_joined(a, b, count);
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
    using namespace nb::literals;
    nb::register_exception_translator(translate);
    on_waiting = &see_signals;
    bind_chunk(m);
    bind_samples(m);
    bind_payloads(m);
    bind_batches(m);
    bind_labels(m);
    bind_predictive(m);
    bind_predictive_fit(m);
    bind_predictive_heads(m);
    bind_jpegorigin(m);
    bind_layouts(m);
    bind_soft(m);
    m.def("block_table", &block_table_bytes, "mode"_a, "depth"_a);
    m.def("superblock_shape", [](int depth) { return std::array<int, 3>{superblock_depth(depth), superblock_width(depth), superblock_width(depth)}; }, "depth"_a);
    m.def("code_lengths", &code_lengths, "counts"_a, "limit"_a);
    m.def("crc32c", &buffer_crc<&crc32c>, "buffer"_a, "value"_a = 0);
    m.def("crc32c_by_tables", &buffer_crc<&crc32c_by_tables>, "buffer"_a, "value"_a = 0);
    m.def("crc32c_joined", &joined_crcs, "a"_a, "b"_a, "count"_a);
    m.def("kernel_names", &kernel_names);
    m.def("selected_kernels", [] { return std::string(selected_kernels()); });
    m.def("select_kernels", [](const std::string& name) { return select_kernels(name.c_str()); }, "name"_a);
    m.attr("MIXED_TILE_LOG2") = nb::make_tuple(kMixedTileLog2[0], kMixedTileLog2[1], kMixedTileLog2[2]);
    for (const Constant& constant : kConstants) m.attr(constant.name) = constant.value;

    nb::dict cell_ac;  // by the depth of a cell
    for (int depth : {1, 8}) cell_ac[nb::int_(depth)] = cell_coefficients(depth);
    m.attr("CELL_AC") = cell_ac;
    m.attr("SQUARED_STEPS_PER_BIT") = static_cast<double>(kLambda) / (kStepOne * kStepOne);
}
