// Picks the copy of the transform kernels for this machine; see kernels.h.
#include "passes/kernels.h"

#include <atomic>
#include <cstring>

namespace mmip {

extern const Kernels kBaselineKernels;
#if defined(MMIP_X86)
extern const Kernels kAvx2Kernels;
#endif

namespace {

// Best last.
int supported(const Kernels** list) {
    int n = 0;
    list[n++] = &kBaselineKernels;
#if defined(MMIP_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) list[n++] = &kAvx2Kernels;
#endif
    return n;
}

const Kernels* best() {
    const Kernels* list[2];
    return list[supported(list) - 1];
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

const Kernels& kernels() {
    const Kernels* k = chosen.load();
    if (k == nullptr) {
        k = best();
        chosen.store(k);
    }
    return *k;
}

bool select_kernels(const char* name) {
    const Kernels* list[2];
    const int n = supported(list);
    for (int i = 0; i < n; ++i)
        if (std::strcmp(list[i]->name, name) == 0) {
            chosen.store(list[i]);
            return true;
        }
    return false;
}

int available_kernels(const char** names, int most) {
    const Kernels* list[2];
    const int n = supported(list);
    for (int i = 0; i < n && i < most; ++i) names[i] = list[i]->name;
    return n;
}

}  // namespace mmip
