// Binds the coding of labels: planes of integers of any width to a payload, and parts of a payload to planes.
// Values: NumPy arrays and payload bytes. Home: host; the GIL is released while work is done. FORMAT.md section 8.8.
#include "passes/labels/labels.h"

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "rules/labels/label_model.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/tuple.h>

#include <tuple>

namespace mmip {
namespace {

using namespace nb::literals;

LabelType label_type(nb::dlpack::dtype dtype) {
    const bool is_signed = dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Int);
    require(is_signed || dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::UInt), "labels are not integers");
    require(dtype.bits == 8 || dtype.bits == 16 || dtype.bits == 32 || dtype.bits == 64, "labels of this width are not supported");
    return {dtype.bits / 8, is_signed};
}

LabelGrid label_grid(const std::array<int64_t, 4>& shape, const std::array<int, 3>& tile_log2) {
    LabelGrid grid{shape[0], {shape[1], shape[2], shape[3]}, tile_log2};
    int bits = 0;
    for (int axis = 0; axis < 3; ++axis) {
        require(shape[axis + 1] > 0 && tile_log2[axis] >= 0, "labels without samples, or tiles without size");
        bits += tile_log2[axis];
    }
    require(shape[0] > 0 && bits <= kMaxLabelTileLog2, "no planes, or tiles that are too large");
    return grid;
}

// (payload, least, greatest value), the values as two's complement.
std::tuple<nb::bytes, uint64_t, uint64_t> encode(ReadOnlyArray planes, std::array<int, 3> tile_log2, int threads) {
    require(planes.ndim() == 4, "labels are not (planes, z, y, x)");
    const auto length = [&](int axis) { return static_cast<int64_t>(planes.shape(axis)); };
    const LabelGrid grid = label_grid({length(0), length(1), length(2), length(3)}, tile_log2);
    const LabelType type = label_type(planes.dtype());
    const void* samples = planes.data();
    CodedLabels coded;
    {
        nb::gil_scoped_release free;
        coded = encode_labels(samples, type, grid, threads);
    }
    return {nb::bytes(coded.payload.data(), coded.payload.size()), coded.limits.minimum, coded.limits.maximum};
}

// Fills `out` with what a box of planes and tiles holds at a scale.
void decode(ByteArray payload, std::array<int64_t, 4> shape, std::array<int, 3> tile_log2, std::array<uint64_t, 2> limits, LabelBox box, int scale,
            bool check_crc, AnyArray out, int threads) {
    const LabelGrid grid = label_grid(shape, tile_log2);
    const int64_t counts[4] = {grid.planes, grid.tiles(0), grid.tiles(1), grid.tiles(2)};
    for (int axis = 0; axis < 4; ++axis)
        require(0 <= box[2 * axis] && box[2 * axis] <= box[2 * axis + 1] && box[2 * axis + 1] <= counts[axis], "box outside the tiles");
    require(scale >= 1, "scale below 1");
    const std::array<int64_t, 6> window = label_window(grid, box, scale);
    bool fits = out.ndim() == 4 && static_cast<int64_t>(out.shape(0)) == box[1] - box[0];
    for (int axis = 0; axis < 3; ++axis) fits = fits && static_cast<int64_t>(out.shape(axis + 1)) == window[2 * axis + 1] - window[2 * axis];
    require(fits, "the output does not have the size of the box");
    const LabelType type = label_type(out.dtype());
    const uint8_t* bytes = payload.data();
    const size_t size = payload.size();
    void* to = out.data();
    nb::gil_scoped_release free;
    decode_labels(bytes, size, type, grid, {limits[0], limits[1]}, box, scale, check_crc, to, threads);
}

// (first places, last places) on z, y, x of what a box holds at a scale.
std::array<int64_t, 6> window(std::array<int64_t, 4> shape, std::array<int, 3> tile_log2, LabelBox box, int scale) {
    return label_window(label_grid(shape, tile_log2), box, scale);
}

}  // namespace

void bind_labels(nb::module_& m) {
    m.def("encode_labels", &encode, "planes"_a, "tile_log2"_a, "threads"_a);
    m.def("decode_labels", &decode, "payload"_a, "shape"_a, "tile_log2"_a, "limits"_a, "box"_a, "scale"_a, "check_crc"_a, "out"_a, "threads"_a);
    m.def("label_window", &window, "shape"_a, "tile_log2"_a, "box"_a, "scale"_a);
    m.attr("MAX_LABEL_TILE_LOG2") = kMaxLabelTileLog2;
}

}  // namespace mmip
