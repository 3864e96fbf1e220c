// Runs independent items on threads; results do not depend on how many, nor on how many of them the machine gives.
// Values: a count and a function of the item index. Home: host.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace mmip {

// What the caller's thread asks between items, several times a second; it throws where the work is to be given up.
inline std::atomic<void (*)()> on_waiting{nullptr};

class Waiting {
public:
    void look() {
        const auto now = std::chrono::steady_clock::now();
        if (now < next_) return;
        next_ = now + std::chrono::milliseconds(50);
        if (const auto ask = on_waiting.load()) ask();
    }

private:
    std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
};

// work(item, worker) for every item in [0, count); the first exception is thrown again when all workers stopped.
template <class Work>
void parallel_for(int64_t count, int threads, const Work& work) {
    const int workers = static_cast<int>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(count, 1)));
    std::atomic<int64_t> next{0};
    std::exception_ptr failure;
    std::mutex guard;
    const auto loop = [&](int worker) {
        try {
            Waiting waiting;
            for (int64_t item = next++; item < count; item = next++) {
                work(item, worker);
                if (worker == 0) waiting.look();
            }
        } catch (...) {
            const std::lock_guard<std::mutex> lock(guard);
            if (!failure) failure = std::current_exception();
            next = count;
        }
    };
    std::vector<std::thread> pool;
    try {
        pool.reserve(static_cast<size_t>(workers - 1));
        for (int w = 1; w < workers; ++w) pool.emplace_back(loop, w);
    } catch (const std::system_error&) {  // no more threads: those that there are do the work
    } catch (const std::bad_alloc&) {
    }
    loop(0);
    for (std::thread& t : pool) t.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace mmip
