// Binds the coding and decoding of a chunk of kind 2 or 3.
// Values: NumPy arrays of planes and payload bytes. Home: host. FORMAT.md sections 2.1, 2.2, 3.1, 6.1, 6.2, 8.6, 8.7, 8.9.
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/predictive_form.h"
#include "passes/predictive/mixed.h"

#include <new>

namespace mmip {
namespace {

using namespace nb::literals;

void check_size(size_t size, int64_t planes, const Sizes3& shape) {
    require(static_cast<int64_t>(size) == planes * shape[0] * shape[1] * shape[2] && size > 0, "samples do not fill the planes");
}

std::tuple<FormFields, nb::bytes> fields_of(const PredictiveChunk& chunk, const nb::object& payload) {
    return {form_fields(chunk.form), payload.is_valid() ? nb::borrow<nb::bytes>(payload) : nb::bytes(chunk.payload.data(), chunk.payload.size())};
}

template <auto encode>
std::tuple<FormFields, nb::bytes> run_encode(ReadOnlyArray samples, int64_t planes, Sizes3 shape, bool colour, int near, int effort, int threads) {
    check_size(samples.size(), planes, shape);
    require(!colour || planes % 3 == 0, "planes of a colour come in threes");
    const Samples view = samples_of(samples);
    PredictiveChunk chunk;
    nb::object payload;
    const PayloadMemory memory = [&](size_t size) {
        const nb::gil_scoped_acquire hold;
        payload = nb::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
        if (!payload.is_valid()) {
            PyErr_Clear();
            throw std::bad_alloc();
        }
        return reinterpret_cast<uint8_t*>(PyBytes_AsString(payload.ptr()));
    };
    {
        nb::gil_scoped_release free;
        chunk = encode(view, planes, shape.data(), colour, near, {effort, true, threads, memory});
    }
    return fields_of(chunk, payload);
}

template <auto decode>
void run_decode(ByteArray payload, int64_t planes, Sizes3 shape, bool colour, int near, FormFields fields, std::array<int64_t, 8> box, int minimum, int maximum, bool check_crc,
                AnyArray out, int threads) {
    const PredictiveForm form = form_of(planes, shape, colour, near, fields);
    const BrickBox wanted{{box[0], box[1]}, {box[2], box[4], box[6]}, {box[3], box[5], box[7]}};
    int64_t samples = box[1] - box[0];
    for (int a = 0; a < 3; ++a) {
        const int log2 = form.layout.brick_log2[a];
        samples *= std::min(wanted.high[a] << log2, shape[a]) - (wanted.low[a] << log2);
    }
    require(static_cast<int64_t>(out.size()) == samples, "output does not fit the box");
    const Samples view = samples_of(out);
    nb::gil_scoped_release free;
    decode(form, payload.data(), payload.size(), wanted, {minimum, maximum, check_crc, threads}, view);
}

}  // namespace

void bind_predictive(nb::module_& m) {
    m.def("encode_predictive", &run_encode<&encode_predictive>, "samples"_a, "planes"_a, "shape"_a, "colour"_a, "near"_a, "effort"_a, "threads"_a);
    m.def("encode_mixed", &run_encode<&encode_mixed>, "samples"_a, "planes"_a, "shape"_a, "colour"_a, "near"_a, "effort"_a, "threads"_a);
    m.def("decode_predictive", &run_decode<&decode_predictive>, "payload"_a, "planes"_a, "shape"_a, "colour"_a, "near"_a, "form"_a, "box"_a, "minimum"_a, "maximum"_a, "check_crc"_a, "out"_a, "threads"_a);
    m.def("decode_mixed", &run_decode<&decode_mixed>, "payload"_a, "planes"_a, "shape"_a, "colour"_a, "near"_a, "form"_a, "box"_a, "minimum"_a, "maximum"_a, "check_crc"_a, "out"_a, "threads"_a);
}

}  // namespace mmip
