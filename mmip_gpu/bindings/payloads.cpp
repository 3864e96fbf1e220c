// Binds, for the GPU path, what the host knows of payloads before a kernel reads them: heads, decoding tables, coding orders.
// Values: NumPy arrays of the layouts of rules/tokens/token_reader.h and rules/coding/huffman.h. Home: host. FORMAT.md sections 3, 4.4, 6 and 7.
#include "bindings/arrays.h"
#include "bindings/bindings.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "passes/layout.h"
#include "rules/palette/palette.h"
#include "passes/coding/payload.h"
#include "passes/tokens/unpack.h"

namespace mmip {
namespace {

using namespace nb::literals;

using Family = std::tuple<int, int, Made<uint32_t>, Made<uint8_t>>;   // alphabet, bits of an escaped symbol, fast, longer

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
    Made<uint64_t> offsets() const { return copied(payload_.offsets); }
    Made<uint32_t> group_crcs() const { return copied(crcs_); }
    Made<int8_t> weights() const { return copied(payload_.dc_weights.of, kDcWeights); }
    std::vector<Family> families() const {
        std::vector<Family> found;
        for (const DecodingTables& t : payload_.tables)
            found.emplace_back(t.alphabet, t.escape_bits, copied(t.fast), copied_bytes(t.longer));
        return found;
    }

private:
    StagePayload payload_;
    std::vector<uint32_t> crcs_;
};

// The head of a payload of a kind from 2 on.
class ParameterHead {
public:
    ParameterHead(ByteArray head, std::optional<uint64_t> size, int64_t substreams, bool check_crc) {
        const ParameterPayload read = read_parameter_payload(head.data(), head.size(), size, substreams, check_crc);
        parameters_.assign(reinterpret_cast<const char*>(read.parameters), read.parameter_bytes);
        offsets_ = read.offsets;
        crcs_.resize(static_cast<size_t>(read.groups()));
        if (!crcs_.empty()) std::memcpy(crcs_.data(), read.group_crcs, crcs_.size() * sizeof(uint32_t));
    }

    nb::bytes parameters() const { return nb::bytes(parameters_.data(), parameters_.size()); }
    Made<uint64_t> offsets() const { return copied(offsets_); }
    Made<uint32_t> group_crcs() const { return copied(crcs_); }

private:
    std::string parameters_;
    std::vector<uint64_t> offsets_;
    std::vector<uint32_t> crcs_;
};

// Payload of a kind from 2 on: its parameters, and its sub-streams one after the other with the size of each.
nb::bytes assemble(ByteArray parameters, ByteArray streams, Given<uint32_t> sizes, int threads) {
    std::vector<std::vector<uint8_t>> parts;
    size_t at = 0;
    for (size_t i = 0; i < sizes.size(); at += sizes.data()[i++]) {
        require(sizes.data()[i] > 0 && sizes.data()[i] <= streams.size() - at, "sizes of sub-streams do not fit their bytes");
        parts.emplace_back(streams.data() + at, streams.data() + at + sizes.data()[i]);
    }
    const std::string payload = assemble_parameter_payload({parameters.data(), parameters.data() + parameters.size()}, parts, threads);
    return nb::bytes(payload.data(), payload.size());
}

// (cells on z, y, x of a block; positions as bytes; scan) of a mode; all empty where there is none.
std::tuple<std::vector<int>, Made<uint8_t>, Made<uint16_t>> block_tables(int mode, int cell_depth, const nb::object& list) {
    const std::vector<int> cuts = listed<int>(list);
    const BlockTable* table = block_table(mode, cell_depth);
    if (table == nullptr) return {std::vector<int>(3, 0), copied(std::vector<uint8_t>()), copied(std::vector<uint16_t>())};
    const BlockShape shape = block_shape(mode, cell_depth);
    const std::vector<BlockPosition>& positions = scan_contexts(cell_depth, cuts)->positions[mode];
    return {{shape.z, shape.y, shape.x}, copied_bytes(positions), copied(table->scan)};
}

// (raster index, what may start there: see header_class of rules/tokens/symbols.h) of each cell of a tile in coding order.
std::tuple<Made<uint16_t>, Made<uint8_t>> coding_order(int cell_depth, int az, int ay, int ax) {
    const std::unique_ptr<TileOrder> order = make_order(cell_depth, az, ay, ax);
    return {copied(order->raster), copied(order->merges)};
}

Made<uint16_t> code_places() { return copied(token_code_places(), static_cast<size_t>(kCountLogs) * kPlaceClasses * kNeighbourSums); }

Made<uint16_t> left_offsets() { return copied(token_left_offsets(), kMaxBlockCount + 1); }

}  // namespace

void bind_payloads(nb::module_& m) {
    nb::class_<PayloadHead>(m, "PayloadHead")
        .def(nb::init<ByteArray, std::optional<uint64_t>, int64_t, int, bool, bool>(), "head"_a, "size"_a.none(), "substreams"_a, "stage"_a, "dc_image"_a, "check_crc"_a)
        .def_prop_ro("code_bytes", &PayloadHead::code_bytes)
        .def_prop_ro("offsets", &PayloadHead::offsets, nb::rv_policy::move)
        .def_prop_ro("group_crcs", &PayloadHead::group_crcs, nb::rv_policy::move)
        .def_prop_ro("weights", &PayloadHead::weights, nb::rv_policy::move)
        .def_prop_ro("families", &PayloadHead::families, nb::rv_policy::move);
    nb::class_<ParameterHead>(m, "ParameterHead")
        .def(nb::init<ByteArray, std::optional<uint64_t>, int64_t, bool>(), "head"_a, "size"_a.none(), "substreams"_a, "check_crc"_a)
        .def_prop_ro("parameters", &ParameterHead::parameters)
        .def_prop_ro("offsets", &ParameterHead::offsets, nb::rv_policy::move)
        .def_prop_ro("group_crcs", &ParameterHead::group_crcs, nb::rv_policy::move);
    m.def("assemble_payload", &assemble, "parameters"_a, "streams"_a, "sizes"_a, "threads"_a);
    m.def("block_tables", &block_tables, "mode"_a, "cell_depth"_a, "cuts"_a);
    m.def("coding_order", &coding_order, "cell_depth"_a, "az"_a, "ay"_a, "ax"_a);
    m.def("token_places", &code_places);
    m.def("token_left_offsets", &left_offsets);
    m.def("status_text", [](int status) { return std::string(status_text(status)); }, "status"_a);
    m.def("palette_positions", [](int cell_depth) { return palette_positions(cell_depth); }, "cell_depth"_a);
}

}  // namespace mmip
