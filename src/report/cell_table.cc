#include "report/cell_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "report/readable.h"

namespace pollmark {

namespace {

std::string state_text(CellState state) {
  return state == CellState::not_run ? "not measured" : "no valid trial";
}

std::string heading_of(const std::string& metric) {
  if (metric == "cycles_per_pkt") return "cycles /pkt";
  if (metric == "mpps_per_core") return "Mpps /core";
  return metric_title(metric);
}

// The unit stands in the heading of these.
std::string bare_text(const std::string& metric, double value) {
  if (metric == "cycles_per_pkt" || metric == "mpps_per_core") return significant(value);
  return metric_text(metric, value);
}

std::vector<std::string> closed_loop_metrics(Path path) {
  if (path == Path::tcp_stream)
    return {"goodput_bps",        "cpu_ns_per_kib",      "snd_wnd_max_bytes",
            "rwnd_limited_ratio", "retransmitted_ratio", "dsacked_ratio"};
  return {path == Path::tcp_crr ? "connections_per_s" : "transactions_per_s", "latency_p50_ns",
          "latency_p99_ns", "failed_ratio", "cpu_ns_per_transaction"};
}

// Where the load was searched, what was found; else what happened at the load.
std::vector<std::string> metrics_of(const ShownGroup& group, const std::string& judged) {
  std::vector<std::string> metrics;
  const auto add = [&metrics](const std::string& metric) {
    if (metric.empty() || std::find(metrics.begin(), metrics.end(), metric) != metrics.end())
      return;
    metrics.push_back(metric);
  };
  for (const ShownCell& cell : group.cells) {
    for (const GoalSummary& goal : cell.summary->goals) add(metric_of_goal(goal.goal.name));
  }
  if (!metrics.empty()) {
    add(judged);
    return metrics;
  }
  const std::vector<Path>& paths = group.paths;
  if (std::all_of(paths.begin(), paths.end(), is_closed_loop)) {
    add(judged);
    for (const Path path : paths) {
      for (const std::string& metric : closed_loop_metrics(path)) add(metric);
    }
    // Only with taps.
    for (const std::string metric : {"sender_segment_bytes", "receiver_segment_bytes"}) {
      if (std::any_of(group.cells.begin(), group.cells.end(), [&](const ShownCell& cell) {
            return estimate_of(*cell.summary, metric).has_value();
          }))
        add(metric);
    }
    return metrics;
  }
  add("loss_ratio");
  add(judged);
  for (const std::string metric : {"latency_p99_ns", "cycles_per_pkt", "mpps_per_core"})
    add(metric);
  return metrics;
}

}  // namespace

CellTable cell_table(const View& view, const ShownGroup& group) {
  CellTable table;
  for (const ShownCell& cell : group.cells) table.rows.push_back({&cell, cell.levels});
  for (const ShownFactor& factor : group.factors) {
    const bool numbers =
        std::all_of(factor.levels.begin(), factor.levels.end(), [](const std::string& level) {
          return !level.empty() && level.find_first_not_of("0123456789") == std::string::npos;
        });
    table.columns.push_back({factor.factor, numbers, true, ""});
  }
  const auto add = [&](TableColumn column, const std::function<std::string(const ShownCell&)>& of) {
    table.columns.push_back(std::move(column));
    for (TableRow& row : table.rows) row.fields.push_back(of(*row.cell));
  };
  if (group.factors.empty()) {
    add({"cell", false, true, ""}, [](const ShownCell& cell) { return cell.label; });
  }

  const std::string& judged = view.input->summary.metric;
  const std::vector<std::string> metrics = metrics_of(group, judged);
  bool first = true;
  for (const std::string& metric : metrics) {
    const bool measured = std::any_of(
        group.cells.begin(), group.cells.end(),
        [&](const ShownCell& cell) { return estimate_of(*cell.summary, metric).has_value(); });
    if (!measured && !first) {
      table.absent.push_back(metric);
      continue;
    }
    // What a cell without a number says stands once, in its first metric.
    const bool says_state = first;
    first = false;
    add({heading_of(metric), true, false, metric}, [&, says_state](const ShownCell& cell) {
      if (cell.state != CellState::measured) {
        return says_state ? state_text(cell.state) : std::string();
      }
      const std::optional<Estimate> estimate = estimate_of(*cell.summary, metric);
      return estimate ? bare_text(metric, estimate->median) : std::string(kNotMeasured);
    });
    if (metric != "loss_ratio" && metric != judged) continue;
    if (measured) {
      add({"95 % interval", true, false, metric}, [&](const ShownCell& cell) {
        const std::optional<Estimate> estimate = estimate_of(*cell.summary, metric);
        return estimate ? interval_text(metric, *estimate) : std::string();
      });
    }
    const bool compared = std::any_of(
        group.cells.begin(), group.cells.end(),
        [&](const ShownCell& cell) { return cell.summary->ratio_to_baseline.count(metric) > 0; });
    if (metric == judged && compared) {
      add({"against baseline", true, false, metric}, [&](const ShownCell& cell) {
        const auto ratio = cell.summary->ratio_to_baseline.find(metric);
        if (ratio == cell.summary->ratio_to_baseline.end()) {
          if (cell.state != CellState::measured) return std::string();
          return std::string(cell.baseline ? "baseline" : "none");
        }
        return factor_text(ratio->second);
      });
    }
  }
  add({"limited by", false, false, ""}, [](const ShownCell& cell) {
    if (cell.state != CellState::measured) return std::string();
    return cell.summary->limited_by.empty() ? std::string("nothing") : cell.summary->limited_by;
  });
  add({"valid /all", true, false, ""}, [](const ShownCell& cell) {
    return fmt::format("{}/{}", cell.summary->valid, cell.summary->trials);
  });
  return table;
}

}  // namespace pollmark
