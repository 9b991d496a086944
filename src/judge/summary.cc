#include "judge/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/text.h"
#include "judge/answer.h"
#include "judge/contrasts.h"
#include "judge/effects.h"
#include "judge/factor_table.h"
#include "judge/miss_curve.h"
#include "judge/noise_floor.h"
#include "judge/paired.h"
#include "judge/target.h"

namespace pollmark {
namespace {

using CellKey = std::pair<std::string, std::map<std::string, std::string>>;

// What was counted in any of them. Unlike Ledger::operator+=, which joins parts of one book, a fate
// that only one path can count stays in the sum: the other trials' books closed without it.
void add_books(Ledger& sum, const Ledger& books) {
  sum.set_offered(sum.offered_pkts() + books.offered_pkts());
  for (const Fate fate : all_fates()) {
    if (const auto pkts = books.pkts(fate)) sum.add(fate, *pkts);
  }
}

bool earlier(const TrialResult* a, const TrialResult* b) {
  const auto key = [](const TrialResult& trial) {
    return std::tie(trial.order.block, trial.order.attempt, trial.order.trial, trial.order.seed);
  };
  return key(*a) < key(*b);
}

// What would most likely make the next attempt valid.
std::string remedy_of(const std::string& code) {
  static const std::map<std::string, std::string> kRemedies{
      {"counter_backwards", "keep other users off the device"},
      {"drain_timeout", "keep other traffic off the link"},
      {"generator_short", "lower the load, or give the generator a core of its own"},
      {"generator_stalled", "give the generator a core of its own, or validity = \"as_is\""},
      {"numa_misplaced", "let the process use CPUs and memory of the node, or name other lcores"},
      {"receiver_stalled", "give the receiver a core of its own, or validity = \"as_is\""},
      {"receiver_starved", "give the receiver a core of its own, or validity = \"as_is\""},
      {"too_disturbed", "quieten the machine, or validity = \"as_is\""},
  };
  const auto remedy = kRemedies.find(code);
  return remedy == kRemedies.end() ? std::string() : remedy->second;
}

std::string why_not_measured(const CellSummary& cell) {
  if (cell.trials == 0) return "no trial was run";
  std::vector<std::string> parts;
  std::string most;
  for (const auto& [code, times] : cell.invalid_reasons) {
    parts.push_back(fmt::format("{} {}", code, times));
    if (most.empty() || times > cell.invalid_reasons.at(most)) most = code;
  }
  std::string text = fmt::format("none of {} trials was valid: {}", cell.trials, join(parts, ", "));
  const std::string remedy = remedy_of(most);
  return remedy.empty() ? text : fmt::format("{}; to mend it: {}", text, remedy);
}

void add_latency(CellSummary& cell, const std::vector<const TrialResult*>& valid) {
  const bool done = std::any_of(valid.begin(), valid.end(), [](const TrialResult* trial) {
    return trial->latency_ns.done.has_value();
  });
  const bool rx = std::any_of(valid.begin(), valid.end(), [](const TrialResult* trial) {
    return trial->latency_ns.rx.has_value();
  });
  for (const TrialResult* trial : valid) {
    if (trial->order.kind != TrialKind::trial) continue;  // not at loads of a search's choosing
    const LatencyAccount& measured = trial->latency_ns;
    const auto& part = done ? measured.done : rx ? measured.rx : measured.round_trip;
    if (!part) continue;
    if (cell.latency_ns) {
      cell.latency_ns->merge(*part);
    } else {
      cell.latency_ns = *part;
    }
    cell.latency_kind = done ? "done" : rx ? "rx" : "round_trip";
  }
  if (cell.latency_ns) cell.latency_ns->pack();
}

// Most frequent; of equally frequent ones the first by name. Its sentence is that of the last
// trial.
void add_limit(CellSummary& cell, const std::vector<const TrialResult*>& valid) {
  std::map<std::string, int> times;
  for (const TrialResult* trial : valid) ++times[trial->limited_by];
  int most = 0;
  for (const auto& [limit, count] : times) {
    if (count <= most) continue;
    most = count;
    cell.limited_by = limit;
  }
  for (const TrialResult* trial : valid) {
    if (trial->limited_by == cell.limited_by) cell.limited_why = trial->limited_why;
  }
}

struct MetricValues {
  std::vector<double> values;
  BlockValues blocks;
  void add(int block, std::optional<double> value) {
    if (!value) return;
    values.push_back(*value);
    blocks.emplace(block, *value);
  }
};

void keep(JudgedCell& judged, const std::string& metric, MetricValues measured) {
  if (measured.values.empty()) return;
  judged.summary.metrics.emplace(metric, estimate_median(std::move(measured.values)));
  judged.blocks.emplace(metric, std::move(measured.blocks));
}

void measure_trials(JudgedCell& judged) {
  for (const MetricFacts& metric : all_metrics()) {
    if (metric.source == MetricSource::search) continue;
    const TrialKind kind =
        metric.source == MetricSource::latency ? TrialKind::latency : TrialKind::trial;
    MetricValues measured;
    for (const TrialResult* trial : judged.valid) {
      if (trial->order.kind == kind)
        measured.add(trial->order.block, metric_of(*trial, metric.name));
    }
    keep(judged, metric.name, std::move(measured));
  }
}

void measure_searches(JudgedCell& judged, const std::vector<const SearchResult*>& searches) {
  judged.summary.goals = goal_summaries(searches);
  judged.summary.latency_at = latency_at_loads(judged.valid);
  for (const GoalSummary& goal : judged.summary.goals) {
    const std::string metric = metric_of_goal(goal.goal.name);
    MetricValues measured;
    for (const SearchResult* search : searches)
      measured.add(search->block, metric_of(*search, metric));
    keep(judged, metric, std::move(measured));
  }
  const std::string why = why_no_throughput(searches);
  if (judged.summary.metrics.empty() && !why.empty()) judged.summary.not_measured = why;
}

// What limits a searched cell shows at its upper bounds: below them nothing does.
std::vector<const TrialResult*> limited_trials(const std::vector<const TrialResult*>& valid,
                                               const std::vector<const SearchResult*>& searches) {
  if (searches.empty()) return valid;
  std::vector<const TrialResult*> limited;
  for (const TrialResult* trial : valid) {
    if (trial->order.kind != TrialKind::search) continue;
    const double load_pps = direction_count(trial->order) * trial->order.traffic.intended_pps;
    for (const SearchResult* search : searches) {
      if (search->block != trial->order.block) continue;
      const bool at_bound =
          std::any_of(search->goals.begin(), search->goals.end(),
                      [&](const GoalResult& goal) { return goal.upper_bound_pps == load_pps; });
      if (at_bound) limited.push_back(trial);
    }
  }
  return limited;
}

JudgedCell judge_cell(const Question& question, const Question::PlannedCell& planned,
                      std::vector<const TrialResult*> trials,
                      const std::vector<const SearchResult*>& searches) {
  std::sort(trials.begin(), trials.end(), earlier);
  JudgedCell judged;
  CellSummary& cell = judged.summary;
  cell.group = planned.group;
  cell.cell = planned.cell;
  cell.path = planned.path;
  std::optional<std::string> refused = planned.refused;
  for (const TrialResult* trial : trials) {
    if (const auto why = refusal_of(*trial)) {
      refused = why;
      continue;
    }
    ++cell.trials;
    if (trial->valid) {
      judged.valid.push_back(trial);
      continue;
    }
    std::set<std::string> codes;
    for (const std::string& reason : trial->invalid_reasons) {
      codes.insert(reason.substr(0, reason.find(':')));
    }
    for (const std::string& code : codes) ++cell.invalid_reasons[code];
  }
  cell.valid = static_cast<int>(judged.valid.size());
  if (judged.valid.empty()) {
    cell.not_measured = refused && cell.trials == 0 ? *refused : why_not_measured(cell);
    return judged;
  }
  std::set<std::string> not_checked;
  for (const TrialResult* trial : judged.valid) {
    add_books(cell.ledger, trial->ledger());
    for (const StreamAccount& stream : trial->streams) {
      if (stream.drops) add_drops(cell.drops, stream.drops->places);
    }
    if (trial->closed_loop) add_closed_loop(cell.closed_loop, *trial->closed_loop);
    not_checked.insert(trial->not_checked.begin(), trial->not_checked.end());
  }
  cell.not_checked.assign(not_checked.begin(), not_checked.end());
  measure_trials(judged);
  if (!searches.empty()) measure_searches(judged, searches);
  const auto own = judged.blocks.find(question.metric);
  if (own != judged.blocks.end()) judged.values = own->second;
  add_latency(cell, judged.valid);
  add_limit(cell, limited_trials(judged.valid, searches));
  cell.knobs = judged.valid.back()->knobs;
  return judged;
}

// The planned cells, then those that have trials without being planned (a folder judged without its
// plan), by name.
std::vector<Question::PlannedCell> all_cells(const Question& question,
                                             const std::vector<TrialResult>& trials) {
  std::vector<Question::PlannedCell> cells = question.cells;
  std::set<CellKey> known;
  for (const Question::PlannedCell& cell : cells) known.emplace(cell.group, cell.cell);
  std::map<CellKey, Path> unplanned;
  for (const TrialResult& trial : trials) {
    CellKey key(trial.order.group, trial.order.cell);
    if (!is_of_a_cell(trial) || known.count(key) != 0) continue;
    unplanned.emplace(std::move(key), trial.order.path);
  }
  for (const auto& [key, path] : unplanned) cells.push_back({key.first, key.second, path, {}});
  return cells;
}

void add_ratios(const Question& question, std::vector<JudgedCell>& cells) {
  if (question.baseline.empty()) return;
  std::map<CellKey, const JudgedCell*> by_key;
  for (const JudgedCell& cell : cells)
    by_key.emplace(CellKey(cell.summary.group, cell.summary.cell), &cell);
  for (JudgedCell& cell : cells) {
    std::map<std::string, std::string> levels = cell.summary.cell;
    // Of a baseline over several groups, each group has some factors only.
    for (const auto& [factor, level] : question.baseline) {
      const auto own = levels.find(factor);
      if (own != levels.end()) own->second = level;
    }
    if (levels == cell.summary.cell) continue;
    const auto baseline = by_key.find(CellKey(cell.summary.group, levels));
    if (baseline == by_key.end()) continue;
    for (const auto& [metric, values] : cell.blocks) {
      const auto base = baseline->second->blocks.find(metric);
      if (base == baseline->second->blocks.end()) continue;
      const auto ratio = paired_ratio(base->second, values);
      if (ratio) cell.summary.ratio_to_baseline.emplace(metric, *ratio);
    }
  }
}

// What full bursts cost shows over cells that differ in their rings or loads alone.
void add_predictions(std::vector<JudgedCell>& cells) {
  std::map<CellKey, std::vector<const TrialResult*>> alike;
  const auto key_of = [](const CellSummary& cell) {
    std::map<std::string, std::string> levels = cell.cell;
    levels.erase("rx_ring");
    levels.erase("load");
    return CellKey(cell.group, std::move(levels));
  };
  for (const JudgedCell& cell : cells) {
    auto& trials = alike[key_of(cell.summary)];
    trials.insert(trials.end(), cell.valid.begin(), cell.valid.end());
  }
  std::map<CellKey, std::optional<BurstCost>> costs;
  for (const auto& [key, trials] : alike) costs.emplace(key, fit_burst_cost(trials));
  for (JudgedCell& cell : cells)
    cell.summary.predicted_missed_ratio =
        predicted_missed_ratio(cell.valid, costs.at(key_of(cell.summary)));
}

}  // namespace

void add_closed_loop(std::optional<ClosedLoopAccount>& sum, const ClosedLoopAccount& books) {
  if (!sum) sum = ClosedLoopAccount{.unit = books.unit};
  sum->sent += books.sent;
  sum->received += books.received;
  for (const auto& [reason, count] : books.failures) sum->failures[reason] += count;
  if (books.served) sum->served = sum->served.value_or(0) + *books.served;
  sum->late += books.late;
  sum->in_window += books.in_window;
}

void add_drops(std::vector<DroppedAt>& sum, const std::vector<DroppedAt>& places) {
  const auto key = [](const DroppedAt& at) {
    return std::tie(at.fate, at.side, at.netdev, at.reason, at.function);
  };
  for (const DroppedAt& place : places) {
    if (!place.fate) continue;
    const auto known = std::find_if(
        sum.begin(), sum.end(), [&](const DroppedAt& other) { return key(other) == key(place); });
    if (known == sum.end()) {
      sum.push_back(place);
    } else {
      known->pkts += place.pkts;
      known->segments += place.segments;
    }
  }
  std::stable_sort(sum.begin(), sum.end(), [](const DroppedAt& a, const DroppedAt& b) {
    return a.fate != b.fate ? a.fate < b.fate : a.pkts > b.pkts;
  });
}

bool is_of_a_cell(const TrialResult& trial) {
  return trial.order.kind != TrialKind::calibration && trial.order.kind != TrialKind::probe;
}

Summary summarise(const Question& question, const std::vector<TrialResult>& trials,
                  const std::vector<SearchResult>& searches) {
  std::map<CellKey, std::vector<const TrialResult*>> by_cell;
  std::map<CellKey, std::vector<const SearchResult*>> searches_by_cell;
  for (const SearchResult& search : searches)
    searches_by_cell[CellKey(search.group, search.cell)].push_back(&search);
  Summary summary;
  summary.name = question.name;
  summary.question = question.question;
  summary.metric = question.metric;
  summary.quick = question.quick;
  for (const TrialResult& trial : trials) {
    if (!is_of_a_cell(trial)) continue;
    by_cell[CellKey(trial.order.group, trial.order.cell)].push_back(&trial);
    if (!refusal_of(trial)) ++summary.trials;
    if (!trial.valid) continue;
    ++summary.valid;
    add_books(summary.ledger, trial.ledger());
  }
  std::vector<JudgedCell> cells;
  for (const Question::PlannedCell& planned : all_cells(question, trials)) {
    const CellKey key(planned.group, planned.cell);
    std::vector<const SearchResult*>& own = searches_by_cell[key];
    std::sort(own.begin(), own.end(),
              [](const SearchResult* a, const SearchResult* b) { return a->block < b->block; });
    cells.push_back(judge_cell(question, planned, by_cell[key], own));
  }
  if (question.rfc2544) {
    std::vector<Rfc2544Source> sources;
    for (const JudgedCell& cell : cells) {
      const CellKey key(cell.summary.group, cell.summary.cell);
      if (cell.summary.trials == 0) continue;  // refused, or not run
      sources.push_back(
          {key.first, key.second, cell.summary.path, by_cell[key], searches_by_cell[key]});
    }
    summary.rfc2544 = rfc2544_summary(*question.rfc2544, question.retries, sources);
  }
  add_ratios(question, cells);
  if (searches.empty()) add_predictions(cells);
  const std::vector<FactorTable> tables = factor_tables(cells);
  summary.effects = factor_effects(question, cells, tables);
  summary.noise_floors = noise_floors_of(question, trials);
  summary.comparisons = level_contrasts(question, cells, tables);
  for (Comparison& comparison : summary.comparisons) {
    if (comparison.family != Family::declared) continue;
    for (const NoiseFloor& floor : summary.noise_floors) {
      if (floor.group == comparison.group) comparison.noise_floor = floor.floor;
    }
  }
  const Rigour rigour = question.quick ? Rigour::ranking : Rigour::verdicts;
  give_verdicts(summary.comparisons, rigour);
  summary.answer = answer_of(question, cells, tables, summary.comparisons);
  summary.interactions = interactions_of(question, cells, tables);
  summary.warnings = unsettled_blocks(question, cells);
  if (question.target) summary.target = judge_target(*question.target, rigour, cells);
  for (JudgedCell& cell : cells) summary.cells.push_back(std::move(cell.summary));
  return summary;
}

}  // namespace pollmark
