// What a rule calls on its value type: float on one GPU lane, a vector of eight floats on the CPU.
// Values: V = float or F8, with the integer type of the same width. Guarantees that lane i of a vector gives what a float gives.
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

MMIP_RULE int32_t truncate(float v) { return static_cast<int32_t>(v); }
MMIP_RULE float to_float(int32_t v) { return static_cast<float>(v); }
MMIP_RULE float absolute(float v) { return v < 0 ? -v : v; }
MMIP_RULE float smaller(float a, float b) { return a < b ? a : b; }
MMIP_RULE int32_t where(bool condition, int32_t a, int32_t b) { return condition ? a : b; }
MMIP_RULE float kept(bool condition, float v) { return condition ? v : 0.0f; }
MMIP_RULE int32_t one(bool condition) { return condition ? 1 : 0; }

MMIP_RULE int bit_count(uint32_t v) {
#if defined(__CUDA_ARCH__)
    return __popc(v);
#else
    return __builtin_popcount(v);
#endif
}

// Bit length of 0 <= v < 2^24, from the exponent of the float.
MMIP_RULE int32_t float_bit_length(int32_t v) {
#if defined(__CUDA_ARCH__)
    const int32_t exponent = __float_as_int(to_float(v)) >> 23;
#else
    const float f = to_float(v);
    int32_t exponent;
    __builtin_memcpy(&exponent, &f, 4);
    exponent >>= 23;
#endif
    return v > 0 ? exponent - 126 : 0;
}

#if !defined(__CUDACC__)
typedef float F8 __attribute__((vector_size(32)));
typedef int32_t I8 __attribute__((vector_size(32)));
typedef uint16_t U8x16 __attribute__((vector_size(16)));   // eight of 16 bits
typedef float F4 __attribute__((vector_size(16)));

// Lines of a transform that go side by side: as many as a register holds. Wider ones would be spilled at every step.
#if defined(__AVX__)
typedef F8 Lanes;
#else
typedef F4 Lanes;
#endif
constexpr int kLanes = sizeof(Lanes) / sizeof(float);

// Lanes of a (0 to 7) and b (8 to 15), by their numbers.
#if defined(__clang__) || __GNUC__ >= 12
#define MMIP_MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MMIP_MIX(a, b, ...) __builtin_shuffle(a, b, MMIP_NS::I8{__VA_ARGS__})
#endif

MMIP_RULE I8 truncate(F8 v) { return __builtin_convertvector(v, I8); }
MMIP_RULE F8 to_float(I8 v) { return __builtin_convertvector(v, F8); }
MMIP_RULE F8 absolute(F8 v) { return v < 0 ? -v : v; }
MMIP_RULE F8 smaller(F8 a, float b) { return a < b ? a : F8{} + b; }
MMIP_RULE I8 where(I8 condition, I8 a, I8 b) { return condition ? a : b; }
MMIP_RULE F8 kept(I8 condition, F8 v) { return reinterpret_cast<F8>(reinterpret_cast<I8>(v) & condition); }
MMIP_RULE I8 one(I8 condition) { return -condition; }
MMIP_RULE I8 float_bit_length(I8 v) {
    const F8 f = to_float(v);
    I8 bits;
    __builtin_memcpy(&bits, &f, sizeof bits);
    return v > 0 ? (bits >> 23) - 126 : I8{};
}

// Eight samples of a row as integers. GCC takes bytes apart one by one where it is not told.
template <class T>
MMIP_RULE I8 widened(const T* row) {
#if defined(__AVX2__) && !defined(__clang__)
    if constexpr (sizeof(T) == 1) {
        typedef char Bytes __attribute__((vector_size(16)));
        typedef int64_t Longs __attribute__((vector_size(16)));
        Longs eight{};
        __builtin_memcpy(&eight, row, 8);
        const Bytes bytes = reinterpret_cast<Bytes>(eight);
        return static_cast<T>(-1) < 0 ? reinterpret_cast<I8>(__builtin_ia32_pmovsxbd256(bytes)) : reinterpret_cast<I8>(__builtin_ia32_pmovzxbd256(bytes));
    }
#endif
    typedef T Samples __attribute__((vector_size(8 * sizeof(T))));
    Samples eight;
    __builtin_memcpy(&eight, row, sizeof eight);
    return __builtin_convertvector(eight, I8);
}

// Element i of the result is element at[i] of the two vectors one after the other.
template <int... at, class V>
MMIP_RULE V mix(V a, V b) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(a, b, at...);
#else
    typedef int32_t Elements __attribute__((vector_size(sizeof(V))));
    return __builtin_shuffle(a, b, Elements{at...});
#endif
}
#endif

}  // namespace MMIP_NS
