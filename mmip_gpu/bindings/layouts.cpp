// What launches of the kernels need to know: the fields of their Params and of the structs that these point at, and their sizes.
// Values: a layout is (bytes, [(name, offset, type, shape), ..]), where the type is NumPy's code or the layout of a struct, and a
// pointer is an address. Home: host. Takes layouts from the kernels' own declarations and none of their bodies.
#include "bindings/bindings.h"

#include <cstring>
#include <string>
#include <type_traits>

#include "device/kernels/all.h"

namespace nb = nanobind;

namespace mmip {
namespace {

// X(name): structs in arrays that Python fills, reads or makes room for.
#define MMIP_ALL_STRUCTS(X)                                                                            \
    X(BlockItem) X(BrickChunk) X(BrickPlace) X(CellClassItem) X(ChunkItem) X(ColourItem) X(ColumnsItem) X(CorrectedItem)           \
    X(CorrectedTile) X(CorrectionState) X(CrcGroup) X(DcImageItem) X(DecodeItem) X(DecodeState)        \
    X(DecodeTile) X(DepthTables) X(Difference) X(Entry) X(FinishItem) X(FloatFindings) X(FloatRun)     \
    X(IndexSums) X(LevelItem) X(MaskCode) X(MeanItem) X(PaddedItem) X(PayloadItem) X(SampleItem) X(SampleRun)      \
    X(SourceChunk) X(StageCodes) X(Statistics) X(SubstreamBytes) X(TileGroup) X(TileItem) X(Token) X(TokenSpan)

template <class T>
nb::object layout();

template <class T>
nb::object type_of() {
    if constexpr (std::is_class_v<T>) {
        return layout<T>();
    } else {
        const bool is_signed = std::is_signed_v<T>;   // not of addresses
        const std::string kind = std::is_floating_point_v<T> ? "f" : is_signed ? "i" : "u";
        return nb::cast((kind + std::to_string(sizeof(T))).c_str());
    }
}

template <class T>
nb::tuple shape_of() {
    static_assert(std::rank_v<T> <= 2);
    if constexpr (std::rank_v<T> == 0) return nb::make_tuple();
    else if constexpr (std::rank_v<T> == 1) return nb::make_tuple(std::extent_v<T>);
    else return nb::make_tuple(std::extent_v<T>, std::extent_v<T, 1>);
}

// What visit_fields calls: lists the members of the struct that begins at `start`.
struct FieldList {
    const void* start;
    nb::list& found;

    template <class... Members>
    void operator()(const char* names, const Members&... members) const {
        (add(names, members), ...);
    }

private:
    template <class T>
    void add(const char*& names, const T& member) const {
        const size_t length = std::strcspn(names, ",");
        const auto offset = reinterpret_cast<const char*>(&member) - static_cast<const char*>(start);
        found.append(nb::make_tuple(nb::str(names, length), offset, type_of<std::remove_all_extents_t<T>>(), shape_of<T>()));
        names += length + std::strspn(names + length, ", ");
    }
};

template <class T>
nb::object layout() {
    static_assert(std::is_standard_layout_v<T> && std::is_trivially_copyable_v<T>, "the device's compiler lays it out alike");
    const T value{};
    nb::list fields;
    value.visit_fields(FieldList{&value, fields});
    return nb::make_tuple(sizeof(T), fields);
}

nb::dict struct_layouts() {
    nb::dict found;
#define MMIP_LAYOUT(name) found[#name] = layout<name>();
    MMIP_ALL_STRUCTS(MMIP_LAYOUT)
#undef MMIP_LAYOUT
    return found;
}

nb::dict kernel_layouts() {
    nb::dict found;
#define MMIP_LAYOUT(name, K) found[#name] = layout<K::Params>();
    MMIP_ALL_KERNELS(MMIP_LAYOUT)
#undef MMIP_LAYOUT
    return found;
}

nb::dict kernel_lanes() {
    nb::dict found;
#define MMIP_LANES(name, K) found[#name] = static_cast<int>(K::kLanes);
    MMIP_ALL_KERNELS(MMIP_LANES)
#undef MMIP_LANES
    return found;
}

nb::dict kernel_modules() {
    nb::dict found;
#define MMIP_MEMBER(name, K) found[#name] = module;
#define MMIP_MODULE_OF(name, LIST) { const char* module = #name; LIST(MMIP_MEMBER) }
    MMIP_MODULES(MMIP_MODULE_OF)
#undef MMIP_MODULE_OF
#undef MMIP_MEMBER
    return found;
}

}  // namespace

void bind_layouts(nb::module_& m) {
    m.def("struct_layouts", &struct_layouts);
    m.def("kernel_layouts", &kernel_layouts);
    m.def("kernel_lanes", &kernel_lanes);
    m.def("kernel_modules", &kernel_modules);
    m.attr("MAGNITUDE_BYTES") = static_cast<int>(kMagnitudeBytes);
    m.attr("PALETTE_BYTES") = static_cast<int>(sizeof(PaletteScratch));
    m.attr("PREDICTED_LIMIT") = static_cast<int>(kPredictedLimit);
    m.attr("PREDICTION_SYMBOLS") = static_cast<int>(kPredictionSymbols);
    m.attr("CLOSING_BYTES") = static_cast<int>(sizeof(ClosingScratch));
    m.attr("CRC_GROUPS") = static_cast<int>(CrcKernel::kGroups);
    m.attr("FINISH_SAMPLES") = static_cast<int>(kFinishSamples);
    m.attr("MEAN_SAMPLES") = static_cast<int>(kMeanSamples);
    m.attr("RESIDUAL_CODES") = static_cast<int>(kResidualCodes);
    m.attr("RESIDUAL_BITS") = static_cast<int>(kResidualCodeLimit + kMaxValueBits);   // of one at most
}

}  // namespace mmip
