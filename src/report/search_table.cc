#include "report/search_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "report/readable.h"

namespace pollmark {

namespace {

// Bounds lie half a percent apart: three digits would hide that.
std::string rate_text(double mpps) { return fmt::format("{:.4g} Mpps", mpps); }

std::string estimate_text(const std::optional<Estimate>& estimate) {
  if (!estimate) return std::string(kNotMeasured);
  if (!estimate->interval) return rate_text(estimate->median);
  return fmt::format("{:.4g} [{:.4g}, {:.4g}] Mpps", estimate->median, estimate->interval->low,
                     estimate->interval->high);
}

std::string throughput_text(const GoalSummary& goal) {
  if (goal.throughput_mpps) return estimate_text(goal.throughput_mpps);
  if (goal.at_least_mpps)
    return fmt::format("irregular: at least {}", rate_text(*goal.at_least_mpps));
  return "irregular: no load was good";
}

std::string upper_text(const GoalSummary& goal) {
  if (goal.goal.kind == GoalKind::max_rate) return "-";
  return estimate_text(goal.upper_bound_mpps);
}

std::string regular_text(const GoalSummary& goal) {
  std::string text = fmt::format("{}/{}", goal.regular, goal.searches);
  if (!goal.irregular_why.empty()) text += fmt::format(" ({})", goal.irregular_why);
  return text;
}

std::string ns_text(const std::optional<Estimate>& estimate) {
  return estimate ? duration_text(estimate->median) : std::string(kNotMeasured);
}

}  // namespace

TextTable throughput_table(const ShownGroup& group) {
  TextTable table;
  table.headings = {"cell",    "goal",   "throughput",     "bad from",
                    "regular", "frames", "true loss below"};
  for (const ShownCell& cell : group.cells) {
    for (const GoalSummary& goal : cell.summary->goals) {
      table.rows.push_back(
          {cell.label, goal.goal.name, throughput_text(goal), upper_text(goal), regular_text(goal),
           goal.offered_pkts > 0 ? grouped(goal.offered_pkts) : std::string("-"),
           goal.loss_ratio_limit ? ratio_text(*goal.loss_ratio_limit) : std::string(kNotMeasured)});
    }
  }
  return table;
}

TextTable latency_table(const ShownGroup& group) {
  TextTable table;
  table.headings = {"cell", "load", "offered", "p50", "p99", "p99.9"};
  for (const ShownCell& cell : group.cells) {
    for (const LatencyAtLoad& load : cell.summary->latency_at) {
      table.rows.push_back({cell.label, fmt::format("{:g} % of PDR", load.pdr_percent),
                            rate_text(load.offered_mpps), ns_text(load.p50_ns),
                            ns_text(load.p99_ns), ns_text(load.p999_ns)});
    }
  }
  return table;
}

std::vector<std::string> goal_sentences(const ShownGroup& group) {
  std::vector<std::string> sentences;
  for (const ShownCell& cell : group.cells) {
    for (const GoalSummary& goal : cell.summary->goals) {
      std::string sentence = fmt::format("{}: {}", goal.goal.name, attributes_text(goal.goal));
      if (goal.goal.kind == GoalKind::bounds)
        sentence += fmt::format("; bounds within {}", ratio_text(goal.goal.width));
      if (std::find(sentences.begin(), sentences.end(), sentence) == sentences.end())
        sentences.push_back(std::move(sentence));
    }
  }
  return sentences;
}

}  // namespace pollmark
