// See batches.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace mmip {

void bind_batches(nanobind::module_& m);

}  // namespace mmip
