#include "rig/tally_memory.h"

#include <algorithm>
#include <cmath>

namespace pollmark {

LatencyTally TallyMemory::tally() {
  LatencyTally tally;
  tally.counts = counts_.data();
  tally.spilled = spilled_.data();
  return tally;
}

void add_tally(LatencyHistogram& histogram, const LatencyTally& tally, double tsc_hz) {
  if (tally.min > tally.max) return;
  const auto ns = [&](double ticks) {
    return static_cast<std::int64_t>(std::llround(ticks * 1e9 / tsc_hz));
  };
  const std::uint32_t min_bin = latency_bin(tally.min);
  const std::uint32_t max_bin = latency_bin(tally.max);
  for (std::uint32_t bin = min_bin; bin <= max_bin; ++bin) {
    auto count = static_cast<std::int64_t>(recorded_in(tally, bin));
    if (count > 0 && bin == min_bin) {
      histogram.record(ns(static_cast<double>(tally.min)));
      --count;
    }
    if (count > 0 && bin == max_bin) {
      histogram.record(ns(static_cast<double>(tally.max)));
      --count;
    }
    if (count == 0) continue;
    const auto lowest = static_cast<double>(latency_bin_lowest(bin));
    const auto next = static_cast<double>(latency_bin_lowest(bin + 1));
    // The middle of the values that can lie there: a bin one tick wide holds its lowest. What is
    // beside the least or the greatest in its bin is not beyond it.
    const double middle = std::clamp((lowest + next - 1.0) / 2.0, static_cast<double>(tally.min),
                                     static_cast<double>(tally.max));
    histogram.record(ns(middle), count);
  }
}

}  // namespace pollmark
