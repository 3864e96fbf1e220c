// Race detector for kernels that run lane after lane: what the compiler calls before every access (-fsanitize=thread), with
// this in place of libtsan. Every byte remembers when it was last written, read and updated atomically.
// Values: times count runs of a lane; those since the last barrier are of the same phase, those since the last group of it.
// Guarantees the same findings in every run: no thread takes part but the one that launches.
// MMIP_RACES_PLANT, separated by commas, plants faults that it must find: "KERNEL/N" leaves out the N-th barrier of that kernel,
// "KERNEL/atomics" takes its updates for plain ones, "zeros" has arrays of zeros for undefined (watched.py marks them).
#include <bitset>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>

#include <dlfcn.h>

#include "device/kernels/watch.h"

namespace {

constexpr uintptr_t kPage = 4096;
constexpr size_t kMostPages = 3000;          // pages of shadow that a group leaves behind; each takes about 200 KB
constexpr uintptr_t kStack = 1 << 16;        // below the frame of a mark are temporaries of the kernel

constexpr int kPlanted = 32;                 // barriers of a kernel that can be left out: the first ones

enum Access { kRead, kWrite, kAtomic };
enum Finding { kLanes, kLanesAtomic, kGroups, kGroupsAtomic, kScratch, kMemory, kMisaligned };
const char* const kNames[] = {"lanes", "lanes, one atomically", "groups", "groups, one atomically",
                              "undefined scratch", "undefined memory", "misaligned"};

// Times of accesses of one kind: the first of the phase, the last, and the last of the launch's earlier groups.
struct Times {
    uint32_t first, last, before, code;
};

struct Cell {
    Times of[3];
};

using Undefined = std::bitset<kPage>;

struct Page {
    Cell cells[kPage];
    Undefined* undefined;
};

struct Totals {
    uint64_t launches = 0, accesses = 0;
};

struct Found {
    uint64_t times = 0;
    std::string example;
};

std::mutex launching;
thread_local bool watching __attribute__((tls_model("initial-exec"))) = false;
bool atomic = false;
bool has_atomics = true;
std::bitset<kPlanted + 1> left_out;          // barriers of this launch
uint32_t now = 1, phase_begin = 1, group_begin = 1, launch_begin = 1;
int lane = -1, barriers = 0;
int64_t group_number = 0;
uintptr_t stack_end = 0, scratch_begin = 0, scratch_end = 0, module_begin = 0;
const char* kernel = "";
Totals* totals = nullptr;
std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
std::unordered_map<uintptr_t, std::unique_ptr<Undefined>> undefined;
std::map<std::string, Totals> launches;
std::map<std::tuple<int, uint32_t, uint32_t, std::string>, Found> findings;

bool is_planted(const std::string& fault) {
    const char* const plants = std::getenv("MMIP_RACES_PLANT");
    return plants != nullptr && ("," + std::string(plants) + ",").find("," + fault + ",") != std::string::npos;
}

const unsigned char garbage = is_planted("zeros") ? 0 : 0xcd;

Page* page_of(uintptr_t number) {
    struct Near {
        uintptr_t number;
        Page* page;
    };
    static Near near[256];
    Near& slot = near[number % 256];
    if (slot.number == number && slot.page != nullptr) return slot.page;
    if (number == 0) {                       // forget
        std::memset(near, 0, sizeof near);
        return nullptr;
    }
    std::unique_ptr<Page>& page = pages[number];
    if (page == nullptr) {
        page.reset(new Page());
        const auto found = undefined.find(number);
        if (found != undefined.end()) page->undefined = found->second.get();
    }
    slot = {number, page.get()};
    return page.get();
}

void forget_pages() {
    const bool watched = watching;
    watching = false;                        // clearing calls memset
    page_of(0);
    pages.clear();
    watching = watched;
}

bool is_scratch(uintptr_t at) { return at >= scratch_begin && at < scratch_end; }

__attribute__((noinline)) void report(Finding kind, uint32_t code, uint32_t other, uintptr_t at) {
    Found& found = findings[{kind, code, other, kernel}];
    if (found.times++ > 0) return;
    char text[160];
    std::snprintf(text, sizeof text, "phase %d, group %lld, lane %d, %s%s%lld", barriers, static_cast<long long>(group_number), lane,
                  is_scratch(at) ? "scratch" : "memory", is_scratch(at) ? "+" : " & ", static_cast<long long>(is_scratch(at) ? at - scratch_begin : at % 64));
    found.example = text;
}

// Whether an access now meets an earlier one of another lane of the phase, or of another group of the launch.
__attribute__((always_inline)) inline void meet(const Times& t, Finding lanes, Finding groups, uint32_t code, uintptr_t at, bool global) {
    if (t.last >= phase_begin && (t.last != now || t.first != now)) report(lanes, code, t.code, at);
    if (global && ((t.last >= launch_begin && t.last < group_begin) || t.before >= launch_begin)) report(groups, code, t.code, at);
}

void note(Times& t, uint32_t code) {
    if (t.last < phase_begin) t.first = now;
    if (t.last < group_begin) t.before = t.last;
    t.last = now;
    t.code = code;
}

__attribute__((always_inline)) inline void touch_byte(Page& page, uintptr_t at, Access access, uint32_t code, bool scratch) {
    Cell& cell = page.cells[at % kPage];
    if (cell.of[access].last == now) return;     // this lane did so in this phase, and no other has run since
    if (access != kWrite && scratch && cell.of[kWrite].last < group_begin && cell.of[kAtomic].last < group_begin) report(kScratch, code, 0, at);
    if (page.undefined != nullptr && (*page.undefined)[at % kPage]) {
        const bool untouched = *reinterpret_cast<const unsigned char*>(at) == garbage;   // the host writes without a mark
        if (access != kWrite && untouched) report(kMemory, code, 0, at);
        if (access != kRead || !untouched) page.undefined->reset(at % kPage);
    }
    if (access != kRead) meet(cell.of[kRead], access == kAtomic ? kLanesAtomic : kLanes, access == kAtomic ? kGroupsAtomic : kGroups, code, at, !scratch);
    meet(cell.of[kWrite], access == kAtomic ? kLanesAtomic : kLanes, access == kAtomic ? kGroupsAtomic : kGroups, code, at, !scratch);
    if (access != kAtomic) meet(cell.of[kAtomic], kLanesAtomic, kGroupsAtomic, code, at, !scratch);
    note(cell.of[access], code);
}

void touch(void* address, uintptr_t size, Access access, void* caller, bool aligned = true) {
    if (!watching || size == 0) return;
    const uintptr_t at = reinterpret_cast<uintptr_t>(address), frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    if (at >= frame - kStack && at < stack_end) return;
    const uint32_t code = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(caller) - module_begin);
    if (atomic) access = kAtomic;
    ++totals->accesses;
    watching = false;                        // what follows may call memset
    if (aligned && at % size != 0) report(kMisaligned, code, 0, at);
    const bool scratch = is_scratch(at);
    for (uintptr_t i = at; i < at + size;) {
        Page& page = *page_of(i / kPage);
        for (const uintptr_t end = i / kPage * kPage + kPage; i < end && i < at + size; ++i) touch_byte(page, i, access, code, scratch);
    }
    watching = true;
}

}  // namespace

