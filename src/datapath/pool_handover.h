// mbufs go from lcore to lcore through their pool, whose rings order it on the hardware. The thread
// sanitizer cannot see that: DPDK's libraries are not built with it. These tell it.
#pragma once

#ifdef __SANITIZE_THREAD__
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace pollmark {

[[gnu::always_inline]] inline void taken_from([[maybe_unused]] void* pool) noexcept {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(pool);
#endif
}
[[gnu::always_inline]] inline void giving_to([[maybe_unused]] void* pool) noexcept {
#ifdef __SANITIZE_THREAD__
  __tsan_release(pool);
#endif
}

}  // namespace pollmark
