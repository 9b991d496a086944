// What a setting is asked to carry. Said in an experiment ([target]) or on the command line; read
// by plan/target.h, judged by judge/target.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"

namespace pollmark {

struct Target {
  Load rate;                     // of each direction; pps, l1_bps or l2_bps
  std::string frame;             // as written; empty: the frames that a cell was measured with
  std::vector<int> frame_bytes;  // of frame, incl. FCS; empty as that is
  double loss_ratio = 0.0;       // at most; above 0 and below 1
  std::optional<std::int64_t> p99_ns;  // of the latency, at most
  std::optional<int> cores;            // of the receiving side, at most
  friend bool operator==(const Target&, const Target&) = default;
};

}  // namespace pollmark