namespace mmip {

void watch_launch(const char* name) {
    launching.lock();
    Dl_info info;
    dladdr(reinterpret_cast<void*>(watch_launch), &info);
    module_begin = reinterpret_cast<uintptr_t>(info.dli_fbase);
    kernel = name;
    totals = &launches[name];
    has_atomics = !is_planted(std::string(name) + "/atomics");
    for (int i = 1; i <= kPlanted; ++i) left_out[i] = is_planted(std::string(name) + "/" + std::to_string(i));
    ++totals->launches;
    if (now > uint32_t{1} << 31 || pages.size() > kMostPages) {
        forget_pages();
        now = 1;
    }
    launch_begin = group_begin = phase_begin = ++now;
    stack_end = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

void watch_launch_end() {
    watching = false;
    launching.unlock();
}

void watch_scratch(const void* scratch, int64_t size) {
    scratch_begin = reinterpret_cast<uintptr_t>(scratch);
    scratch_end = scratch_begin + static_cast<uintptr_t>(size);
    watching = true;
}

void watch_group(int64_t group) {
    group_number = group;
    if (pages.size() > kMostPages) forget_pages();   // a huge launch: its groups so far are met no more
    group_begin = phase_begin = ++now;
    lane = -1;
    barriers = 0;
}

void watch_barrier() {
    ++barriers;
    if (barriers <= kPlanted && left_out[barriers]) return;
    phase_begin = ++now;
    lane = -1;
}

void watch_lane(int number) {
    lane = number;
    ++now;
}

void watch_atomic(bool begins) { atomic = begins && has_atomics; }

}  // namespace mmip

#define EXPORTED extern "C" __attribute__((visibility("default")))

// Appends what was found to a file, a line each, columns by tabs.
EXPORTED void write_findings(const char* name) {
    FILE* file = std::fopen(name, "a");
    if (file == nullptr) return;
    for (const auto& [key, found] : findings) {
        std::fprintf(file, "finding\t%s\t%s\t%x\t%x\t%llu\t%s\n", std::get<3>(key).c_str(), kNames[std::get<0>(key)], std::get<1>(key),
                     std::get<2>(key), static_cast<unsigned long long>(found.times), found.example.c_str());
    }
    for (const auto& [launched, sums] : launches) {
        std::fprintf(file, "kernel\t%s\t%llu\t%llu\n", launched.c_str(), static_cast<unsigned long long>(sums.launches),
                     static_cast<unsigned long long>(sums.accesses));
    }
    std::fclose(file);
}

// Bytes that hold nothing yet, each 0xcd; and that they hold something, or are no array's any more.
EXPORTED void mark_undefined(uintptr_t at, uintptr_t size, bool set) {
    const std::lock_guard<std::mutex> lock(launching);
    for (uintptr_t i = at; i < at + size; ++i) {
        const uintptr_t number = i / kPage;
        std::unique_ptr<Undefined>& bits = undefined[number];
        if (bits == nullptr) {
            bits.reset(new Undefined());
            const auto page = pages.find(number);
            if (page != pages.end()) page->second->undefined = bits.get();
        }
        for (const uintptr_t end = number * kPage + kPage; i < end && i < at + size; ++i) bits->set(i % kPage, set);
        --i;
    }
}

#define MARK(bytes)                                                                                                              \
    void __tsan_read##bytes(void* at) { touch(at, bytes, kRead, __builtin_return_address(0)); }                                 \
    void __tsan_write##bytes(void* at) { touch(at, bytes, kWrite, __builtin_return_address(0)); }                               \
    void __tsan_unaligned_read##bytes(void* at) { touch(at, bytes, kRead, __builtin_return_address(0), false); }                \
    void __tsan_unaligned_write##bytes(void* at) { touch(at, bytes, kWrite, __builtin_return_address(0), false); }

extern "C" {
MARK(1)
MARK(2)
MARK(4)
MARK(8)
MARK(16)
void __tsan_read_range(void* at, uintptr_t size) { touch(at, size, kRead, __builtin_return_address(0), false); }
void __tsan_write_range(void* at, uintptr_t size) { touch(at, size, kWrite, __builtin_return_address(0), false); }
// The compiler marks no copies by functions; the linker brings those of the module here (--wrap).
void* __real_memcpy(void* to, const void* from, size_t size);
void* __real_memmove(void* to, const void* from, size_t size);
void* __real_memset(void* to, int value, size_t size);
void* __wrap_memcpy(void* to, const void* from, size_t size) {
    touch(const_cast<void*>(from), size, kRead, __builtin_return_address(0), false);
    touch(to, size, kWrite, __builtin_return_address(0), false);
    return __real_memcpy(to, from, size);
}
void* __wrap_memmove(void* to, const void* from, size_t size) {
    touch(const_cast<void*>(from), size, kRead, __builtin_return_address(0), false);
    touch(to, size, kWrite, __builtin_return_address(0), false);
    return __real_memmove(to, from, size);
}
void* __wrap_memset(void* to, int value, size_t size) {
    const bool is_garbage = reinterpret_cast<uintptr_t>(to) == scratch_begin && value == 0xcd;   // of run_on_host
    if (!is_garbage) touch(to, size, kWrite, __builtin_return_address(0), false);
    return __real_memset(to, value, size);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
unsigned char __tsan_atomic8_load(const volatile unsigned char* at, int) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
}
