#include <fmt/format.h>

#include <set>

#include "base/units.h"
#include "report/csv_field.h"
#include "report/readable.h"
#include "report/report.h"

namespace pollmark {

namespace {

// What the throughput of a goal means: its attributes, and what the loss behind it is below.
std::string attributes_of(const CellSummary& cell, const std::string& metric) {
  for (const GoalSummary& goal : cell.goals) {
    if (metric_of_goal(goal.goal.name) != metric) continue;
    std::string text = fmt::format("{}; {} of {} searches regular", attributes_text(goal.goal),
                                   goal.regular, goal.searches);
    if (goal.loss_ratio_limit)
      text += fmt::format("; {} frames, true loss below {}", goal.offered_pkts,
                          ratio_text(*goal.loss_ratio_limit));
    if (!goal.irregular_why.empty()) text += "; irregular: " + goal.irregular_why;
    return text;
  }
  return {};
}

}  // namespace

std::string csv_field(std::string_view text) {
  std::string clean = readable(text);
  if (clean.find_first_of(",\"\n\r") == std::string::npos) return clean;
  std::string quoted = "\"";
  for (const char c : clean) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string render_csv(const ReportInput& input) {
  std::set<std::string> factors;
  for (const CellSummary& cell : input.summary.cells) {
    for (const auto& [factor, level] : cell.cell) factors.insert(factor);
  }
  factors.erase("path");  // has its own column in every row

  std::string out = "group";
  for (const std::string& factor : factors) out += fmt::format(",{}", csv_field(factor));
  out += ",path,metric,unit,median,low,high,confidence,values,trials,valid,attributes\n";

  for (std::size_t index = 0; index < input.summary.cells.size(); ++index) {
    const CellSummary& cell = input.summary.cells[index];
    std::string head = csv_field(cell.group);
    for (const std::string& factor : factors) {
      const auto level = cell.cell.find(factor);
      head +=
          fmt::format(",{}", level == cell.cell.end() ? std::string() : csv_field(level->second));
    }
    head += fmt::format(",{}", name_of(cell.path));
    std::set<std::string> known;
    const auto row = [&](const std::string& metric, const std::string& unit) {
      known.insert(metric);
      out += fmt::format("{},{},{},", head, csv_field(metric), csv_field(unit));
      const auto found = cell.metrics.find(metric);
      if (found == cell.metrics.end()) {
        out += ",,,,0";  // not measured: empty, so that no reader takes it for a number
      } else if (const Estimate& estimate = found->second; estimate.interval) {
        out += fmt::format("{},{},{},{},{}", estimate.median, estimate.interval->low,
                           estimate.interval->high, estimate.interval->confidence, estimate.values);
      } else {
        out += fmt::format("{},,,,{}", estimate.median, estimate.values);
      }
      out += fmt::format(",{},{},{}\n", cell.trials, cell.valid,
                         csv_field(attributes_of(cell, metric)));
    };
    for (const MetricFacts& facts : all_metrics()) row(facts.name, facts.unit);
    for (const auto& [metric, estimate] : cell.metrics) {
      if (known.count(metric) == 0) row(metric, "");
    }
    if (cell.predicted_missed_ratio) {
      out += fmt::format(
          "{},predicted_missed_ratio,ratio,{},,,,,{},{},the stall model; not measured\n", head,
          *cell.predicted_missed_ratio, cell.trials, cell.valid);
    }
    if (input.summary.target) {
      const CellTarget& target = input.summary.target->cells[index];
      const auto end = [](const std::optional<double>& value) {
        return value ? fmt::format("{}", *value) : std::string();
      };
      out += fmt::format("{},target_headroom,ratio,,{},{},,,{},{},{}\n", head,
                         end(target.headroom_low), end(target.headroom_high), cell.trials,
                         cell.valid, csv_field(target.sentence));
    }
  }
  return out;
}

}  // namespace pollmark
