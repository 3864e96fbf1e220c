// Binds, for the GPU path, what the host knows of payloads before a kernel reads them: heads, decoding tables, coding orders.
// Values: NumPy arrays of the layouts of rules/tokens/token_reader.h and rules/coding/huffman.h. Home: host. FORMAT.md sections 3, 4.4, 6 and 7.
#include "bindings/payloads.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <memory>

#include "passes/layout.h"
#include "passes/coding/payload.h"
#include "passes/tokens/unpack.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace mmip {
namespace {

using ByteArray = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Array = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

template <class T>
Array<T> copied(const void* from, size_t count) {
    std::unique_ptr<T[]> data(new T[count]);
    if (count > 0) std::memcpy(data.get(), from, count * sizeof(T));
    T* raw = data.release();
    return Array<T>(raw, {count}, nb::capsule(raw, [](void* p) noexcept { delete[] static_cast<T*>(p); }));
}

using Family = std::tuple<int, int, Array<uint32_t>, Array<uint8_t>>;   // alphabet, bits of an escaped symbol, fast, longer

// The head of a payload, of which tables are copied only when they are asked for.
class PayloadHead {
public:
    // stage 0: corrections; no size: that of the payload is not known
    PayloadHead(ByteArray head, std::optional<uint64_t> size, int64_t substreams, int stage, bool dc_image, bool check_crc) {
        payload_ = read_payload_head(head.data(), head.size(), size, substreams, stage, dc_image, check_crc);
        crcs_.resize(static_cast<size_t>(payload_.groups()));
        if (!crcs_.empty()) std::memcpy(crcs_.data(), payload_.group_crcs, crcs_.size() * sizeof(uint32_t));
        payload_.bytes = payload_.group_crcs = nullptr;   // the caller's, and used up
    }

    uint32_t code_bytes() const { return payload_.code_bytes; }
    Array<uint64_t> offsets() const { return copied<uint64_t>(payload_.offsets.data(), payload_.offsets.size()); }
    Array<uint32_t> group_crcs() const { return copied<uint32_t>(crcs_.data(), crcs_.size()); }
    Array<int8_t> weights() const { return copied<int8_t>(payload_.dc_weights.of, kDcWeights); }
    std::vector<Family> families() const {
        std::vector<Family> found;
        for (const DecodingTables& t : payload_.tables)
            found.emplace_back(t.alphabet, t.escape_bits, copied<uint32_t>(t.fast.data(), t.fast.size()),
                               copied<uint8_t>(t.longer.data(), t.longer.size() * sizeof(LongCodes)));
        return found;
    }

private:
    StagePayload payload_;
    std::vector<uint32_t> crcs_;
};

// (cells on z, y, x of a block; positions as bytes; scan) of a mode; all empty where there is none.
std::tuple<std::vector<int>, Array<uint8_t>, Array<uint16_t>> block_tables(int mode, int cell_depth, const std::vector<int>& cuts) {
    const BlockTable* table = block_table(mode, cell_depth);
    if (table == nullptr) return {std::vector<int>(3, 0), copied<uint8_t>(nullptr, 0), copied<uint16_t>(nullptr, 0)};
    const BlockShape shape = block_shape(mode, cell_depth);
    const std::vector<BlockPosition>& positions = scan_contexts(cell_depth, cuts)->positions[mode];
    return {{shape.z, shape.y, shape.x}, copied<uint8_t>(positions.data(), positions.size() * sizeof(BlockPosition)),
            copied<uint16_t>(table->scan.data(), table->scan.size())};
}

// (raster index, what may start there: see header_class of rules/tokens/symbols.h) of each cell of a tile in coding order.
std::tuple<Array<uint16_t>, Array<uint8_t>> coding_order(int cell_depth, int az, int ay, int ax) {
    const std::unique_ptr<TileOrder> order = make_order(cell_depth, az, ay, ax);
    return {copied<uint16_t>(order->raster.data(), order->raster.size()), copied<uint8_t>(order->merges.data(), order->merges.size())};
}

Array<uint16_t> code_places() { return copied<uint16_t>(token_code_places(), static_cast<size_t>(kCountLogs) * kPlaceClasses * kNeighbourSums); }

Array<uint16_t> left_offsets() { return copied<uint16_t>(token_left_offsets(), kMaxBlockCount + 1); }

}  // namespace

void bind_payloads(nb::module_& m) {
    nb::class_<PayloadHead>(m, "PayloadHead")
        .def(nb::init<ByteArray, std::optional<uint64_t>, int64_t, int, bool, bool>(), "head"_a, "size"_a.none(), "substreams"_a, "stage"_a, "dc_image"_a, "check_crc"_a)
        .def_prop_ro("code_bytes", &PayloadHead::code_bytes)
        .def_prop_ro("offsets", &PayloadHead::offsets, nb::rv_policy::move)
        .def_prop_ro("group_crcs", &PayloadHead::group_crcs, nb::rv_policy::move)
        .def_prop_ro("weights", &PayloadHead::weights, nb::rv_policy::move)
        .def_prop_ro("families", &PayloadHead::families, nb::rv_policy::move);
    m.def("block_tables", &block_tables, "mode"_a, "cell_depth"_a, "cuts"_a);
    m.def("coding_order", &coding_order, "cell_depth"_a, "az"_a, "ay"_a, "ax"_a);
    m.def("token_places", &code_places);
    m.def("token_left_offsets", &left_offsets);
    m.def("status_text", [](int status) { return std::string(status_text(status)); }, "status"_a);
    m.attr("STATUS_TRUNCATED") = static_cast<int>(kStatusTruncated);
    m.attr("DC_IMAGE_UNIT") = static_cast<int>(kDcImageUnit);
    m.def("palette_positions", [](int cell_depth) { return palette_positions(cell_depth); }, "cell_depth"_a);
    m.attr("MODE_COUNT") = static_cast<int>(kModeCount);
    m.attr("GROUP_SUBSTREAMS") = static_cast<int>(kGroupSubstreams);
}

}  // namespace mmip
