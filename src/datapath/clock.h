// Time as the hot loops read it. Ticks are TSC ticks; conversion to ns happens at report time.
#pragma once

#include <x86intrin.h>

#include <cstdint>

#include "datapath/isa_level.h"

namespace pollmark {

using Ticks = std::uint64_t;
inline constexpr Ticks kNever = ~Ticks{0};

inline namespace PM_ISA_LEVEL {

// The processor's counter. begin() and end() enclose one measured iteration: no load of the
// iteration is still under way at end(), none of it has begun at begin(). Their own cost is
// calibrated (lockstep rule 4).
struct HardwareTsc {
  [[gnu::always_inline]] static inline Ticks begin() noexcept {
    _mm_lfence();
    const Ticks ticks = __rdtsc();
    _mm_lfence();
    return ticks;
  }
  [[gnu::always_inline]] static inline Ticks end() noexcept {
    unsigned int processor = 0;
    const Ticks ticks = __rdtscp(&processor);
    _mm_lfence();
    return ticks;
  }
  [[gnu::always_inline]] static inline Ticks now() noexcept { return __rdtsc(); }
};

// Real time.
struct WallClock {
  static constexpr bool kLockstep = false;
  // Two CPUs' counters may disagree by less than a frame takes: no stamp counts as later than what
  // came of it.
  [[gnu::always_inline]] static inline Ticks not_after(Ticks stamp, Ticks now) noexcept {
    return stamp < now ? stamp : now;
  }
  [[gnu::always_inline]] static inline Ticks now() noexcept { return __rdtsc(); }
};

// Lockstep rule 8: now() = V + (tsc - tsc at the start of the iteration). Rule 7 reaches in here:
// past the limit of excision the iteration is disturbed and counts as its usual cost.
template <typename Tsc>
struct LockstepClock {
  static constexpr bool kLockstep = true;
  [[gnu::always_inline]] static inline Ticks not_after(Ticks stamp, Ticks /*now*/) noexcept {
    return stamp;
  }
  Ticks start = 0;       // V
  Ticks begun = 0;       // tsc at the start of the iteration
  Ticks limit = kNever;  // above this the measured cost is not this iteration's
  Ticks usual = 0;       // what it is charged then
  [[gnu::always_inline]] inline Ticks now() const noexcept {
    const Ticks spent = Tsc::now() - begun;
    return start + (spent > limit ? usual : spent);
  }
};

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
