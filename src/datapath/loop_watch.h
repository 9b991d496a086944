// What a real-time lcore saw of its own loop: the gaps between its looks at the clock, and what it
// spent with work and without. One TSC read per round serves all of it.
#pragma once

#include <atomic>
#include <cstdint>

#include "datapath/clock.h"
#include "datapath/isa_level.h"
#include "datapath/latency_tally.h"

namespace pollmark {

// lcore: wo; control: ro after join
struct alignas(64) LoopWatch {
  Ticks disturbed_ticks = kNever;  // set by control: a longer round is a stall, not work
  LatencyTally gaps;               // from the start of a round to the start of the next
  std::uint64_t stalls = 0;
  Ticks stalled_ticks = 0;
  Ticks busy_ticks = 0;  // of undisturbed rounds that found frames
  std::uint64_t busy_work = 0;
  std::uint64_t empty_rounds = 0;
  Ticks opened_at = 0;  // the window, by this lcore
  Ticks closed_at = 0;
};

// Sums that a lcore publishes now and then, so that nobody has to look at its tallies while it is
// busy. lcore: stores, relaxed; anybody: loads, relaxed. Window only.
struct alignas(64) LivePulse {
  std::atomic<std::uint64_t> polled{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> offered{0};  // of a link
  std::atomic<std::uint64_t> lost{0};     // that this lcore knows of
};
inline constexpr std::uint32_t kPulseRounds = 256;  // between two publications

inline namespace PM_ISA_LEVEL {

// A round took `gap` ticks and found `work` frames.
[[gnu::always_inline]] inline void note_round(LoopWatch& watch, Ticks gap,
                                              std::uint32_t work) noexcept {
  record(watch.gaps, gap);
  keep_from_wrapping(watch.gaps, 1);
  if (gap > watch.disturbed_ticks) [[unlikely]] {
    ++watch.stalls;
    watch.stalled_ticks += gap;
  } else if (work != 0) {
    watch.busy_ticks += gap;
    watch.busy_work += work;
  } else {
    ++watch.empty_rounds;
  }
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
