// A kernel as a list of phases with barriers between them: on a GPU every lane runs a phase and waits, on the CPU a loop runs
// the lanes of a phase one after the other, so that the CPU runs, and tests, the very indexing of the GPU (design section 3).
// Values: a kernel K has Params (plain pointers and numbers), Shared (scratch of a group), kLanes, kPhases, and
// `template <int phase> static void run(const Params&, Shared&, int64_t group, int lane)`. Params hold `int64_t groups`,
// and say what they hold by MMIP_FIELDS, as the structs do that they point at. A kernel whose phases repeat, kRepeats, has
// start(..), with the arguments of run, before them, and `bool more(const Params&, const Shared&, int64_t group)`: the same for all
// lanes, out of what no first phase writes.
// Guarantees that a group runs all its phases in order; groups are independent of each other, in any order.
#pragma once

#include "rules/fields.h"
#include "rules/format.h"
#if !defined(__CUDACC__)
#include "device/kernels/watch.h"
#endif

// A part that several phases call: compiled once, or a kernel of many phases would grow too large.
#if defined(__CUDACC__)
#define MMIP_PART __host__ __device__ __noinline__
#else
#define MMIP_PART
#endif

namespace mmip {

// Lanes that a multiprocessor holds at least: bounds registers by 128, and keeps the compiler from spilling to hold more.
constexpr int kResidentLanes = 512;

// Phases first .. end - 1; halves of them, since compilers bound how deep templates nest.
template <class K, int first = 0, int end = K::kPhases>
MMIP_RULE void run_phases_of_lane(const typename K::Params& params, typename K::Shared& shared, int64_t group, int lane) {
    if constexpr (end - first > 1) {
        constexpr int middle = (first + end) / 2;
        run_phases_of_lane<K, first, middle>(params, shared, group, lane);
        run_phases_of_lane<K, middle, end>(params, shared, group, lane);
    } else {
        K::template run<first>(params, shared, group, lane);
#if defined(__CUDA_ARCH__)
        __syncthreads();
#endif
    }
}

template <class K, class = void>
constexpr bool kRepeats = false;
template <class K>
constexpr bool kRepeats<K, decltype(void(&K::more))> = true;

// A lane's part of a group.
template <class K>
MMIP_RULE void run_lane(const typename K::Params& params, typename K::Shared& shared, int64_t group, int lane) {
    if constexpr (kRepeats<K>) {
        K::start(params, shared, group, lane);
#if defined(__CUDA_ARCH__)
        __syncthreads();
#endif
        while (K::more(params, shared, group)) run_phases_of_lane<K>(params, shared, group, lane);
#if defined(__CUDA_ARCH__)
        __syncthreads();                 // the next group starts when all have seen the end of this one
#endif
    } else {
        run_phases_of_lane<K>(params, shared, group, lane);
    }
}

// How many groups a multiprocessor should hold at once: K::kResident where a kernel has it, else those of kResidentLanes.
template <class K, class = void>
constexpr int kResidentGroups = kResidentLanes > K::kLanes ? kResidentLanes / K::kLanes : 1;
template <class K>
constexpr int kResidentGroups<K, decltype(void(K::kResident))> = K::kResident;

#if defined(__CUDACC__)
// Groups may be more than a grid can count: every block takes each gridDim-th.
#define MMIP_KERNEL(name, K)                                                                                            \
    extern "C" __global__ void __launch_bounds__(K::kLanes, mmip::kResidentGroups<K>) name(const K::Params params) {    \
        __shared__ K::Shared shared;                                                                                    \
        for (int64_t group = blockIdx.x; group < params.groups; group += gridDim.x)                                     \
            mmip::run_lane<K>(params, shared, group, static_cast<int>(threadIdx.x));                                    \
    }
#else
MMIP_RULE int lane_at(int i, int lanes, bool descending) { return descending ? lanes - 1 - i : i; }

// Lanes in ascending or descending order: what depends on it is a race on a GPU.
template <class K, int phase = 0>
void run_phases_of_group(const typename K::Params& params, typename K::Shared& shared, int64_t group, bool descending) {
    for (int i = 0; i < K::kLanes; ++i) {
        const int lane = lane_at(i, K::kLanes, descending);
        watch_lane(lane);
        K::template run<phase>(params, shared, group, lane);
    }
    watch_barrier();
    if constexpr (phase + 1 < K::kPhases) run_phases_of_group<K, phase + 1>(params, shared, group, descending);
}

template <class K>
void run_group(const typename K::Params& params, typename K::Shared& shared, int64_t group, bool descending) {
    if constexpr (kRepeats<K>) {
        for (int i = 0; i < K::kLanes; ++i) {
            const int lane = lane_at(i, K::kLanes, descending);
            watch_lane(lane);
            K::start(params, shared, group, lane);
        }
        watch_barrier();
        while (K::more(params, shared, group)) run_phases_of_group<K>(params, shared, group, descending);
    } else {
        run_phases_of_group<K>(params, shared, group, descending);
    }
}

// All groups; scratch starts as garbage, as it does on a GPU.
template <class K>
void run_on_host(const typename K::Params& params, bool descending) {
    static_assert(sizeof(typename K::Shared) <= 48 * 1024, "a group has 48 KiB");
    struct alignas(64) Scratch {
        unsigned char bytes[sizeof(typename K::Shared)];
    };
    Scratch* scratch = new Scratch;
    watch_scratch(scratch, sizeof *scratch);
    for (int64_t i = 0; i < params.groups; ++i) {
        const int64_t group = descending ? params.groups - 1 - i : i;
        __builtin_memset(scratch, 0xcd, sizeof *scratch);
        watch_group(group);
        run_group<K>(params, *reinterpret_cast<typename K::Shared*>(scratch->bytes), group, descending);
    }
    delete scratch;
}
#endif

}  // namespace mmip
