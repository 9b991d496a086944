// What the stall model says a cell misses, to stand beside what it missed.
#pragma once

#include <optional>
#include <vector>

#include "judge/burst_cost.h"
#include "judge/queueing.h"
#include "record/trial_result.h"

namespace pollmark {

// Core time that a frame took on the receiving side, in ns: what its lcores were busy, or of a
// receiver that blocks all the time that it used, over the frames received. nullopt when either is
// unknown or nothing was received.
[[nodiscard]] std::optional<double> core_ns_per_pkt(const TrialResult& trial);
// Whether the receiving side polls descriptors with lcores of its own.
[[nodiscard]] bool polls_descriptors(const TrialResult& trial);
// Frames that arrive in a stall: how they scatter around their mean, and in which batches.
//   share  of the frames that the queue gets, 0..1
[[nodiscard]] QueueLoad queue_load(const TrafficOrder& traffic, double pps, double share,
                                   double service_pps);
[[nodiscard]] std::optional<StallProfile> stall_profile(const StallOrder& order);

// Share of all frames that find no descriptor, from the trials' load and shares of the queues
// (their means), from what a full burst costs (a backlog is worked off in full bursts; unknown: the
// core time a frame as it was), and from the stalls that were stated. Valid trials of one cell;
// those at other loads than the first's are left aside. nullopt where the model says nothing: no
// stalls stated (or a trace), no load, workers behind a ring, on/off arrivals, faults, a mempool of
// a stated size, shares or core time that were not measured.
[[nodiscard]] std::optional<double> predicted_missed_ratio(
    const std::vector<const TrialResult*>& trials, const std::optional<BurstCost>& burst_cost);

}  // namespace pollmark
