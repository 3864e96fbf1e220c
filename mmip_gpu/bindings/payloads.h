// See payloads.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace mmip {

void bind_payloads(nanobind::module_& m);

}  // namespace mmip
