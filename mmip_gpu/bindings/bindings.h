// The parts of the core's Python module; each is bound in the file of its name.
#pragma once

#include <nanobind/nanobind.h>

namespace mmip {

void bind_chunk(nanobind::module_& m);
void bind_samples(nanobind::module_& m);
void bind_payloads(nanobind::module_& m);
void bind_batches(nanobind::module_& m);
void bind_labels(nanobind::module_& m);
void bind_predictive(nanobind::module_& m);
void bind_predictive_fit(nanobind::module_& m);
void bind_predictive_heads(nanobind::module_& m);
void bind_jpegorigin(nanobind::module_& m);
void bind_layouts(nanobind::module_& m);
void bind_soft(nanobind::module_& m);

}  // namespace mmip
