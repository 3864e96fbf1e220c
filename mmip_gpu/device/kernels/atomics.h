// Integer updates that several lanes make to the same place: sums, unions, least and most do not depend on their order.
// Values: 32-bit and 64-bit words. Host and device; on the CPU lanes run one after the other, so plain operations do.
#pragma once

#include "rules/format.h"
#if !defined(__CUDACC__)
#include "device/kernels/watch.h"
#endif

namespace mmip {

MMIP_RULE void add_to(uint32_t* at, uint32_t value) {
#if defined(__CUDA_ARCH__)
    atomicAdd(at, value);
#else
    watch_atomic(true);
    *at += value;
    watch_atomic(false);
#endif
}

MMIP_RULE void add_to(int64_t* at, int64_t value) {
#if defined(__CUDA_ARCH__)
    atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
#else
    watch_atomic(true);
    *at += value;
    watch_atomic(false);
#endif
}

MMIP_RULE void add_to(int32_t* at, int32_t value) { add_to(reinterpret_cast<uint32_t*>(at), static_cast<uint32_t>(value)); }

MMIP_RULE void lower_to(int32_t* at, int32_t value) {
#if defined(__CUDA_ARCH__)
    atomicMin(at, value);
#else
    watch_atomic(true);
    *at = value < *at ? value : *at;
    watch_atomic(false);
#endif
}

MMIP_RULE void raise_to(int32_t* at, int32_t value) {
#if defined(__CUDA_ARCH__)
    atomicMax(at, value);
#else
    watch_atomic(true);
    *at = value > *at ? value : *at;
    watch_atomic(false);
#endif
}

MMIP_RULE void or_into(uint32_t* at, uint32_t bits) {
#if defined(__CUDA_ARCH__)
    atomicOr(at, bits);
#else
    watch_atomic(true);
    *at |= bits;
    watch_atomic(false);
#endif
}

}  // namespace mmip
