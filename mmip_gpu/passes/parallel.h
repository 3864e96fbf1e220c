// Runs independent items on threads; results do not depend on how many.
// Values: a count and a function of the item index. Home: host.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace mmip {

// work(item, worker) for every item in [0, count); the first exception is thrown again when all workers stopped.
template <class Work>
void parallel_for(int64_t count, int threads, const Work& work) {
    const int workers = static_cast<int>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(count, 1)));
    std::atomic<int64_t> next{0};
    std::exception_ptr failure;
    std::mutex guard;
    const auto loop = [&](int worker) {
        try {
            for (int64_t item = next++; item < count; item = next++) work(item, worker);
        } catch (...) {
            const std::lock_guard<std::mutex> lock(guard);
            if (!failure) failure = std::current_exception();
            next = count;
        }
    };
    std::vector<std::thread> pool;
    for (int w = 1; w < workers; ++w) pool.emplace_back(loop, w);
    loop(0);
    for (std::thread& t : pool) t.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace mmip
