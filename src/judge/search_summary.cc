#include "judge/search_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "judge/loss_limit.h"
#include "judge/order_statistics.h"

namespace pollmark {

namespace {

const GoalResult* result_of(const SearchResult& search, const SearchGoal& goal) {
  for (const GoalResult& result : search.goals) {
    if (result.goal == goal) return &result;
  }
  return nullptr;
}

std::optional<Estimate> estimate_or_none(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  return estimate_median(std::move(values));
}

GoalSummary goal_summary(const SearchGoal& goal, const std::vector<const SearchResult*>& searches) {
  GoalSummary summary;
  summary.goal = goal;
  std::vector<double> throughput;
  std::vector<double> upper;
  for (const SearchResult* search : searches) {
    const GoalResult* result = result_of(*search, goal);
    if (result == nullptr) continue;
    ++summary.searches;
    if (!search->complete || !result->regular) {
      const std::string& why = search->complete ? result->irregular_why : search->incomplete_why;
      if (summary.irregular_why.empty()) summary.irregular_why = why;
      if (result->lower_bound_pps) {
        const double mpps = *result->lower_bound_pps / 1e6;
        summary.at_least_mpps = std::min(summary.at_least_mpps.value_or(mpps), mpps);
      }
      continue;
    }
    ++summary.regular;
    if (result->throughput_pps) throughput.push_back(*result->throughput_pps / 1e6);
    if (result->upper_bound_pps) upper.push_back(*result->upper_bound_pps / 1e6);
    summary.offered_pkts += result->offered_pkts;
    summary.lost_pkts += result->lost_pkts;
  }
  summary.throughput_mpps = estimate_or_none(std::move(throughput));
  summary.upper_bound_mpps = estimate_or_none(std::move(upper));
  summary.loss_ratio_limit = loss_ratio_limit(summary.lost_pkts, summary.offered_pkts);
  return summary;
}

}  // namespace

std::vector<GoalSummary> goal_summaries(const std::vector<const SearchResult*>& searches) {
  std::vector<GoalSummary> summaries;
  if (searches.empty()) return summaries;
  for (const GoalResult& result : searches.front()->goals) {
    summaries.push_back(goal_summary(result.goal, searches));
  }
  return summaries;
}

std::vector<LatencyAtLoad> latency_at_loads(const std::vector<const TrialResult*>& trials) {
  std::map<double, std::vector<const TrialResult*>> by_percent;
  for (const TrialResult* trial : trials) {
    if (trial->order.kind == TrialKind::latency && trial->order.pdr_percent > 0.0) {
      by_percent[trial->order.pdr_percent].push_back(trial);
    }
  }
  std::vector<LatencyAtLoad> loads;
  for (const auto& [percent, at_load] : by_percent) {
    LatencyAtLoad load;
    load.pdr_percent = percent;
    const auto values_of = [&at_load = at_load](std::string_view metric) {
      std::vector<double> values;
      for (const TrialResult* trial : at_load) {
        if (const auto value = metric_of(*trial, metric)) values.push_back(*value);
      }
      return values;
    };
    std::vector<double> offered = values_of("offered_mpps");
    if (!offered.empty()) load.offered_mpps = median_of(std::move(offered));
    load.p50_ns = estimate_or_none(values_of("latency_p50_ns"));
    load.p99_ns = estimate_or_none(values_of("latency_p99_ns"));
    load.p999_ns = estimate_or_none(values_of("latency_p999_ns"));
    loads.push_back(load);
  }
  return loads;
}

std::string why_no_throughput(const std::vector<const SearchResult*>& searches) {
  std::vector<std::string> reasons;
  for (const GoalSummary& goal : goal_summaries(searches)) {
    if (goal.throughput_mpps) return {};
    reasons.push_back(fmt::format("{}: {}", goal.goal.name, goal.irregular_why));
  }
  return join(reasons, "; ");
}

}  // namespace pollmark
