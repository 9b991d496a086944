// The stalls that a trial gives each of its rx lcores, as an ordered list of ticks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "datapath/lockstep.h"
#include "record/trial_order.h"

namespace pollmark {

// A host's own poll gaps. Text: one "<start_ns> <length_ns>" a line, starts rising, '#' begins a
// comment; "# span_ns <n>" says how long was watched (default: the end of the last gap).
struct StallTrace {
  struct Gap {
    std::int64_t start_ns = 0;
    std::int64_t length_ns = 0;
  };
  std::vector<Gap> gaps;
  std::int64_t span_ns = 0;
};

//   Errors: bad_experiment with file and line.
[[nodiscard]] Result<StallTrace> read_stall_trace(const std::filesystem::path& path);

// Stalls of one rx lcore over [0, end_ns). Each lcore has its own phase (periodic, trace) or its
// own draws (poisson: exponential distances between starts), from `seed` and `lcore`.
//   Errors: bad_experiment when stalls would fill the whole time, or from the trace.
[[nodiscard]] Result<std::vector<Stall>> make_stalls(const StallOrder& order, std::int64_t end_ns,
                                                     double tsc_hz, std::uint64_t seed, int lcore);

}  // namespace pollmark
