#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "report/readable.h"
#include "report/report.h"

namespace pollmark {

namespace {

// [a-zA-Z_][a-zA-Z0-9_]*; a leading "__" is reserved.
std::string label_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (out.empty() && digit) out += '_';
    out += letter || digit ? c : '_';
  }
  while (out.size() > 1 && out[0] == '_' && out[1] == '_') out.erase(0, 1);
  return out.empty() ? "_" : out;
}

std::string label_value(std::string_view value) {
  std::string out;
  for (const char c : readable(value)) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '"') {
      out += "\\\"";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string help_text(std::string_view text) {
  std::string out;
  for (const char c : readable(text)) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

// One metric with its samples: the format wants them together under one HELP and one TYPE.
class MetricFamily {
 public:
  MetricFamily(std::string name, std::string help)
      : name_(std::move(name)), help_(std::move(help)) {}
  template <typename Number>
  void add(const std::string& labels, Number value) {
    samples_ += fmt::format("{}{{{}}} {}\n", name_, labels, value);
  }
  [[nodiscard]] std::string text() const {
    if (samples_.empty()) return {};
    return fmt::format("# HELP {} {}\n# TYPE {} gauge\n{}", name_, help_text(help_), name_,
                       samples_);
  }

 private:
  std::string name_;
  std::string help_;
  std::string samples_;
};

std::string labels_of(const Summary& summary, const CellSummary& cell) {
  std::string labels =
      fmt::format("experiment=\"{}\",group=\"{}\",path=\"{}\"", label_value(summary.name),
                  label_value(cell.group), name_of(cell.path));
  std::set<std::string> taken{"experiment", "group", "path", "state"};
  for (const auto& [factor, level] : cell.cell) {
    if (factor == "path") continue;
    std::string name = label_name(factor);
    while (!taken.insert(name).second) name += '_';
    labels += fmt::format(",{}=\"{}\"", name, label_value(level));
  }
  return labels;
}

}  // namespace

std::string render_prom(const ReportInput& input) {
  const Summary& summary = input.summary;
  std::string out;

  MetricFamily trials("pollmark_trials", "Trials of the cell, by what became of them.");
  for (const CellSummary& cell : summary.cells) {
    const std::string labels = labels_of(summary, cell);
    trials.add(labels + ",state=\"valid\"", cell.valid);
    trials.add(labels + ",state=\"invalid\"", cell.trials - cell.valid);
  }
  out += trials.text();

  for (const MetricFacts& facts : all_metrics()) {
    const std::string name = fmt::format("pollmark_{}", label_name(facts.name));
    MetricFamily median(name, fmt::format("{} (median of the cell's valid trials; {})",
                                          facts.sentence, facts.unit));
    MetricFamily low(name + "_low", fmt::format("Lower end of the interval of {}.", facts.name));
    MetricFamily high(name + "_high", fmt::format("Upper end of the interval of {}.", facts.name));
    for (const CellSummary& cell : summary.cells) {
      const auto found = cell.metrics.find(facts.name);
      if (found == cell.metrics.end()) continue;  // not measured: no sample, never 0
      const std::string labels = labels_of(summary, cell);
      median.add(labels, found->second.median);
      if (found->second.interval) {
        low.add(labels, found->second.interval->low);
        high.add(labels, found->second.interval->high);
      }
    }
    out += median.text() + low.text() + high.text();
  }

  MetricFamily offered("pollmark_offered_pkts",
                       "Frames accepted by the transmit side, valid trials.");
  MetricFamily unaccounted("pollmark_unaccounted_pkts",
                           "Offered frames whose end nobody counted; 0 where the books close.");
  for (const CellSummary& cell : summary.cells) {
    if (cell.valid == 0) continue;
    const std::string labels = labels_of(summary, cell);
    offered.add(labels, cell.ledger.offered_pkts());
    unaccounted.add(labels, cell.ledger.unaccounted_pkts());
  }
  out += offered.text();
  for (const Fate fate : all_fates()) {
    MetricFamily pkts(fmt::format("pollmark_{}_pkts", fate_name(fate)),
                      fmt::format("Frames, valid trials: {}.", fate_sentence(fate)));
    for (const CellSummary& cell : summary.cells) {
      const std::optional<std::int64_t> counted = cell.ledger.pkts(fate);
      if (cell.valid > 0 && counted) pkts.add(labels_of(summary, cell), *counted);
    }
    out += pkts.text();
  }
  return out + unaccounted.text();
}

}  // namespace pollmark
