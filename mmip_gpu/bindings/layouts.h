// See layouts.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace mmip {

void bind_layouts(nanobind::module_& m);

}  // namespace mmip
