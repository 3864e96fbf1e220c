// Marks in the order in which the CPU runs lanes, for the race detector (tests/races/shadow.cpp); empty elsewhere.
// Guarantees that nothing of them is left in a core, in _phases or in a kernel of a GPU.
#pragma once

#include "rules/format.h"

namespace mmip {

#if defined(MMIP_WATCHED)
void watch_launch(const char* kernel);       // begins a launch; none begins in another thread until it ends
void watch_launch_end();
void watch_scratch(const void* scratch, int64_t size);
void watch_group(int64_t group);             // scratch is undefined again
void watch_barrier();                        // what follows is done by all lanes
void watch_lane(int lane);                   // what follows is done by this one
void watch_atomic(bool begins);
#else
inline void watch_launch(const char*) {}
inline void watch_launch_end() {}
inline void watch_scratch(const void*, int64_t) {}
inline void watch_group(int64_t) {}
inline void watch_barrier() {}
inline void watch_lane(int) {}
inline void watch_atomic(bool) {}
#endif

}  // namespace mmip
