#include "campaign/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "campaign/environment.h"
#include "campaign/judged_folder.h"
#include "judge/comparison.h"
#include "judge/drift.h"
#include "judge/order_statistics.h"
#include "judge/summary.h"
#include "judge/wording.h"
#include "report/readable.h"
#include "store/folder.h"

namespace pollmark {
namespace {

using CellKey = std::pair<std::string, std::map<std::string, std::string>>;
using Out = std::back_insert_iterator<std::string>;

// Each line filled to the width; what it wraps stands further in.
std::string folded(std::string_view text, int width) {
  std::string out;
  std::vector<std::string> lines = split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (const std::string& line : lines) {
    const std::string indent(std::min(line.find_first_not_of(' '), line.size()), ' ');
    out += wrapped(line, static_cast<std::size_t>(std::max(width, 60)), indent, indent + "    ");
  }
  return out;
}

Result<std::string> chosen_metric(const CompareOrder& order, const JudgedFolder& folder) {
  const std::string metric = order.metric.empty() ? folder.question.metric : order.metric;
  std::vector<std::string> known;
  for (const MetricFacts& facts : all_metrics()) known.push_back(facts.name);
  if (std::find(known.begin(), known.end(), metric) != known.end()) return metric;
  const std::string meant = did_you_mean(metric, known);
  return fail(Errc::bad_experiment,
              fmt::format("--metric: no metric {}{}; allowed: {}", metric,
                          meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant),
                          join(known, ", ")));
}

Result<std::vector<Verdict>> gates_of(const CompareOrder& order) {
  std::vector<Verdict> gates;
  std::vector<std::string> known;
  for (const Verdict verdict : all_verdicts()) known.emplace_back(name_of(verdict));
  for (const std::string& text : order.fail_on) {
    std::string wanted = text;
    std::replace(wanted.begin(), wanted.end(), '_', ' ');
    const auto found = std::find(known.begin(), known.end(), wanted);
    if (found == known.end()) {
      return fail(Errc::bad_experiment,
                  fmt::format("--fail-on: no verdict {}; allowed: {}", text, join(known, ", ")));
    }
    gates.push_back(all_verdicts()[static_cast<std::size_t>(found - known.begin())]);
  }
  return gates;
}

tl::unexpected<Error> not_measured(const std::string& metric, const JudgedFolder& folder) {
  std::set<std::string> measured;
  for (const TrialResult& trial : folder.stored.trials) {
    if (trial.order.kind != TrialKind::trial || !trial.valid) continue;
    for (const MetricFacts& facts : all_metrics()) {
      if (metric_of(trial, facts.name)) measured.insert(facts.name);
    }
  }
  for (const SearchResult& search : folder.stored.searches) {
    for (const GoalResult& goal : search.goals) {
      const std::string name = metric_of_goal(goal.goal.name);
      if (metric_of(search, name)) measured.insert(name);
    }
  }
  return fail(Errc::bad_experiment,
              measured.empty()
                  ? std::string("holds no valid trial: nothing can be compared")
                  : fmt::format("{} was not measured; measured: {}", metric, quoted_list(measured)),
              folder.name);
}

void say_folder(const std::string& letter, const JudgedFolder& folder, Out out) {
  int trials = 0;
  int valid = 0;
  for (const TrialResult& trial : folder.stored.trials) {
    if (!is_of_a_cell(trial) || refusal_of(trial)) continue;
    ++trials;
    if (trial.valid) ++valid;
  }
  fmt::format_to(out, "{}  {} ({}, {} of {} trials valid)\n", letter, folder.name,
                 folder.stored.provenance.started_utc, valid, trials);
  if (folder.stored.last_line_torn) {
    fmt::format_to(out, "!  the last record of {} is cut short and left out\n", folder.name);
  }
}

bool on_model(const JudgedFolder& folder) {
  return std::any_of(folder.stored.trials.begin(), folder.stored.trials.end(),
                     [](const TrialResult& trial) {
                       return is_of_a_cell(trial) && trial.order.path == Path::model;
                     });
}

// Counts of verdicts, the worst news first to be read last.
std::string tally_text(const std::vector<Comparison>& comparisons) {
  std::vector<std::string> parts;
  for (const Verdict verdict : all_verdicts()) {
    const auto count =
        std::count_if(comparisons.begin(), comparisons.end(),
                      [&](const Comparison& comparison) { return comparison.verdict == verdict; });
    if (count > 0) parts.push_back(fmt::format("{} {}", count, name_of(verdict)));
  }
  return join(parts, ", ");
}

bool gate_says_no(const std::vector<Comparison>& comparisons, const std::vector<Verdict>& gates) {
  return std::any_of(comparisons.begin(), comparisons.end(), [&](const Comparison& comparison) {
    return std::find(gates.begin(), gates.end(), comparison.verdict) != gates.end();
  });
}

// The cells' values of one folder.
std::map<CellKey, std::vector<double>> values_of(const JudgedFolder& folder,
                                                 const std::string& metric) {
  std::map<CellKey, std::vector<double>> values;
  for (const TrialResult& trial : folder.stored.trials) {
    const bool latency = metric_facts(metric).source == MetricSource::latency;
    const TrialKind kind = latency ? TrialKind::latency : TrialKind::trial;
    if (trial.order.kind != kind || !trial.valid) continue;
    const auto value = metric_of(trial, metric);
    if (value) values[CellKey(trial.order.group, trial.order.cell)].push_back(*value);
  }
  for (const SearchResult& search : folder.stored.searches) {
    const auto value = metric_of(search, metric);
    if (value) values[CellKey(search.group, search.cell)].push_back(*value);
  }
  return values;
}

std::string cell_name(const CellKey& key) {
  return fmt::format("{}: {}", key.first, cell_text(key.second));
}

// --- one folder ---------------------------------------------------------------------------------

Result<CompareOutcome> compare_levels(const CompareOrder& order, JudgedFolder folder,
                                      const std::vector<Verdict>& gates) {
  if (!order.expect.empty()) {
    return fail(Errc::bad_experiment,
                "--expect: one folder has one environment; allowed: with two");
  }
  PM_TRY(folder.question.metric, chosen_metric(order, folder));
  const auto levels = levels_of(folder.stored.trials);
  if (!order.by.empty() && !levels.contains(order.by)) {
    std::set<std::string> factors;
    for (const auto& [factor, values] : levels) factors.insert(factor);
    return fail(Errc::bad_experiment,
                fmt::format("--by: no factor {}; allowed: {}", order.by, quoted_list(factors)),
                folder.name);
  }
  if (!order.baseline.empty()) {
    const bool bare = order.baseline.find('=') == std::string::npos && !order.by.empty();
    PM_TRY(const Condition baseline,
           condition_of("--baseline", bare ? order.by + "=" + order.baseline : order.baseline));
    PM_TRYV(require_level(folder, "--baseline", baseline));
    folder.question.baseline[baseline.factor] = baseline.level;
  }
  const Summary summary = summarise(folder.question, folder.stored.trials, folder.stored.searches);
  std::vector<Comparison> comparisons;
  for (const Comparison& comparison : summary.comparisons) {
    const bool asked = order.by.empty() || comparison.factor == order.by;
    if (comparison.family == Family::declared && asked) comparisons.push_back(comparison);
  }
  if (comparisons.empty()) {
    const bool measured = std::any_of(
        summary.cells.begin(), summary.cells.end(),
        [&](const CellSummary& cell) { return cell.metrics.contains(folder.question.metric); });
    if (!measured) return not_measured(folder.question.metric, folder);
    return fail(Errc::bad_experiment, "no two measured cells differ in one factor only",
                folder.name);
  }
  // Only what was asked is one family.
  give_verdicts(comparisons, folder.question.quick ? Rigour::ranking : Rigour::verdicts);
  CompareOutcome outcome;
  const Out out = std::back_inserter(outcome.text);
  say_folder("A", folder, out);
  fmt::format_to(out, "by {}, paired over shared blocks{}{}\n", folder.question.metric,
                 comparisons.size() > 1
                     ? fmt::format("; Holm over {} comparisons", comparisons.size())
                     : std::string(),
                 on_model(folder) ? "; on a model, not a NIC" : "");
  for (const NoiseFloor& floor : summary.noise_floors) {
    fmt::format_to(out, "{}: {}\n", floor.group, floor.sentence);
  }
  fmt::format_to(out, "\n");
  for (const Comparison& comparison : comparisons) {
    fmt::format_to(out, "{}: {}\n", comparison.group, comparison.sentence);
  }
  fmt::format_to(out, "\n{}\n", tally_text(comparisons));
  outcome.gate_said_no = gate_says_no(comparisons, gates);
  return outcome;
}

// --- two folders --------------------------------------------------------------------------------

Result<std::string> confounding(const CompareOrder& order,
                                const std::vector<EnvironmentDifference>& differences, Out out) {
  std::set<std::string> expected(order.expect.begin(), order.expect.end());
  std::vector<std::string> unexpected;
  for (const EnvironmentDifference& difference : differences) {
    if (expected.erase(difference.key) == 0) unexpected.push_back(difference.key);
  }
  for (const std::string& key : expected) {
    fmt::format_to(out, "!  {} was expected to differ, and does not\n", key);
  }
  if (order.expect.empty()) return std::string();
  return join(unexpected, ", ");
}

Result<CompareOutcome> compare_runs(const CompareOrder& order, const JudgedFolder& a,
                                    const JudgedFolder& b, const std::vector<Verdict>& gates) {
  if (!order.by.empty() || !order.baseline.empty()) {
    return fail(Errc::bad_experiment,
                "--by, --baseline: between two folders the cells are compared; allowed: with one");
  }
  PM_TRY(const std::string metric, chosen_metric(order, a));
  const auto from = values_of(a, metric);
  const auto to = values_of(b, metric);
  if (from.empty()) return not_measured(metric, a);
  if (to.empty()) return not_measured(metric, b);

  CompareOutcome outcome;
  const Out out = std::back_inserter(outcome.text);
  say_folder("A", a, out);
  say_folder("B", b, out);
  const auto differences = environment_differences(a.stored, b.stored);
  fmt::format_to(
      out, "\n{}\n",
      differences.empty() ? "No difference of the environment was found" : "Environment, A -> B");
  for (const EnvironmentDifference& difference : differences) {
    fmt::format_to(out, "  {}: {} -> {}\n", difference.key, difference.from, difference.to);
    const bool expected =
        std::find(order.expect.begin(), order.expect.end(), difference.key) != order.expect.end();
    if (difference.key == "page_size" && !expected) {
      return fail(Errc::bad_experiment,
                  fmt::format("page_size {} in A and {} in B: a page size belongs to a cell, so "
                              "they share none; allowed: --expect page_size",
                              difference.from, difference.to),
                  b.name);
    }
  }
  PM_TRY(const std::string confounded_by, confounding(order, differences, out));

  std::vector<Comparison> comparisons;
  std::vector<std::string> names;
  for (const auto& [key, starts] : from) {
    const auto ends = to.find(key);
    if (ends == to.end()) continue;
    Comparison comparison = compare_unpaired(metric, a.question.matters, starts, ends->second);
    comparison.group = key.first;
    comparison.level = "B";
    comparison.baseline = "A";
    comparison.confounded_by = confounded_by;
    comparisons.push_back(std::move(comparison));
    names.push_back(cell_name(key));
  }
  if (comparisons.empty()) {
    return fail(Errc::bad_experiment,
                fmt::format("shares no measured cell with {} ({} there, {} here): {} against {}",
                            a.name, from.size(), to.size(), cell_name(from.begin()->first),
                            cell_name(to.begin()->first)),
                b.name);
  }
  const bool quick = a.question.quick || b.question.quick;
  give_verdicts(comparisons, quick ? Rigour::ranking : Rigour::verdicts);
  fmt::format_to(out,
                 "\nby {}, unpaired: two runs share no block, and what differs from run to "
                 "run by itself\n(between-run variance) is not in these intervals{}{}\n",
                 metric,
                 comparisons.size() > 1
                     ? fmt::format("; Holm over {} comparisons", comparisons.size())
                     : std::string(),
                 on_model(a) || on_model(b) ? "; on a model, not a NIC" : "");
  if (order.expect.empty() && !differences.empty()) {
    fmt::format_to(out,
                   "any of the environment's differences may be what the verdicts show; "
                   "--expect KEY names the one that is meant\n");
  }
  fmt::format_to(out, "\n");
  for (std::size_t i = 0; i < comparisons.size(); ++i) {
    fmt::format_to(out, "{}: {}\n", names[i], comparisons[i].sentence);
  }
  const std::size_t left_out = from.size() + to.size() - 2 * comparisons.size();
  if (left_out > 0) fmt::format_to(out, "({} cells are in one of them only)\n", left_out);
  fmt::format_to(out, "\n{}\n", tally_text(comparisons));
  outcome.gate_said_no = gate_says_no(comparisons, gates);
  return outcome;
}

// --- a series -----------------------------------------------------------------------------------

Result<CompareOutcome> compare_series(const CompareOrder& order,
                                      std::vector<JudgedFolder> folders) {
  if (!order.by.empty() || !order.baseline.empty() || !order.expect.empty() ||
      !order.fail_on.empty()) {
    return fail(Errc::bad_experiment,
                "--by, --baseline, --expect, --fail-on: a series is a trend without verdicts; "
                "allowed: with one or two folders");
  }
  PM_TRY(const std::string metric, chosen_metric(order, folders.front()));
  std::stable_sort(folders.begin(), folders.end(),
                   [](const JudgedFolder& a, const JudgedFolder& b) {
                     return a.stored.provenance.started_utc < b.stored.provenance.started_utc;
                   });
  CompareOutcome outcome;
  const Out out = std::back_inserter(outcome.text);
  std::vector<std::map<CellKey, std::vector<double>>> values;
  for (std::size_t i = 0; i < folders.size(); ++i) {
    say_folder(fmt::format("{}", i + 1), folders[i], out);
    values.push_back(values_of(folders[i], metric));
    if (values.back().empty()) return not_measured(metric, folders[i]);
    if (i == 0) continue;
    for (const auto& difference :
         environment_differences(folders[i - 1].stored, folders[i].stored)) {
      fmt::format_to(out, "     {}: {} -> {}\n", difference.key, difference.from, difference.to);
      if (difference.key == "page_size") {
        return fail(Errc::bad_experiment,
                    fmt::format("page_size {} and {}: a page size belongs to a cell, so the series "
                                "has none in common",
                                difference.from, difference.to),
                    folders[i].name);
      }
    }
  }
  fmt::format_to(out,
                 "\nmedians of {}, and where their level changes (shortest description; a hint "
                 "without an error rate)\n",
                 metric);
  std::size_t shared = 0;
  for (const auto& [key, first] : values.front()) {
    std::vector<double> medians;
    for (const auto& of_folder : values) {
      const auto own = of_folder.find(key);
      if (own != of_folder.end()) medians.push_back(median_of(own->second));
    }
    if (medians.size() != values.size()) continue;
    ++shared;
    std::vector<std::string> texts;
    for (const double median : medians) texts.push_back(value_text(metric, median));
    fmt::format_to(out, "{}: {}\n", cell_name(key), join(texts, " "));
    const auto points = change_points(medians);
    if (points.empty()) fmt::format_to(out, "  no change\n");
    for (const std::size_t point : points) {
      fmt::format_to(out, "  changes at {} ({})\n", point + 1, folders[point].name);
    }
  }
  if (shared == 0) {
    return fail(Errc::bad_experiment, "the folders of the series share no measured cell");
  }
  return outcome;
}

}  // namespace

Result<CompareOutcome> compare_folders(const CompareOrder& order, int width) {
  PM_CHECK(!order.folders.empty());
  PM_TRY(const std::vector<Verdict> gates, gates_of(order));
  std::vector<Condition> where;
  for (const std::string& text : order.where) {
    PM_TRY(Condition condition, condition_of("--where", text));
    where.push_back(std::move(condition));
  }
  std::vector<JudgedFolder> folders;
  for (const std::filesystem::path& path : order.folders) {
    PM_TRY(JudgedFolder folder, read_judged_folder(path));
    PM_TRYV(keep_cells(folder, where));
    const bool again = std::any_of(folders.begin(), folders.end(), [&](const JudgedFolder& known) {
      return known.name == folder.name;
    });
    if (again) return fail(Errc::bad_experiment, "is given twice", folder.name);
    folders.push_back(std::move(folder));
  }
  Result<CompareOutcome> outcome =
      folders.size() == 1   ? compare_levels(order, std::move(folders[0]), gates)
      : folders.size() == 2 ? compare_runs(order, folders[0], folders[1], gates)
                            : compare_series(order, std::move(folders));
  if (!outcome) return outcome;
  outcome->text = folded(readable(outcome->text), width);
  return outcome;
}

}  // namespace pollmark
