// Array types that the bindings take and give, and the checks that all of them make.
// Values: C-ordered NumPy arrays in host memory. What does not fit raises ValueError.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "passes/blocks/analyze.h"

namespace mmip {

namespace nb = nanobind;

using AnyArray = nb::ndarray<nb::c_contig, nb::device::cpu>;
using StridedArray = nb::ndarray<nb::ndim<4>, nb::device::cpu>;
using ReadOnlyArray = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using ByteArray = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using ByteGrid = nb::ndarray<uint8_t, nb::c_contig, nb::device::cpu>;
using ClassArray = nb::ndarray<const uint8_t, nb::c_contig, nb::device::cpu>;
using LongArray = nb::ndarray<const int64_t, nb::c_contig, nb::device::cpu>;
using FloatArray = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using IntArray = nb::ndarray<int32_t, nb::c_contig, nb::device::cpu>;

template <class T>
using Given = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Made = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

inline void require(bool condition, const char* message) {
    if (!condition) throw nb::value_error(message);
}

// A list of Python as a vector. The casters of nanobind must not throw, and so end the process where memory is short.
template <class T>
std::vector<T> listed(const nb::object& list) {
    std::vector<T> values;
    for (const nb::handle item : list) values.push_back(nb::cast<T>(item));
    return values;
}

inline SampleType sample_type(nb::dlpack::dtype dtype) {
    const bool is_signed = dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Int);
    require(is_signed || dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::UInt), "samples are not integers");
    if (dtype.bits == 8) return is_signed ? kSampleI8 : kSampleU8;
    if (dtype.bits == 16) return is_signed ? kSampleI16 : kSampleU16;
    require(dtype.bits == 32 && is_signed, "samples of this width are not supported");
    return kSampleI32;
}

// An array of samples as the passes take it.
inline Samples samples_of(const AnyArray& a) { return {a.data(), sample_type(a.dtype())}; }
inline Samples samples_of(const ReadOnlyArray& a) { return {const_cast<void*>(a.data()), sample_type(a.dtype())}; }

inline Geometry geometry_of(int64_t planes, const std::array<int64_t, 3>& shape, int depth, const std::array<int, 3>& tile_log2) {
    Geometry g;
    g.planes = planes;
    g.depth = depth;
    for (int a = 0; a < 3; ++a) g.shape[a] = shape[a], g.tile_log2[a] = tile_log2[a];
    return g;
}

template <class T>
Made<T> array_of(std::unique_ptr<T[]> data, size_t count) {
    T* raw = data.release();
    return Made<T>(raw, {count}, nb::capsule(raw, [](void* p) noexcept { delete[] static_cast<T*>(p); }));
}

template <class T>
Made<T> copied(const T* from, size_t count) {
    std::unique_ptr<T[]> data(new T[count]);
    std::copy_n(from, count, data.get());
    return array_of(std::move(data), count);
}

template <class T>
Made<T> copied(const std::vector<T>& values) {
    return copied(values.data(), values.size());
}

// Structs, as the bytes that they are.
template <class T>
Made<uint8_t> copied_bytes(const std::vector<T>& values) {
    return copied(reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T));
}

}  // namespace mmip
