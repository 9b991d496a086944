// Rules that a combination of legal levels must keep, known before anything is opened. A broken
// rule among values set once is a mistake of the file; among factors it refuses the cell.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "record/trial_order.h"

namespace pollmark {

struct Rule {
  std::vector<std::string> about;  // keys whose values it joins: "rx_ring", "burst", "port"
  std::string sentence;            // "rx_ring holds at least one burst"
  // The reason, with what is allowed; nullopt when it is kept.
  std::optional<std::string> (*broken)(const TrialOrder& order);
};

[[nodiscard]] const std::vector<Rule>& all_rules();
// The reason of the first rule that the order breaks.
[[nodiscard]] std::optional<std::string> refusal(const TrialOrder& order);

// The offered load in packets per second; 0 for "max", for a closed loop, and for a
// replay as recorded. Errors:
// bad_experiment when it exceeds the line, or the path has no line (veth, a
// netdev whose driver tells none) and the load is a share
// of it, or the frames come from a capture and the load is not in packets per second.
[[nodiscard]] Result<double> intended_pps(const TrialOrder& order);

}  // namespace pollmark
