// Binds soft compression: codebooks, the rounds of their training, and tiles of planes to sub-streams and back.
// Values: NumPy arrays (planes, Z, Y, X) and bytes. Home: host. FORMAT.md section 8.11.
#include "bindings/arrays.h"
#include "bindings/bindings.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "passes/soft/mine.h"
#include "passes/soft/tiles.h"

namespace mmip {
namespace {

using namespace nb::literals;

nb::bytes bytes_of(const std::vector<uint8_t>& values) { return nb::bytes(reinterpret_cast<const char*>(values.data()), values.size()); }

std::array<int, 2> checked_tile(const std::array<int, 2>& tile_log2) {
    for (const int log2 : tile_log2) require(log2 >= kSoftMinTileLog2 && log2 <= kSoftMaxTileLog2, "tile size out of range");
    require(int64_t{1} << (tile_log2[0] + tile_log2[1]) <= kMaxTileSamples, "tile too large");
    return tile_log2;
}

template <class Array>
void check_samples(const Array& samples, const SoftCodebook& book) {
    const bool is_signed = samples.dtype().code == static_cast<uint8_t>(nb::dlpack::dtype_code::Int);
    require(is_signed == book.is_signed && samples.dtype().bits <= 16 && book.depth <= samples.dtype().bits, "samples do not fit the depth of the codebook");
}

template <class Array>
SoftGrid grid_of(const Array& planes, const std::array<int, 2>& tile_log2, const SoftCodebook& book) {
    require(planes.ndim() == 4, "samples are not (planes, Z, Y, X)");
    require(planes.size() > 0, "no samples");
    SoftGrid grid;
    for (size_t i = 0; i < 4; ++i) grid.shape[i] = static_cast<int64_t>(planes.shape(i));
    grid.tile_log2 = checked_tile(tile_log2);
    require(grid.shape[0] % static_cast<int64_t>(book.components.size()) == 0, "planes do not fit the components of the codebook");
    check_samples(planes, book);
    return grid;
}

nb::bytes encode(ReadOnlyArray planes, const SoftCodebook& book, std::array<int, 2> tile_log2, int threads) {
    const SoftGrid grid = grid_of(planes, tile_log2, book);
    const Samples samples = samples_of(planes);
    std::string payload;
    {
        nb::gil_scoped_release free;
        payload = soft_encode(samples, grid, book, threads);
    }
    return nb::bytes(payload.data(), payload.size());
}

// Fills `out` with the tiles of a box (planes, then tiles on z, y, x; from, to) of an array of these planes and this shape.
void decode(ByteArray payload, const SoftCodebook& book, int64_t planes, std::array<int64_t, 3> shape, std::array<int, 2> tile_log2, std::array<int64_t, 8> box, bool check_crc, AnyArray out,
            int threads) {
    SoftGrid whole;
    whole.shape = {planes, shape[0], shape[1], shape[2]};
    whole.tile_log2 = checked_tile(tile_log2);
    const std::array<int64_t, 4> most{planes, shape[0], whole.tiles(0), whole.tiles(1)};
    SoftBox wanted;
    int64_t samples = 1;
    for (size_t a = 0; a < 4; ++a) {
        const int64_t low = box[2 * a], high = box[2 * a + 1];
        require(0 <= low && low < high && high <= most[a], "a box outside of the array");
        wanted.low[a] = low, wanted.high[a] = high;
        samples *= a < 2 ? high - low : std::min(high << tile_log2[a - 2], shape[a - 1]) - (low << tile_log2[a - 2]);
    }
    require(!book.colour || (box[0] % 3 == 0 && box[1] % 3 == 0), "planes of a colour come in threes");
    require(static_cast<int64_t>(out.size()) == samples, "output does not fit the box");
    check_samples(out, book);
    const Samples view = samples_of(out);
    nb::gil_scoped_release free;
    soft_decode(payload.data(), payload.size(), whole, wanted, book, check_crc, view, threads);
}

// (shapes, bits of their locations, of their codewords, of the shape layer as it is) of each component.
std::vector<std::array<int64_t, 4>> uses(ReadOnlyArray planes, const SoftCodebook& book, std::array<int, 2> tile_log2) {
    const SoftGrid grid = grid_of(planes, tile_log2, book);
    const Samples samples = samples_of(planes);
    std::vector<std::array<int64_t, 4>> found;
    nb::gil_scoped_release free;
    for (const SoftUse& use : soft_uses(samples, grid, book)) found.push_back({use.shapes, use.location_bits, use.codeword_bits, use.layer_bits});
    return found;
}

// A round of the miner over the planes of one image.
template <void (SoftMiner::*round)(const Samples&, const SoftGrid&)>
void mine_round(SoftMiner& miner, ReadOnlyArray planes, std::array<int, 2> tile_log2) {
    const SoftGrid grid = grid_of(planes, tile_log2, miner.book());
    const Samples samples = samples_of(planes);
    nb::gil_scoped_release free;
    (miner.*round)(samples, grid);
}

// (detail bits, raw bits, number of shapes) of each component.
std::vector<std::array<int64_t, 3>> components(const SoftCodebook& book) {
    std::vector<std::array<int64_t, 3>> found;
    for (const SoftComponent& c : book.components) found.push_back({c.detail_bits, c.raw_bits, static_cast<int64_t>(c.shapes.size())});
    return found;
}

SoftMiner miner_of(int depth, bool is_signed, bool colour, int many, double degree) {
    require(depth >= kSoftMinDepth && depth <= kSoftMaxDepth, "depth outside 8..16");
    require(many >= 1 && many <= kSoftMaxComponents && (!colour || many == 3), "components out of range");
    return SoftMiner(depth, is_signed, colour, many, degree);
}

}  // namespace

void bind_soft(nb::module_& m) {
    nb::class_<SoftCodebook>(m, "SoftCodebook")
        .def("__init__", [](SoftCodebook* to, ByteArray bytes) { new (to) SoftCodebook(bytes.data(), bytes.size()); }, "data"_a)
        .def_ro("depth", &SoftCodebook::depth)
        .def_ro("is_signed", &SoftCodebook::is_signed)
        .def_ro("colour", &SoftCodebook::colour)
        .def_prop_ro("components", &components);
    nb::class_<SoftMiner>(m, "SoftMiner")
        .def("__init__", [](SoftMiner* to, int depth, bool is_signed, bool colour, int many, double degree) { new (to) SoftMiner(miner_of(depth, is_signed, colour, many, degree)); },
             "depth"_a, "is_signed"_a, "colour"_a, "components"_a, "degree"_a)
        .def("survey", &mine_round<&SoftMiner::survey>, "planes"_a, "tile_log2"_a)
        .def("choose_layers", &SoftMiner::choose_layers)
        .def("count", &mine_round<&SoftMiner::count>, "planes"_a, "tile_log2"_a)
        .def("mine", &mine_round<&SoftMiner::mine>, "planes"_a, "tile_log2"_a)
        .def("choose_shapes", &SoftMiner::choose_shapes)
        .def("use", &mine_round<&SoftMiner::use>, "planes"_a, "tile_log2"_a)
        .def("choose_codes", &SoftMiner::choose_codes)
        .def("to_bytes", [](const SoftMiner& miner) { return bytes_of(miner.book().to_bytes()); });
    m.attr("SOFT_TILE_LOG2") = nb::make_tuple(kSoftMinTileLog2, kSoftMaxTileLog2);
    m.attr("SOFT_DEPTHS") = nb::make_tuple(kSoftMinDepth, kSoftMaxDepth);
    m.attr("SOFT_MAX_COMPONENTS") = kSoftMaxComponents;
    m.def("soft_encode", &encode, "planes"_a, "codebook"_a, "tile_log2"_a, "threads"_a);
    m.def("soft_decode", &decode, "payload"_a, "codebook"_a, "planes"_a, "shape"_a, "tile_log2"_a, "box"_a, "check_crc"_a, "out"_a, "threads"_a);
    m.def("soft_uses", &uses, "planes"_a, "codebook"_a, "tile_log2"_a);
}

}  // namespace mmip
