// Binds what is done to arrays of samples outside a chunk: colour, statistics, differences, float indices, corrections.
// Values: NumPy arrays in, numbers out, or arrays changed in place. Home: host. FORMAT.md sections 1 and 2.
#include "bindings/arrays.h"
#include "bindings/bindings.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "passes/corrections/corrections.h"
#include "passes/samples/phantom.h"
#include "passes/samples/statistics.h"
#include "rules/samples/colour.h"
#include "rules/samples/floats.h"

namespace mmip {
namespace {

using namespace nb::literals;

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
    const Samples view = samples_of(a);
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
    const Samples first = samples_of(a), second = samples_of(b);
    nb::gil_scoped_release free;
    const Difference found = sample_difference(first, second, static_cast<int64_t>(a.size()), threads);
    return {found.squares, found.largest};
}

// Sum of squared differences in each class, of planes (P, Z, Y, X) with the classes of their cells (P, gz, gy, gx).
std::vector<uint64_t> differences(ReadOnlyArray a, ReadOnlyArray b, ClassArray cells, int depth, int classes, int threads) {
    require(a.ndim() == 4 && a.size() == b.size() && a.dtype() == b.dtype(), "arrays differ in size or dtype, or are no planes");
    std::array<int64_t, 4> shape;
    for (int i = 0; i < 4; ++i) shape[i] = static_cast<int64_t>(a.shape(i));
    const Geometry grid = geometry_of(shape[0], {shape[1], shape[2], shape[3]}, depth, {0, 0, 0});
    require(static_cast<int64_t>(cells.size()) == shape[0] * grid.grid(0) * grid.grid(1) * grid.grid(2), "class map does not fill the grid");
    require(std::all_of(cells.data(), cells.data() + cells.size(), [&](uint8_t c) { return c < classes; }), "a class without a step");
    const Samples first = samples_of(a), second = samples_of(b);
    nb::gil_scoped_release free;
    return class_squares(first, second, shape, cells.data(), depth, classes, threads);
}

// Fills `activities` (P, Z, gy, gx) with those of the cells of planes (P, Z, Y, X).
void find_activities(ReadOnlyArray planes, int64_t first, int every, ByteGrid activities) {
    require(planes.ndim() == 4 && first >= 0 && every > 0, "expected planes (P, Z, Y, X)");
    std::array<int64_t, 4> shape;
    for (int i = 0; i < 4; ++i) shape[i] = static_cast<int64_t>(planes.shape(i));
    const int64_t cells = shape[0] * shape[1] * ((shape[2] + 7) / 8) * ((shape[3] + 7) / 8);
    require(static_cast<int64_t>(activities.size()) == cells, "activities do not fill the grid");
    const Samples view = samples_of(planes);
    nb::gil_scoped_release free;
    cell_activities(view, shape, first, every, activities.data());
}

// Fills `indices` with the corrections of decoded samples.
void find_corrections(ReadOnlyArray original, ReadOnlyArray decoded, int error, IntArray indices) {
    require(original.size() == decoded.size() && original.size() == indices.size() && original.dtype() == decoded.dtype(),
            "arrays differ in size or dtype");
    require(error >= 0 && error <= kMaxCorrectionError, "error bound out of range");
    const Samples a = samples_of(original), b = samples_of(decoded);
    nb::gil_scoped_release free;
    correction_indices(a, b, static_cast<int64_t>(indices.size()), error, indices.data());
}

void add_corrections(AnyArray samples, IntArray indices, int error, int minimum, int maximum) {
    require(samples.size() == indices.size(), "arrays differ in size");
    require(error >= 0 && error <= kMaxCorrectionError, "error bound out of range");
    const Samples view = samples_of(samples);
    nb::gil_scoped_release free;
    apply_corrections(view, static_cast<int64_t>(indices.size()), indices.data(), error, minimum, maximum);
}

// Fills samples (z, y, x) of the 3D phantom; axes: (length, start, step) of z, y and x.
void phantom_samples_of(LongArray axes, nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu> tissues,
                        ByteArray magnitudes, nb::ndarray<uint16_t, nb::ndim<3>, nb::c_contig, nb::device::cpu> samples) {
    require(axes.size() == 9, "axes are not three of (length, start, step)");
    require(tissues.shape(1) == sizeof(Tissue) / sizeof(double), "a tissue is not six numbers");
    require(magnitudes.size() == kNoiseQuantiles, "the table of the noise has another size");
    PhantomAxis wanted[3];
    for (int a = 0; a < 3; ++a) {
        const int64_t* v = axes.data() + 3 * a;
        wanted[a] = {v[0], v[1], v[2], static_cast<int64_t>(samples.shape(a))};
        require(v[0] >= 1 && v[0] < int64_t{1} << 31 && v[1] >= 0 && v[2] >= 1, "impossible part of a phantom");
        require(wanted[a].count == 0 || (v[1] < v[0] && (wanted[a].count - 1) <= (v[0] - 1 - v[1]) / v[2]), "a part outside of its phantom");
    }
    if (samples.size() == 0) return;
    nb::gil_scoped_release free;
    phantom_samples(wanted, reinterpret_cast<const Tissue*>(tissues.data()), static_cast<int>(tissues.shape(0)), magnitudes.data(), samples.data());
}

}  // namespace

void bind_samples(nb::module_& m) {
    m.def("colour_planes", &colour_planes, "planes"_a, "forward"_a);
    m.def("statistics", &statistics, "a"_a, "threads"_a);
    m.def("float_indices", &float_indices, "samples"_a, "step"_a, "limit"_a, "indices"_a);
    m.def("difference", &difference, "a"_a, "b"_a, "threads"_a);
    m.def("differences", &differences, "a"_a, "b"_a, "cells"_a, "depth"_a, "classes"_a, "threads"_a);
    m.def("cell_activities", &find_activities, "planes"_a, "first"_a, "every"_a, "activities"_a);
    m.attr("UNKNOWN_ACTIVITY") = kUnknownActivity;
    m.def("find_corrections", &find_corrections, "original"_a, "decoded"_a, "error"_a, "indices"_a);
    m.def("add_corrections", &add_corrections, "samples"_a, "indices"_a, "error"_a, "minimum"_a, "maximum"_a);
    m.def("phantom_samples", &phantom_samples_of, "axes"_a, "tissues"_a, "magnitudes"_a, "samples"_a);
}

}  // namespace mmip
