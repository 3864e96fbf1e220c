// What the rules of the predictive codec call on their value type: int32_t on one GPU lane, a vector of integers on the CPU.
// Values: V = int32_t or LanesI. Guarantees that lane i of a vector gives what an int32_t gives.
#pragma once

#include "rules/format.h"

#if !defined(__CUDACC__) && (defined(__AVX2__) || defined(__AVX512BW__))
#include <immintrin.h>
#endif

namespace MMIP_NS {

MMIP_RULE int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }
MMIP_RULE int32_t greatest(int32_t a, int32_t b) { return a < b ? b : a; }
MMIP_RULE int32_t selected(bool condition, int32_t a, int32_t b) { return condition ? a : b; }
MMIP_RULE int32_t shifted_left(int32_t v, int32_t by) { return static_cast<int32_t>(static_cast<uint32_t>(v) << by); }
MMIP_RULE int32_t shifted_right(int32_t v, int32_t by) { return static_cast<int32_t>(static_cast<uint32_t>(v) >> by); }   // zeros come in
MMIP_RULE int32_t looked_up(const uint32_t* table, int32_t at) { return static_cast<int32_t>(table[at]); }

// Half octaves of 0 <= e < 2^24: 2 floor(log2 e) + the bit below the leading one; below 0 for 0.
MMIP_RULE int32_t half_octaves(int32_t e) {
    const float f = static_cast<float>(e);
#if defined(__CUDA_ARCH__)
    const int32_t bits = __float_as_int(f);
#else
    int32_t bits;
    __builtin_memcpy(&bits, &f, 4);
#endif
    return (bits >> 22) - 254;
}

// log2 of 1 <= v < 2^24 in 1/256, a straight line between powers of 2.
MMIP_RULE int32_t logarithm(int32_t v) {
    const float f = static_cast<float>(v);
#if defined(__CUDA_ARCH__)
    const int32_t bits = __float_as_int(f);
#else
    int32_t bits;
    __builtin_memcpy(&bits, &f, 4);
#endif
    return (bits >> 15) - (127 << 8);
}

MMIP_RULE int32_t lane_of(int32_t v, int) { return v; }
MMIP_RULE int32_t after(int32_t before, int32_t) { return before; }   // lanes one further on, behind the last one of `before`

// 32 bits from a byte on, the first one highest. Four bytes can be read at any place that is asked for.
MMIP_RULE int32_t word_at(const uint8_t* bytes, int32_t at) {
    const uint8_t* b = bytes + at;
    return static_cast<int32_t>(static_cast<uint32_t>(b[0]) << 24 | static_cast<uint32_t>(b[1]) << 16 | static_cast<uint32_t>(b[2]) << 8 | b[3]);
}

#if !defined(__CUDACC__)
#if defined(__AVX512BW__)
constexpr int kIntegerLanes = 16;
#elif defined(__AVX2__)
constexpr int kIntegerLanes = 8;
#else
constexpr int kIntegerLanes = 4;
#endif
typedef int32_t LanesI __attribute__((vector_size(4 * kIntegerLanes)));
typedef uint32_t LanesU __attribute__((vector_size(4 * kIntegerLanes)));
typedef float LanesF __attribute__((vector_size(4 * kIntegerLanes)));

MMIP_RULE LanesI least(LanesI a, LanesI b) { return a < b ? a : b; }
MMIP_RULE LanesI greatest(LanesI a, LanesI b) { return a < b ? b : a; }
MMIP_RULE LanesI selected(LanesI condition, LanesI a, LanesI b) { return condition ? a : b; }
MMIP_RULE LanesI shifted_left(LanesI v, LanesI by) { return reinterpret_cast<LanesI>(reinterpret_cast<LanesU>(v) << reinterpret_cast<LanesU>(by)); }
MMIP_RULE LanesI shifted_right(LanesI v, LanesI by) { return reinterpret_cast<LanesI>(reinterpret_cast<LanesU>(v) >> reinterpret_cast<LanesU>(by)); }
MMIP_RULE LanesI half_octaves(LanesI e) {
    const LanesF f = __builtin_convertvector(e, LanesF);
    LanesI bits;
    __builtin_memcpy(&bits, &f, sizeof bits);
    return (bits >> 22) - 254;
}

MMIP_RULE LanesI logarithm(LanesI v) {
    const LanesF f = __builtin_convertvector(v, LanesF);
    LanesI bits;
    __builtin_memcpy(&bits, &f, sizeof bits);
    return (bits >> 15) - (127 << 8);
}
MMIP_RULE int32_t lane_of(LanesI v, int i) { return v[i]; }
MMIP_RULE LanesI after(LanesI before, LanesI v) {
#if defined(__AVX512BW__)
    return reinterpret_cast<LanesI>(_mm512_alignr_epi32(reinterpret_cast<__m512i>(v), reinterpret_cast<__m512i>(before), 15));
#elif defined(__AVX2__)
    const __m256i a = reinterpret_cast<__m256i>(before), b = reinterpret_cast<__m256i>(v);
    return reinterpret_cast<LanesI>(_mm256_alignr_epi8(b, _mm256_permute2x128_si256(a, b, 0x21), 12));
#else
    LanesI found = {before[3], v[0], v[1], v[2]};
    return found;
#endif
}

MMIP_RULE LanesI looked_up(const uint32_t* table, LanesI at) {
#if defined(__AVX512BW__)
    return reinterpret_cast<LanesI>(_mm512_i32gather_epi32(reinterpret_cast<__m512i>(at), table, 4));
#elif defined(__AVX2__)
    return reinterpret_cast<LanesI>(_mm256_i32gather_epi32(reinterpret_cast<const int*>(table), reinterpret_cast<__m256i>(at), 4));
#else
    LanesI found;
    for (int i = 0; i < kIntegerLanes; ++i) found[i] = static_cast<int32_t>(table[at[i]]);
    return found;
#endif
}

MMIP_RULE LanesI word_at(const uint8_t* bytes, LanesI at) {
#if defined(__AVX512BW__)
    const __m512i found = _mm512_i32gather_epi32(reinterpret_cast<__m512i>(at), bytes, 1);
    const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
    return reinterpret_cast<LanesI>(_mm512_shuffle_epi8(found, order));
#elif defined(__AVX2__)
    const __m256i found = _mm256_i32gather_epi32(reinterpret_cast<const int*>(bytes), reinterpret_cast<__m256i>(at), 1);
    const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
    return reinterpret_cast<LanesI>(_mm256_shuffle_epi8(found, order));
#else
    LanesI found;
    for (int i = 0; i < kIntegerLanes; ++i) found[i] = word_at(bytes, at[i]);
    return found;
#endif
}
#endif

}  // namespace MMIP_NS
