// The ring between one rx lcore and its workers, and when what lies in it can be seen (lockstep
// rule 6).
#pragma once

#include <rte_ring.h>

#include <cstdint>

#include "datapath/clock.h"
#include "datapath/isa_level.h"

namespace pollmark {

// Items pushed in one iteration are visible from its end.
struct VisibleFrom {
  std::uint64_t pushed_to = 0;
  Ticks v = 0;
};

// Indices run freely.
struct alignas(64) SoftwareRing {
  // set by control
  rte_ring* ring = nullptr;
  std::uint32_t size = 0;
  std::uint32_t producer = 0;      // its lcore, in the group
  VisibleFrom* batches = nullptr;  // [batch_mask + 1], more than size
  std::uint32_t batch_mask = 0;
  // producer: rw
  alignas(64) std::uint64_t pushed_to = 0;
  std::uint64_t announced_to = 0;  // has a time from which it is visible
  std::uint32_t batch_to = 0;
  std::uint32_t high_water = 0;
  std::uint64_t overflow = 0;  // window only
  // consumers: rw
  alignas(64) std::uint64_t taken_to = 0;
  std::uint64_t visible_to = 0;
  std::uint32_t batch_from = 0;
};

inline namespace PM_ISA_LEVEL {

// Items in it, as its producer sees them while consumers are at work.
[[gnu::always_inline]] inline std::uint32_t occupied_now(const SoftwareRing& ring) noexcept {
  return ring.ring->prod.tail - __atomic_load_n(&ring.ring->cons.tail, __ATOMIC_RELAXED);
}

// The producer's iteration ended at v.
[[gnu::always_inline]] inline void announce(SoftwareRing& ring, Ticks v) noexcept {
  if (ring.announced_to == ring.pushed_to) return;
  ring.batches[ring.batch_to++ & ring.batch_mask] = {ring.pushed_to, v};
  ring.announced_to = ring.pushed_to;
}

// Items that a consumer at v may take. v must not fall from call to call.
[[gnu::always_inline]] inline std::uint32_t visible(SoftwareRing& ring, Ticks v) noexcept {
  while (ring.batch_from != ring.batch_to && ring.batches[ring.batch_from & ring.batch_mask].v <= v)
    ring.visible_to = ring.batches[ring.batch_from++ & ring.batch_mask].pushed_to;
  return static_cast<std::uint32_t>(ring.visible_to - ring.taken_to);
}

// When the next items become visible; kNever when none are on their way.
[[nodiscard]] inline Ticks next_visible(const SoftwareRing& ring) noexcept {
  return ring.batch_from == ring.batch_to ? kNever
                                          : ring.batches[ring.batch_from & ring.batch_mask].v;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
