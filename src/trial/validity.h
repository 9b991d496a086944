// Whether a trial that ran is a result. Pure: evidence in, reasons out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trial/closing.h"
#include "trial/endpoints.h"
#include "trial/trial.h"

namespace pollmark {

// All that was seen of one trial. The references must outlive it.
struct TrialEvidence {
  const TrialOrder& order;
  const SenderAccount& sender;
  const ReceiverAccount& receiver;
  const ClosedBooks& books;
  const std::map<std::string, CounterChange>& counters;
  std::optional<std::string> tsc_step;  // the sentence of tsc_step()
  std::int64_t drain_ns = 0;            // how long Receiver::drain took
  bool counters_settled = true;         // two readings after the drain agreed
};

struct Validity {
  std::vector<std::string> invalid_reasons;  // "code: sentence", in the order of this table
  std::vector<std::string> not_checked;      // one clause each
};

// code               | cause, and nothing else
// books_open         | |unaccounted| above the tolerance, or an account that contradicts itself
// generator_short    | offered off intended by more than the tolerance; not judged at load = "max"
// counter_backwards  | a counter fell by more than a wrap explains
// echo_disagrees     | an echo differs from its owner
// tracker_disagrees  | by sequence numbers another number was sent or came than was counted (that
//                    | the missing equal the sum of losses follows from it and from closed books)
// receiver_stalled   | wall clock, polling receiver: a gap above tolerated_gap_ns, too little CPU
// generator_stalled  | the same of a polling generator
// receiver_starved   | wall clock, blocking receiver: runnable but waited too long, frames lost
// too_disturbed      | lockstep: too many iterations excised, the halves' cost differs, the core
// has
//                    | another frequency, or another thread used it too often and not as usual
// knob_differs       | a knob reads back another value than was requested
// numa_misplaced     | memory or a receiving lcore is on another NUMA node than was ordered
// tsc_step           | the TSC and CLOCK_MONOTONIC_RAW came apart
// link_flap          | a counter of link changes moved
// pause_frames       | a counter of pause frames moved
// path_drift         | the driver took another burst function than its profile expects
// capture_failed     | a capture that was ordered could not be written whole
// drain_timeout      | traffic or its counters had not come to rest when the drain gave up
//
// Counters are known by the last part of their name: link changes carrier_changes,
// carrier_up_count, carrier_down_count, link_down_events; pause frames: any with "pause", "xoff" or
// "xon". Burst functions are the knobs rx_burst_mode and tx_burst_mode.
// With order.validity = as_is, receiver_stalled, generator_stalled, receiver_starved and
// too_disturbed go to not_checked as "as_is: code: sentence" and do not make the trial invalid.
[[nodiscard]] Validity validity_of(const TrialEvidence& evidence, const TrialLimits& limits);

// Why the generator did not offer what was intended, in one sentence; nullopt when it did, or when
// the load is "max". Measured against its own schedule, and the schedule against the order (with
// room for the grain of the arrivals: one burst of 64 frames, five standard deviations of a Poisson
// count).
[[nodiscard]] std::optional<std::string> generator_shortfall(const TrialOrder& order,
                                                             const SenderAccount& sender,
                                                             double offered_tolerance);

}  // namespace pollmark
