// What a burst costs: so much for the call, and so much for each of its frames. A poller under
// little load takes small bursts and looks busy; what it carries at most is what full bursts cost.
#pragma once

#include <optional>
#include <vector>

#include "record/trial_result.h"

namespace pollmark {

struct BurstCost {
  double call_ns = 0.0;     // 0 or above
  double frame_ns = 0.0;    // above 0
  double most_burst = 1.0;  // mean over a trial, the largest that was seen
  // Core time of a frame in bursts of so many.
  [[nodiscard]] double at(double burst) const { return frame_ns + call_ns / burst; }
};

// Calls of rx_burst that gave frames, over these frames; nullopt where the lcores did not tell.
[[nodiscard]] std::optional<double> calls_per_pkt(const TrialResult& trial);

// Least squares of the core time a frame over the calls a frame. Trials of one setting, at
// different loads or rings. nullopt when their bursts are too much alike to tell the two apart (the
// calls a frame differ by less than a quarter), or when what comes out is no cost.
[[nodiscard]] std::optional<BurstCost> fit_burst_cost(
    const std::vector<const TrialResult*>& trials);

}  // namespace pollmark
