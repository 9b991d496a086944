// The searches of a cell, one in each block, as one line for each goal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "judge/estimate.h"
#include "record/search_result.h"
#include "record/trial_result.h"

namespace pollmark {

struct GoalSummary {
  SearchGoal goal;
  int searches = 0;
  int regular = 0;
  std::optional<Estimate> throughput_mpps;  // over the regular ones
  std::optional<Estimate> upper_bound_mpps;
  // Of the ones that are not regular: the least load that was still good ("at least"), and why.
  std::optional<double> at_least_mpps;
  std::string irregular_why;  // of the first; empty when all are regular
  // Pooled over the regular searches' lower bounds (max_rate: highest loads).
  std::int64_t offered_pkts = 0;
  std::int64_t lost_pkts = 0;
  std::optional<double> loss_ratio_limit;  // judge/loss_limit.h, 95 %
};

// What trials at a share of the PDR showed.
struct LatencyAtLoad {
  double pdr_percent = 0.0;
  double offered_mpps = 0.0;  // median
  std::optional<Estimate> p50_ns;
  std::optional<Estimate> p99_ns;
  std::optional<Estimate> p999_ns;
};

// In the order of the first search's goals. Searches of one cell.
[[nodiscard]] std::vector<GoalSummary> goal_summaries(
    const std::vector<const SearchResult*>& searches);
// From valid trials of kind latency at shares of the PDR, by rising load.
[[nodiscard]] std::vector<LatencyAtLoad> latency_at_loads(
    const std::vector<const TrialResult*>& trials);
// Why the goals gave no number: "ndr: good up to the highest load, 37.2 Mpps"; empty when one did.
[[nodiscard]] std::string why_no_throughput(const std::vector<const SearchResult*>& searches);

}  // namespace pollmark
