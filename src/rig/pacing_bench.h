// How evenly the generator sends.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "datapath/hot_level.h"

namespace pollmark {

// How evenly the generator keeps a schedule: one-frame slots at a constant rate to net_null.
struct PacingRow {
  double asked_pps = 0.0;
  double sent_pps = 0.0;
  double rate_error = 0.0;     // of the mean rate outside stalls, against the asked one
  std::int64_t gaps = 0;       // between departures, outside stalls
  std::vector<double> within;  // share of them that far from the ideal, by kNearNs
  double back_to_back = 0.0;   // share that left in one burst
  std::int64_t stalls = 0;     // somebody else had the CPU for 2 us or more
  double stalled_share = 0.0;  // of the time
  std::int64_t longest_stall_ns = 0;
  std::int64_t gaps_behind_stalls = 0;  // while their debt was worked off: in none of the shares
  std::int64_t given_up_pkts = 0;
};

// 0.1, 1 and 5 Mpps, for that time each. Starts EAL with a net_null port; the
// calling thread sends. Errors: host_cannot.
[[nodiscard]] Result<std::vector<PacingRow>> run_pacing_bench(const HotLevel& level,
                                                              double seconds);

}  // namespace pollmark
