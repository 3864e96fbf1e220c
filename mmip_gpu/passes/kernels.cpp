// Picks the copies of the kernels for this machine; see kernels.h and predictive/lockstep.h.
#include "passes/kernels.h"

#include <atomic>
#include <cstring>

#include "passes/predictive/fit_kernels.h"
#include "passes/predictive/lockstep.h"
#include "rules/predictive/residual_tokens.h"

namespace mmip_baseline {
extern const mmip::FitKernels kFitKernels;
}
#if defined(MMIP_X86)
namespace mmip_avx2 {
extern const mmip::FitKernels kFitKernels;
}
#endif

namespace mmip {

extern const Kernels kBaselineKernels;
extern const PredictiveKernels kBaselinePredictive, kWidePredictive;
#if defined(MMIP_X86)
extern const Kernels kAvx2Kernels;
extern const PredictiveKernels kAvx2Predictive, kAvx512Predictive;
#endif

namespace {

struct Copy {
    const char* name;
    const Kernels* kernels;
    const PredictiveKernels* predictive;
    const FitKernels* fit;
};

constexpr int kMostCopies = 3;

struct Supported {
    Copy list[kMostCopies];                  // best last
    int count = 0;

    Supported() {
        list[count++] = {kBaselineKernels.name, &kBaselineKernels, &kBaselinePredictive, &mmip_baseline::kFitKernels};
#if defined(MMIP_X86)
        __builtin_cpu_init();
        if (!__builtin_cpu_supports("avx2")) return;
        list[count++] = {kAvx2Kernels.name, &kAvx2Kernels, &kAvx2Predictive, &mmip_avx2::kFitKernels};
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
            list[count++] = {"avx512", &kAvx2Kernels, &kAvx512Predictive, &mmip_avx2::kFitKernels};   // of integers only: see CMakeLists.txt
#endif
    }
};

const Supported& supported() {
    static const Supported found;
    return found;
}

std::atomic<int> chosen{-1};

const Copy& current() {
    const int number = chosen.load(std::memory_order_relaxed);
    return supported().list[number < 0 ? supported().count - 1 : number];
}

}  // namespace

const Kernels& kernels() { return *current().kernels; }

const PredictiveKernels& predictive_kernels(int bits) { return bits > kLockstepBits ? kWidePredictive : *current().predictive; }

const FitKernels& fit_kernels() { return *current().fit; }

const char* selected_kernels() { return current().name; }

bool select_kernels(const char* name) {
    for (int i = 0; i < supported().count; ++i)
        if (std::strcmp(supported().list[i].name, name) == 0) {
            chosen.store(i);
            return true;
        }
    return false;
}

int available_kernels(const char** names, int most) {
    for (int i = 0; i < supported().count && i < most; ++i) names[i] = supported().list[i].name;
    return supported().count;
}

}  // namespace mmip
