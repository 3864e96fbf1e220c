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

void bind_decisions(nb::module_& m);

namespace {

struct Kernel {
    size_t params_bytes;
    void (*run)(const char*, bool);
};

template <class K>
Kernel kernel() {
    return {sizeof(typename K::Params), [](const char* bytes, bool descending) {
                typename K::Params params;
                std::memcpy(&params, bytes, sizeof params);
                mmip::run_on_host<K>(params, descending);
            }};
}

void run(const std::string& name, nb::bytes params, bool descending) {
#define MMIP_ENTRY(name, K) {#name, kernel<K>()},
    static const std::map<std::string, Kernel> kernels = {MMIP_ALL_KERNELS(MMIP_ENTRY)};
#undef MMIP_ENTRY
    const auto found = kernels.find(name);
    if (found == kernels.end()) throw nb::value_error(("no kernel " + name).c_str());
    if (params.size() != found->second.params_bytes) throw nb::value_error(("parameters of another size than those of " + name).c_str());
    const char* bytes = params.c_str();
    nb::gil_scoped_release free;
    mmip::watch_launch(found->first.c_str());
    found->second.run(bytes, descending);
    mmip::watch_launch_end();
}

int64_t sample_position(const std::array<int64_t, 3>& size, int64_t plane, int64_t z, int64_t y, int64_t x) {
    return mmip::sample_position(size.data(), plane, z, y, x);
}

}  // namespace

NB_MODULE(_phases, m) {
    m.def("run", &run, "name"_a, "params"_a, "descending"_a = false);
    bind_decisions(m);
    m.def("sample_position", &sample_position, "size"_a, "plane"_a, "z"_a, "y"_a, "x"_a);
}
