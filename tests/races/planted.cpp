// Small kernels with planted faults, and one without: the detector's own test (tests/races/test_detector.py).
#include "device/kernels/atomics.h"
#include "device/kernels/phases.h"

extern "C" void mark_undefined(uintptr_t at, uintptr_t size, bool set);
extern "C" void write_findings(const char* name);

namespace {

constexpr int kLanes = 8, kGroups = 3;

struct Params {
    int64_t groups;
    int32_t* sums;                               // by group, then one of all
    const int32_t* values;                       // by group and lane
};

enum Fault { kNone, kNoBarrier, kSharedSum, kPlainSum, kUnwrittenScratch, kCopy };

template <Fault fault>
struct SumKernel {
    static constexpr int kLanes = ::kLanes, kPhases = 3;
    using Params = ::Params;
    struct Shared {
        int32_t values[kLanes], rest[kLanes];
    };

    template <int phase>
    static void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            s.values[lane] = p.values[group * kLanes + lane];
            if (fault == kCopy) __builtin_memcpy(s.rest, s.values, sizeof(int32_t) * (1u + lane));
            if (fault == kNoBarrier) p.sums[group * kLanes + lane] = s.values[(lane + 1) % kLanes];
        } else if constexpr (phase == 1) {
            if (fault == kUnwrittenScratch) s.values[lane] += s.rest[lane];
            if (fault == kPlainSum && lane == 0) p.sums[kGroups * kLanes] += s.values[0];
            else mmip::add_to(&p.sums[kGroups * kLanes], s.values[lane]);
        } else if (lane == 0) {
            p.sums[fault == kSharedSum ? 0 : group * kLanes] = s.values[kLanes - 1];
        }
    }
};

template <Fault fault>
void launch(const char* name, bool undefined = false) {
    static int32_t sums[kGroups * kLanes + 1], values[kGroups * kLanes];
    __builtin_memset(values, 0xcd, sizeof values);
    mark_undefined(reinterpret_cast<uintptr_t>(values), sizeof values, undefined);
    mmip::watch_launch(name);
    mmip::run_on_host<SumKernel<fault>>(Params{kGroups, sums, values}, false);
    mmip::watch_launch_end();
}

}  // namespace

int main(int, char** arguments) {
    launch<kNone>("none");
    launch<kNoBarrier>("no_barrier");
    launch<kSharedSum>("shared_sum");
    launch<kPlainSum>("plain_sum");
    launch<kUnwrittenScratch>("unwritten_scratch");
    launch<kCopy>("copy");
    launch<kNone>("unwritten_memory", true);
    write_findings(arguments[1]);
}
