// Median of the last 64 costs, exact, in bounded time: a ring in order of arrival and the same
// values sorted.
#pragma once

#include <cstdint>

#include "datapath/isa_level.h"

namespace pollmark {

inline constexpr std::uint32_t kMedianWindow = 64;

struct alignas(64) RunningMedian {
  std::uint32_t sorted[kMedianWindow];   // [0, count)
  std::uint32_t arrived[kMedianWindow];  // ring, next is the oldest once count is the window
  std::uint32_t count = 0;
  std::uint32_t next = 0;
};

inline namespace PM_ISA_LEVEL {

// Lower median; 0 when nothing was recorded.
[[gnu::always_inline]] inline std::uint32_t median_of(const RunningMedian& median) noexcept {
  return median.count == 0 ? 0 : median.sorted[(median.count - 1) / 2];
}

inline void record(RunningMedian& median, std::uint32_t value) noexcept {
  std::uint32_t hole;
  if (median.count < kMedianWindow) {
    hole = median.count++;
  } else {
    const std::uint32_t oldest = median.arrived[median.next];
    // Branch-free search for the oldest value's place.
    hole = 0;
    for (std::uint32_t step = kMedianWindow / 2; step > 0; step /= 2)
      if (median.sorted[hole + step - 1] < oldest) hole += step;
  }
  while (hole > 0 && median.sorted[hole - 1] > value) {
    median.sorted[hole] = median.sorted[hole - 1];
    --hole;
  }
  while (hole + 1 < median.count && median.sorted[hole + 1] < value) {
    median.sorted[hole] = median.sorted[hole + 1];
    ++hole;
  }
  median.sorted[hole] = value;
  median.arrived[median.next] = value;
  median.next = (median.next + 1) % kMedianWindow;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
