// Whether a lockstep trial has its core to itself, and how fast that core is. A thread beside on
// the same physical core (another guest, a sibling) slows every iteration alike, so that neither
// excision nor the halves of the window show it. Two pieces of fixed work tell it apart from
// another frequency: multiplications that wait for each other take the same core cycles whoever
// shares the core; independent additions and shifts fill its execution units and get dearer.
#pragma once

#include <cstdint>

#include "datapath/clock.h"
#include "datapath/isa_level.h"

namespace pollmark {

inline constexpr std::uint32_t kProbeSlice = 64;     // readings of one mean
inline constexpr std::uint32_t kQuietReadings = 32;  // in a row, some 20 us: the other has gone
inline constexpr double kSharedAbove = 1.12;         // times the usual mix
inline constexpr Ticks kPeekGrain = 64;              // a peek's own bracket, and one step of a TSC
inline constexpr std::uint32_t kPeeksPerReading = 8;

enum class LookIn : std::uint8_t { window, outside };  // only the window's count

// Means of slices of costs, without the dearest eighth: interruptions, which rule 7 counts.
struct SliceMean {
  std::uint32_t costs[kProbeSlice] = {};
  double sum = 0.0;  // of the means
  double last = 0.0;
};

// written by: the thread that runs the trial; read by: control after the run
struct alignas(64) CoreProbe {
  // set by control before the run
  double mix_per_chain = 0.0;  // with the core to itself; 0: not known, nothing counts as shared
  Ticks limit = kNever;        // of the mix: kSharedAbove of what this frequency makes of it
  Ticks patience = 0;          // what the run may wait for the core, in all
  // written by the run
  std::uint64_t result = 1;  // keeps the work from being optimised away
  std::uint32_t count = 0;   // readings of the slice
  SliceMean chain;
  SliceMean mix;
  std::uint64_t slices = 0;
  std::uint32_t peeks = 0;
  double least_mix_per_chain = 0.0;  // of any slice; 0: none yet
  std::uint64_t looks = 0;           // in the window
  std::uint64_t shared = 0;          // of them, found another thread on the core
  Ticks waited = 0;
};

inline namespace PM_ISA_LEVEL {

inline double close_slice(SliceMean& slice) noexcept {
  for (std::uint32_t dearest = 0; dearest < kProbeSlice / 8; ++dearest) {
    const std::uint32_t last = kProbeSlice - 1 - dearest;
    for (std::uint32_t i = 0; i < last; ++i) {
      if (slice.costs[i] <= slice.costs[last]) continue;
      const std::uint32_t swapped = slice.costs[i];
      slice.costs[i] = slice.costs[last];
      slice.costs[last] = swapped;
    }
  }
  std::uint64_t sum = 0;
  constexpr std::uint32_t kKept = kProbeSlice - kProbeSlice / 8;
  for (std::uint32_t i = 0; i < kKept; ++i) sum += slice.costs[i];
  slice.last = static_cast<double>(sum) / kKept;
  slice.sum += slice.last;
  return slice.last;
}

// 150 multiplications, each of the result before: about 450 cycles.
[[gnu::always_inline]] inline void chain_work(CoreProbe& probe) noexcept {
  std::uint64_t value = probe.result;
  for (int round = 0; round < 150; ++round) {
    value *= 6364136223846793005ULL;
    asm volatile("" : "+r"(value));
  }
  probe.result = value;
}

// Rounds of twelve operations side by side, in registers: 400 take about 1300 cycles.
template <std::uint64_t kRounds>
[[gnu::always_inline]] inline void mix_work(CoreProbe& probe) noexcept {
  std::uint64_t lane[4] = {probe.result, 3, 5, 7};
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    lane[0] ^= lane[0] << 7;
    lane[1] += lane[1] >> 3;
    lane[2] ^= lane[2] >> 9;
    lane[3] += lane[3] << 5;
    for (std::uint64_t& one : lane) {
      one += round;
      asm volatile("" : "+r"(one));
    }
  }
  probe.result += lane[0] + lane[1] + lane[2] + lane[3];
}

struct CoreReading {
  Ticks chain = 0;
  Ticks mix = 0;
};

// How the core is read.
template <typename Tsc>
struct CoreReader {
  [[gnu::noinline]] static CoreReading read(CoreProbe& probe) noexcept {
    const Ticks before = Tsc::begin();
    chain_work(probe);
    const Ticks between = Tsc::end();
    mix_work<400>(probe);
    return {between - before, Tsc::end() - between};
  }
  // A quarter of the mix.
  [[gnu::noinline]] static Ticks peek(CoreProbe& probe) noexcept {
    const Ticks before = Tsc::begin();
    mix_work<100>(probe);
    return Tsc::end() - before;
  }
  [[gnu::always_inline]] static inline Ticks now() noexcept { return Tsc::now(); }
};

// One reading, for the means; what the mix cost.
template <typename Reader>
[[gnu::noinline]] Ticks probe_core(CoreProbe& probe) noexcept {
  const CoreReading reading = Reader::read(probe);
  constexpr Ticks kMost = 0xffffffffU;
  probe.chain.costs[probe.count] =
      static_cast<std::uint32_t>(reading.chain < kMost ? reading.chain : kMost);
  probe.mix.costs[probe.count] =
      static_cast<std::uint32_t>(reading.mix < kMost ? reading.mix : kMost);
  if (++probe.count == kProbeSlice) {
    probe.count = 0;
    ++probe.slices;
    const double chain = close_slice(probe.chain);
    const double ratio = close_slice(probe.mix) / chain;
    if (probe.least_mix_per_chain == 0.0 || ratio < probe.least_mix_per_chain)
      probe.least_mix_per_chain = ratio;
    if (probe.mix_per_chain > 0.0)
      probe.limit = static_cast<Ticks>(kSharedAbove * probe.mix_per_chain * chain);
  }
  return reading.mix;
}

// Looks whether the core is shared, and waits until it is not (kQuietReadings in a row), patience
// is at its end or the trial is abandoned. A peek comes first, most often alone; one dear reading
// by itself is an interruption.
template <typename Reader, typename World>
[[gnu::noinline]] void look_at_core(CoreProbe& probe, const World& world, LookIn part) noexcept {
  const bool counted = part == LookIn::window;
  if (counted) ++probe.looks;
  const bool dear = Reader::peek(probe) > probe.limit / 4 + kPeekGrain;
  if (!dear && ++probe.peeks % kPeeksPerReading != 0) return;
  if (probe_core<Reader>(probe) <= probe.limit || probe_core<Reader>(probe) <= probe.limit) return;
  if (counted) ++probe.shared;
  const Ticks from = Reader::now();
  Ticks waited = 0;
  for (std::uint32_t quiet = 0;
       quiet < kQuietReadings && waited < probe.patience && !world.abandoned();) {
    quiet = probe_core<Reader>(probe) <= probe.limit ? quiet + 1 : 0;
    waited = Reader::now() - from;
  }
  probe.waited += waited;
  probe.patience = waited < probe.patience ? probe.patience - waited : 0;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
