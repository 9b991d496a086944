// The bins behind a LatencyTally, and what they hold as a histogram of ns.
#pragma once

#include <cstdint>
#include <vector>

#include "datapath/latency_tally.h"
#include "record/histogram.h"

namespace pollmark {

class TallyMemory {
 public:
  TallyMemory() : counts_(kLatencyCounts), spilled_(kLatencyBins) {}
  TallyMemory(TallyMemory&&) = default;
  TallyMemory& operator=(TallyMemory&&) = default;

  // An empty tally over these bins; they must outlive it. Once.
  [[nodiscard]] LatencyTally tally();

 private:
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint64_t> spilled_;
};

// Adds what the tally holds, bin by bin at its middle; its least and its greatest value are exact.
// Call after the lcore has joined. tsc_hz: ticks per second.
void add_tally(LatencyHistogram& histogram, const LatencyTally& tally, double tsc_hz);

}  // namespace pollmark
