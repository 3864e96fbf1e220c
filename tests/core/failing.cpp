// Lets the n-th allocation, or the n-th thread, of the core fail: loaded before the C++ library (LD_PRELOAD).
// fail_at(n, threads): the n-th from now on fails, n = 0 none. happened(): how many were asked for since. held(): blocks not freed.
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<long> asked{0}, held_now{0}, failing{0};
static std::atomic<bool> of_threads{false};

extern "C" void fail_at(long n, int threads) { asked = 0, failing = n, of_threads = threads != 0; }
extern "C" long happened() { return asked; }
extern "C" long held() { return held_now; }

static bool fails(bool thread) { return thread == of_threads && ++asked == failing; }

static void* block(std::size_t size, std::size_t alignment) {
    void* p = fails(false) ? nullptr : alignment ? aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment) : std::malloc(size ? size : 1);
    held_now += p != nullptr;
    return p;
}

static void* block_or_throw(std::size_t size, std::size_t alignment = 0) {
    void* p = block(size, alignment);
    if (p == nullptr) throw std::bad_alloc();
    return p;
}

static void give_back(void* p) {
    held_now -= p != nullptr;
    std::free(p);
}

void* operator new(std::size_t n) { return block_or_throw(n); }
void* operator new[](std::size_t n) { return block_or_throw(n); }
void* operator new(std::size_t n, std::align_val_t a) { return block_or_throw(n, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return block_or_throw(n, static_cast<std::size_t>(a)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return block(n, 0); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return block(n, 0); }
void operator delete(void* p) noexcept { give_back(p); }
void operator delete[](void* p) noexcept { give_back(p); }
void operator delete(void* p, std::size_t) noexcept { give_back(p); }
void operator delete[](void* p, std::size_t) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete[](void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { give_back(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { give_back(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { give_back(p); }

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*run)(void*), void* with) {
    using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
    static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
    return fails(true) ? EAGAIN : create(thread, how, run, with);
}
