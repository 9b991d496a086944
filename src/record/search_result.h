// What one search showed: for each goal the bounds between which its load lies. One line of
// searches.jsonl. Terms are those of RFC 9971 (MLRsearch).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/search_goal.h"
#include "record/trial_order.h"

namespace pollmark {

struct GoalResult {
  SearchGoal goal;
  // Both bounds are known and as close as the goal's width wants. A max_rate goal is regular when
  // it has its seconds.
  bool regular = false;
  std::string irregular_why;              // one sentence; empty when regular
  std::optional<double> lower_bound_pps;  // relevant lower bound
  std::optional<double> upper_bound_pps;  // relevant upper bound
  // Conditional throughput at the lower bound (RFC 9971 section 4.8.1); for max_rate what was
  // received, as the mean of its trials.
  std::optional<double> throughput_pps;
  // Over the full-length trials at the lower bound (max_rate: at the highest load).
  int bound_trials = 0;
  std::int64_t offered_pkts = 0;
  std::int64_t lost_pkts = 0;
  // With 95 % confidence the true loss ratio there is below this, were losses independent of each
  // other (Clopper and Pearson; without any loss that is 3 / offered_pkts).
  std::optional<double> loss_ratio_limit;
};

struct SearchResult {
  std::string group;
  std::map<std::string, std::string> cell;
  Path path = Path::model;
  ClockKind clock = ClockKind::lockstep;
  int block = 0;
  double min_load_pps = 0.0;
  double max_load_pps = 0.0;
  // The load that the generator could not offer; nothing above it was tried.
  std::optional<double> not_reachable_pps;
  std::vector<std::int64_t> trials;  // their numbers, invalid ones too, in order
  int invalid = 0;                   // of them
  double traffic_seconds = 0.0;      // of all of them
  bool complete = false;
  std::string incomplete_why;  // one sentence; empty when complete
  std::vector<GoalResult> goals;
};

// Throughput in Mpps of the goal that has this metric; nullopt when it is not regular, or there is
// no such goal.
[[nodiscard]] std::optional<double> metric_of(const SearchResult& search, std::string_view metric);

}  // namespace pollmark
