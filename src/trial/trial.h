// One trial's lifecycle: open, counters before, start, join, drain, stop, counters after, close the
// books, validity, limited_by. Pure of DPDK and of the kernel; tested with fakes.
#pragma once

#include "trial/clocks.h"
#include "trial/endpoints.h"

namespace pollmark {

struct TrialLimits {
  double offered_tolerance = 0.001;        // |offered - intended| / intended
  std::int64_t unaccounted_tolerance = 0;  // packets; by profile
  double min_thread_cpu_fraction = 0.99;   // polling lcores on wall clock
  double max_runnable_waiting = 0.01;      // blocking receivers, unless nothing was lost
  // Closed loops: their own wake-ups, thousands a second, are some of it.
  double max_loop_waiting = 0.03;
  double max_excised_share = 0.005;    // lockstep rule 7
  double max_half_drift = 0.03;        // lockstep rule 7
  double max_core_slowdown = 0.04;     // lockstep, either way
  double max_core_shared = 0.04;       // lockstep rule 11
  std::int64_t quiet_ns = 20'000'000;  // drain
  std::int64_t drain_limit_ns = 2'000'000'000;
  int max_counter_readings = 5;  // after the drain, until two agree
  std::int64_t counter_pause_ns =
      2'000'000;  // between them; a profile with slow counters raises it
};

// Runs the order on the ends of its ways (directions_of), both ways at the same time where the ends
// run in real time, and joins what they showed (trial/directions.h). The order's waits come
// behind the opening, and lengthen the quiet time that ends the drain. Counters are read upstream
// then downstream before the traffic, and after its drain (RFC 2544 s.23) downstream until two
// readings agree, max_counter_readings at most, then upstream. Two readings agree when no owner or
// echo moved; context counters may. An Error means the trial could not be carried out at all (no
// privilege, no port), or that it was abandoned (interrupted); every disturbance of a trial that
// ran is in the result as an invalid reason. One thread. ends.books may be null: no counter bears
// on the books.
[[nodiscard]] Result<TrialResult> run_trial(const TrialOrder& order, std::vector<Ends> ends,
                                            const TrialLimits& limits = {},
                                            const TrialClocks& clocks = host_clocks());
// Of an order that goes one way.
[[nodiscard]] Result<TrialResult> run_trial(const TrialOrder& order, Ends ends,
                                            const TrialLimits& limits = {},
                                            const TrialClocks& clocks = host_clocks());

// Invalid reasons are "code: sentence"; codes: books_open, generator_short, counter_backwards,
// echo_disagrees, tracker_disagrees, receiver_stalled, generator_stalled, receiver_starved,
// too_disturbed, knob_differs, numa_misplaced, tsc_step, link_flap, pause_frames, path_drift,
// capture_failed, drain_timeout. What each one means: trial/validity.h.

}  // namespace pollmark
