// The kernels of the GPU on the CPU: every phase of every group, lane after lane. Binds them for Python by name.
// Values: the bytes of a kernel's Params, with pointers into host memory. Home: host. A proof of the kernels, not a fast executor.
#define MMIP_AS_DEVICE 1   // what a device would run, where hosts have a faster way

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>

#include <cstring>
#include <map>

#include "device/kernels/all.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

struct Entry {
    size_t params, shared;
    int lanes;
    void (*run)(const char*, bool);
};

template <class K>
Entry entry() {
    return {sizeof(typename K::Params), sizeof(typename K::Shared), K::kLanes, [](const char* bytes, bool descending) {
                typename K::Params params;
                std::memcpy(&params, bytes, sizeof params);
                mmip::run_on_host<K>(params, descending);
            }};
}

const std::map<std::string, Entry>& entries() {
#define MMIP_ENTRY(name, K) {#name, entry<K>()},
    static const std::map<std::string, Entry> all = {MMIP_ALL_KERNELS(MMIP_ENTRY)};
#undef MMIP_ENTRY
    return all;
}

const Entry& find(const std::string& name) {
    const auto found = entries().find(name);
    if (found == entries().end()) throw nb::value_error(("no kernel " + name).c_str());
    return found->second;
}

void run(const std::string& name, nb::bytes params, bool descending) {
    const Entry& e = find(name);
    if (params.size() != e.params) throw nb::value_error(("parameters of another size than those of " + name).c_str());
    const char* bytes = params.c_str();
    nb::gil_scoped_release free;
    e.run(bytes, descending);
}

size_t struct_bytes(const std::string& name) {
    static const std::map<std::string, size_t> sizes = {
        {"SampleRun", sizeof(mmip::SampleRun)},
        {"FloatRun", sizeof(mmip::FloatRun)},
        {"DcImageItem", sizeof(mmip::DcImageItem)},
        {"ColumnsItem", sizeof(mmip::ColumnsItem)},
        {"CorrectedItem", sizeof(mmip::CorrectedItem)},
        {"CorrectedTile", sizeof(mmip::CorrectedTile)},
        {"CorrectionState", sizeof(mmip::CorrectionState)},
        {"PaddedItem", sizeof(mmip::PaddedItem)},
        {"LevelItem", sizeof(mmip::LevelItem)},
        {"DecodeItem", sizeof(mmip::DecodeItem)},
        {"DecodeTile", sizeof(mmip::DecodeTile)},
        {"DecodeState", sizeof(mmip::DecodeState)},
        {"SubstreamBytes", sizeof(mmip::SubstreamBytes)},
        {"StageCodes", sizeof(mmip::StageCodes)},
        {"DepthTables", sizeof(mmip::DepthTables)},
        {"CrcGroup", sizeof(mmip::CrcGroup)},
        {"FinishItem", sizeof(mmip::FinishItem)},
        {"Token", sizeof(mmip::Token)},
        {"TokenSpan", sizeof(mmip::TokenSpan)},
        {"Entry", sizeof(mmip::Entry)},
    };
    const auto found = sizes.find(name);
    if (found == sizes.end()) throw nb::value_error(("no struct " + name).c_str());
    return found->second;
}

int64_t sample_place(const std::array<int64_t, 3>& size, int64_t plane, int64_t z, int64_t y, int64_t x) {
    return mmip::sample_place(size.data(), plane, z, y, x);
}

}  // namespace

NB_MODULE(_phases, m) {
    m.def("run", &run, "name"_a, "params"_a, "descending"_a = false);
    m.def("names", [] {
        nb::list names;
        for (const auto& [name, e] : entries()) names.append(name);
        return names;
    });
    m.def("struct_bytes", &struct_bytes, "name"_a);
    m.def("sample_place", &sample_place, "size"_a, "plane"_a, "z"_a, "y"_a, "x"_a);
    m.attr("MAGNITUDE_BYTES") = static_cast<int>(mmip::kMagnitudeBytes);
    m.attr("PALETTE_BYTES") = static_cast<int>(sizeof(mmip::PaletteScratch));
    m.attr("CRC_GROUPS") = static_cast<int>(mmip::CrcKernel::kGroups);
    m.attr("FINISH_SAMPLES") = static_cast<int>(mmip::kFinishSamples);
    m.def("params_bytes", [](const std::string& name) { return find(name).params; }, "name"_a);
    m.def("shared_bytes", [](const std::string& name) { return find(name).shared; }, "name"_a);
    m.def("lanes", [](const std::string& name) { return find(name).lanes; }, "name"_a);
}
