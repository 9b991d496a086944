// How fast the core itself is: a fixed piece of work, done again and again between the iterations
// of a lockstep trial, where nothing is charged. A neighbour on the same physical core (another
// guest, a sibling thread) slows every iteration alike, so that neither excision nor the halves of
// the window show it; the same fixed work shows it.
#pragma once

#include <cstdint>

#include "datapath/clock.h"
#include "datapath/isa_level.h"

namespace pollmark {

inline constexpr std::uint32_t kProbeSlice = 64;  // probes of one mean

// written by: the thread that runs the trial; read by: control after the run
struct alignas(64) CoreProbe {
  std::uint64_t bytes[128] = {};  // what the work reads: 1 KiB, in L1
  std::uint64_t result = 0;       // keeps the work from being optimised away
  std::uint32_t costs[kProbeSlice] = {};
  std::uint32_t count = 0;  // of the slice
  // Of whole slices inside the window. The mean of a slice leaves its dearest eighth out:
  // interruptions, which rule 7 counts.
  double slice_sum = 0.0;
  double slice_least = 0.0;
  std::uint64_t slices = 0;
};

inline namespace PM_ISA_LEVEL {

// Mean of the slice without its dearest eighth; empties it.
inline double close_slice(CoreProbe& probe) noexcept {
  for (std::uint32_t dearest = 0; dearest < kProbeSlice / 8; ++dearest) {
    const std::uint32_t last = kProbeSlice - 1 - dearest;
    for (std::uint32_t i = 0; i < last; ++i) {
      if (probe.costs[i] <= probe.costs[last]) continue;
      const std::uint32_t swapped = probe.costs[i];
      probe.costs[i] = probe.costs[last];
      probe.costs[last] = swapped;
    }
  }
  std::uint64_t sum = 0;
  constexpr std::uint32_t kKept = kProbeSlice - kProbeSlice / 8;
  for (std::uint32_t i = 0; i < kKept; ++i) sum += probe.costs[i];
  probe.count = 0;
  return static_cast<double>(sum) / kKept;
}

// Loads from L1, additions and shifts side by side, as in the loops that are measured. About 500
// cycles.
[[gnu::always_inline]] inline void fixed_work(CoreProbe& probe) noexcept {
  std::uint64_t sum[4] = {1, 3, 5, 7};
  for (int round = 0; round < 8; ++round) {
    for (std::uint32_t i = 0; i < 128; i += 4) {
      for (std::uint32_t lane = 0; lane < 4; ++lane) {
        sum[lane] += probe.bytes[i + lane] ^ (sum[lane] >> 7);
        asm volatile("" : "+r"(sum[lane]));
      }
    }
  }
  probe.result += sum[0] + sum[1] + sum[2] + sum[3];
}

// One piece of it. A first round is not timed: what the iterations before left in the caches and
// in the branch predictor is the trial's, not the core's.
template <typename Tsc>
[[gnu::noinline]] void probe_core(CoreProbe& probe) noexcept {
  Ticks before = 0;
  for (int round = 0; round < 2; ++round) {
    before = Tsc::begin();
    fixed_work(probe);
  }
  const Ticks after = Tsc::end();
  const Ticks cost = after - before;
  probe.costs[probe.count++] = static_cast<std::uint32_t>(cost < 0xffffffffU ? cost : 0xffffffffU);
  if (probe.count < kProbeSlice) return;
  const double mean = close_slice(probe);
  probe.slice_sum += mean;
  if (probe.slices == 0 || mean < probe.slice_least) probe.slice_least = mean;
  ++probe.slices;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
