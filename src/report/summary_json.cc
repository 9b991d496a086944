#include <fmt/format.h>

#include "report/readable.h"
#include "report/report.h"
#include "report/view.h"

namespace pollmark {

namespace {

constexpr int kSummarySchemaVersion = 1;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json ledger_json(const Ledger& ledger) {
  Json fates = Json::object();
  for (const Fate fate : all_fates()) {
    fates[fmt::format("{}_pkts", fate_name(fate))] = or_null(ledger.pkts(fate));
  }
  return fates;
}

Json closed_loop_json(const ClosedLoopAccount& loop) {
  Json failures = Json::object();
  for (const auto& [reason, count] : loop.failures) failures[reason] = count;
  return {{"unit", name_of(loop.unit)},
          {"sent", loop.sent},
          {"received", loop.received},
          {"failures", std::move(failures)},
          {"unaccounted", loop.unaccounted()},
          {"served", or_null(loop.served)},
          {"late", loop.late},
          {"in_window", loop.in_window}};
}

// The sums that stand beside the fates wherever books are shown.
void add_books(Json& json, const Ledger& ledger) {
  json["intended_pkts"] = ledger.intended_pkts();
  json["offered_pkts"] = ledger.offered_pkts();
  json["ledger"] = ledger_json(ledger);
  json["lost_pkts"] = ledger.lost_pkts();
  json["unaccounted_pkts"] = ledger.unaccounted_pkts();
  json["loss_ratio"] = or_null(ledger.loss_ratio());
}

Json estimate_json(const Estimate& estimate) {
  Json json;
  json["median"] = estimate.median;
  json["low"] = estimate.interval ? Json(estimate.interval->low) : Json(nullptr);
  json["high"] = estimate.interval ? Json(estimate.interval->high) : Json(nullptr);
  json["confidence"] = estimate.interval ? Json(estimate.interval->confidence) : Json(nullptr);
  json["values"] = estimate.values;
  return json;
}

Json estimate_or_null(const std::optional<Estimate>& estimate) {
  return estimate ? estimate_json(*estimate) : Json(nullptr);
}

Json goal_json(const GoalSummary& summary) {
  const SearchGoal& goal = summary.goal;
  return {{"name", goal.name},
          {"kind", name_of(goal.kind)},
          {"loss_ratio", goal.loss_ratio},
          {"exceed_ratio", goal.exceed_ratio},
          {"width", goal.width},
          {"initial_trial_seconds", goal.initial_trial_seconds},
          {"final_trial_seconds", goal.final_trial_seconds},
          {"duration_sum_seconds", goal.duration_sum_seconds},
          {"searches", summary.searches},
          {"regular", summary.regular},
          {"throughput_mpps", estimate_or_null(summary.throughput_mpps)},
          {"upper_bound_mpps", estimate_or_null(summary.upper_bound_mpps)},
          {"at_least_mpps", or_null(summary.at_least_mpps)},
          {"irregular_why", text_or_null(summary.irregular_why)},
          {"offered_pkts", summary.offered_pkts},
          {"lost_pkts", summary.lost_pkts},
          {"loss_ratio_limit", or_null(summary.loss_ratio_limit)}};
}

Json curve_json(const std::optional<LatencyCurve>& curve) {
  if (!curve) return nullptr;
  Json json;
  json["kind"] = curve->kind;
  json["count"] = curve->count;
  json["out_of_range"] = curve->out_of_range;
  json["max_ns"] = or_null(curve->max_ns);
  json["cut_percent"] = curve->cut_percent;
  Json points = Json::array();
  for (const CurvePoint& point : curve->points) points.push_back({point.percent, point.ns});
  json["points"] = std::move(points);
  return json;
}

Json cell_json(const ShownCell& cell) {
  const CellSummary& summary = *cell.summary;
  Json json;
  json["group"] = summary.group;
  json["label"] = cell.label;
  json["cell"] = summary.cell;
  json["path"] = name_of(summary.path);
  json["state"] = name_of(cell.state);
  json["baseline"] = cell.baseline;
  json["not_measured"] = or_null(summary.not_measured);
  json["trials"] = summary.trials;
  json["valid"] = summary.valid;
  Json metrics = Json::object();
  for (const MetricFacts& facts : all_metrics()) {
    const std::optional<Estimate> estimate = estimate_of(summary, facts.name);
    metrics[facts.name] = estimate ? estimate_json(*estimate) : Json(nullptr);
  }
  for (const auto& [name, estimate] : summary.metrics) metrics[name] = estimate_json(estimate);
  json["metrics"] = std::move(metrics);
  Json goals = Json::array();
  for (const GoalSummary& goal : summary.goals) goals.push_back(goal_json(goal));
  json["goals"] = std::move(goals);
  Json loads = Json::array();
  for (const LatencyAtLoad& load : summary.latency_at) {
    loads.push_back({{"pdr_percent", load.pdr_percent},
                     {"offered_mpps", load.offered_mpps},
                     {"p50_ns", estimate_or_null(load.p50_ns)},
                     {"p99_ns", estimate_or_null(load.p99_ns)},
                     {"p999_ns", estimate_or_null(load.p999_ns)}});
  }
  json["latency_at"] = std::move(loads);
  json["predicted_missed_ratio"] = or_null(summary.predicted_missed_ratio);
  json["ratio_to_baseline"] = summary.ratio_to_baseline;
  if (cell.state == CellState::measured) {
    add_books(json, summary.ledger);
  } else {
    json["ledger"] = nullptr;
  }
  json["latency_curve"] = curve_json(cell.curve);
  json["limited_by"] = text_or_null(summary.limited_by);
  json["limited_why"] = text_or_null(summary.limited_why);
  json["invalid_reasons"] = summary.invalid_reasons;
  json["not_checked"] = summary.not_checked;
  Json knobs = Json::object();
  for (const auto& [name, knob] : summary.knobs) {
    knobs[name] = {{"requested", knob.requested},
                   {"effective", knob.effective},
                   {"state", name_of(knob.state)},
                   {"evidence", text_or_null(knob.evidence)},
                   {"exercised", knob.exercised}};
  }
  json["knobs"] = std::move(knobs);
  return json;
}

// Plots refer to cells by their index in "cells": the numbers stand there once.
Json panels_json(const ShownGroup& group, const std::vector<Panel>& panels) {
  Json json = Json::array();
  for (const Panel& panel : panels) {
    Json series = Json::array();
    for (const Series& line : panel.series) {
      Json cells = Json::array();
      for (const std::size_t c : line.cells) cells.push_back(group.cells[c].index);
      series.push_back({{"label", line.label}, {"cells", std::move(cells)}});
    }
    json.push_back({{"title", panel.title}, {"series", std::move(series)}});
  }
  return json;
}

Json heat_json(const ShownGroup& group) {
  Json json = Json::array();
  for (const HeatPanel& panel : group.heat_panels) {
    Json rows = Json::array();
    for (std::size_t r = 0; r < panel.rows.size(); ++r) {
      Json cells = Json::array();
      for (const auto& c : panel.cells[r]) {
        cells.push_back(c ? Json(group.cells[*c].index) : Json(nullptr));
      }
      rows.push_back({{"label", panel.rows[r]}, {"cells", std::move(cells)}});
    }
    json.push_back({{"title", panel.title}, {"rx_ring", panel.rings}, {"rows", std::move(rows)}});
  }
  return json;
}

Json group_json(const ShownGroup& group) {
  Json json;
  json["name"] = group.name;
  json["model"] = group.model;
  Json paths = Json::array();
  for (const Path path : group.paths) paths.push_back(name_of(path));
  json["paths"] = std::move(paths);
  Json factors = Json::object();
  for (const ShownFactor& factor : group.factors) factors[factor.factor] = factor.levels;
  json["factors"] = std::move(factors);
  Json fixed = Json::object();
  for (const auto& [factor, level] : group.fixed) fixed[factor] = level;
  json["fixed"] = std::move(fixed);
  Json setup = Json::array();
  for (const Station& station : group.setup) {
    setup.push_back({{"station", station.name}, {"facts", station.facts}});
  }
  json["setup"] = std::move(setup);
  Json books = Json::array();
  for (const ShownBooks& kept : group.books) {
    Json one;
    one["path"] = name_of(kept.path);
    one["cells"] = kept.cells;
    one["trials"] = kept.trials;
    add_books(one, kept.ledger);
    one["closed_loop"] = kept.closed_loop ? closed_loop_json(*kept.closed_loop) : Json(nullptr);
    Json counting = Json::object();
    for (const auto& [fate, cells] : kept.counting_cells) {
      counting[fmt::format("{}_pkts", fate_name(fate))] = cells;
    }
    one["counting_cells"] = std::move(counting);
    books.push_back(std::move(one));
  }
  json["books"] = std::move(books);
  json["ring_metric"] = text_or_null(group.ring_metric);
  json["ring_panels"] = panels_json(group, group.ring_panels);
  json["heat_panels"] = heat_json(group);
  json["curve_panels"] = panels_json(group, group.curve_panels);
  json["compares_kernel"] = group.compares_kernel;
  json["floor_p50_ns"] = group.floor_p50_ns.empty() ? Json(nullptr) : Json(group.floor_p50_ns);
  return json;
}

Json target_json(const TargetAnswer& answer) {
  const Target& target = answer.target;
  Json cells = Json::array();
  for (const CellTarget& cell : answer.cells) {
    Json criteria = Json::array();
    for (const TargetCriterion& criterion : cell.criteria)
      criteria.push_back({{"name", criterion.name},
                          {"verdict", name_of(criterion.verdict)},
                          {"why", criterion.why}});
    cells.push_back({{"group", cell.group},
                     {"cell", cell.cell},
                     {"verdict", name_of(cell.verdict)},
                     {"target_pps", or_null(cell.target_pps)},
                     {"headroom_low", or_null(cell.headroom_low)},
                     {"headroom_high", or_null(cell.headroom_high)},
                     {"criteria", std::move(criteria)},
                     {"sentence", cell.sentence}});
  }
  return {{"rate", target.rate.text()},      {"frame", text_or_null(target.frame)},
          {"loss_ratio", target.loss_ratio}, {"p99_ns", or_null(target.p99_ns)},
          {"cores", or_null(target.cores)},  {"sentence", answer.sentence},
          {"cells", std::move(cells)}};
}

// Every string as readable() makes it, so that the text can be written as JSON at all.
Json made_readable(const Json& json) {
  if (json.is_string()) return readable(json.get_ref<const std::string&>());
  if (json.is_array()) {
    Json out = Json::array();
    for (const Json& item : json) out.push_back(made_readable(item));
    return out;
  }
  if (json.is_object()) {
    Json out = Json::object();
    for (const auto& [key, value] : json.items()) out[readable(key)] = made_readable(value);
    return out;
  }
  return json;
}

}  // namespace

Json comparison_json(const Comparison& comparison) {
  Json json;
  json["group"] = comparison.group;
  json["factor"] = comparison.factor;
  json["level"] = comparison.level;
  json["baseline"] = comparison.baseline;
  json["metric"] = comparison.metric;
  json["family"] = comparison.family == Family::declared ? "declared" : "exploratory";
  json["pairing"] = comparison.pairing == Pairing::paired ? "paired" : "unpaired";
  json["scale"] = comparison.scale == Scale::absolute ? "absolute" : "relative";
  json["margin"] = comparison.margin;
  json["combinations"] = comparison.combinations;
  json["left_out"] = comparison.left_out;
  json["values"] = comparison.values;
  json["from"] = or_null(comparison.from);
  json["to"] = or_null(comparison.to);
  json["difference"] = or_null(comparison.difference);
  json["low"] = comparison.interval ? Json(comparison.interval->low) : Json(nullptr);
  json["high"] = comparison.interval ? Json(comparison.interval->high) : Json(nullptr);
  json["p"] = or_null(comparison.p);
  json["adjusted_p"] = or_null(comparison.adjusted_p);
  json["equivalent"] = comparison.equivalent;
  json["detectable"] = or_null(comparison.detectable);
  json["blocks_needed"] = or_null(comparison.blocks_needed);
  json["noise_floor"] = or_null(comparison.noise_floor);
  json["confounded_by"] = text_or_null(comparison.confounded_by);
  json["warnings"] = comparison.warnings;
  json["verdict"] = name_of(comparison.verdict);
  json["sentence"] = comparison.sentence;
  return json;
}

Json summary_json(const ReportInput& input) {
  const View view = view_of(input);
  const Summary& summary = input.summary;
  Json json;
  json["schema"] = kSummarySchemaVersion;
  json["name"] = summary.name;
  json["question"] = summary.question;
  json["answer"] = summary.answer;
  json["metric"] = summary.metric;
  json["baseline"] = input.baseline;
  json["quick"] = summary.quick;
  json["model"] = view.any_model;
  json["folder"] = input.folder;
  json["trials"] = summary.trials;
  json["valid"] = summary.valid;
  const bool counted = view.cells_measured > 0;
  json["offered_pkts"] = counted ? Json(view.offered_pkts) : Json(nullptr);
  json["unaccounted_pkts"] = counted ? Json(view.unaccounted_pkts) : Json(nullptr);
  json["cells_measured"] = view.cells_measured;
  json["cells_not_run"] = view.cells_not_run;
  json["cells_no_valid_trial"] = view.cells_no_valid_trial;
  json["invalid_reasons"] = view.invalid_reasons;
  Json groups = Json::array();
  std::vector<Json> cells(summary.cells.size());
  for (const ShownGroup& group : view.groups) {
    groups.push_back(group_json(group));
    for (const ShownCell& cell : group.cells) cells[cell.index] = cell_json(cell);
  }
  json["groups"] = std::move(groups);
  json["cells"] = cells;
  json["target"] = summary.target ? target_json(*summary.target) : Json(nullptr);
  Json effects = Json::array();
  for (const FactorEffect& effect : summary.effects) {
    effects.push_back(
        {{"group", effect.group},
         {"factor", effect.factor},
         {"metric", effect.metric},
         {"best_level", effect.best_level},
         {"best", effect.best},
         {"worst_level", effect.worst_level},
         {"worst", effect.worst},
         {"exercised", effect.exercised},
         {"combinations", effect.combinations},
         {"blocks", effect.blocks},
         {"difference_low", effect.difference ? Json(effect.difference->low) : Json(nullptr)},
         {"difference_high", effect.difference ? Json(effect.difference->high) : Json(nullptr)},
         {"verdict", text_or_null(effect.verdict)},
         {"sentence", effect.sentence}});
  }
  json["effects"] = std::move(effects);
  Json comparisons = Json::array();
  for (const Comparison& comparison : summary.comparisons) {
    comparisons.push_back(comparison_json(comparison));
  }
  json["comparisons"] = std::move(comparisons);
  Json interactions = Json::array();
  for (const Interaction& interaction : summary.interactions) {
    interactions.push_back({{"group", interaction.group},
                            {"factor", interaction.factor},
                            {"level", interaction.level},
                            {"baseline", interaction.baseline},
                            {"with_factor", interaction.with_factor},
                            {"with_level", interaction.with_level},
                            {"with_baseline", interaction.with_baseline},
                            {"metric", interaction.metric},
                            {"blocks", interaction.blocks},
                            {"difference", interaction.difference},
                            {"low", interaction.interval.low},
                            {"high", interaction.interval.high},
                            {"p", interaction.p},
                            {"adjusted_p", interaction.adjusted_p},
                            {"shown", interaction.shown},
                            {"sentence", interaction.sentence}});
  }
  json["interactions"] = std::move(interactions);
  Json floors = Json::array();
  for (const NoiseFloor& floor : summary.noise_floors) {
    floors.push_back({{"group", floor.group},
                      {"cell", floor.cell},
                      {"metric", floor.metric},
                      {"blocks", floor.blocks},
                      {"difference", or_null(floor.difference)},
                      {"low", floor.interval ? Json(floor.interval->low) : Json(nullptr)},
                      {"high", floor.interval ? Json(floor.interval->high) : Json(nullptr)},
                      {"floor", or_null(floor.floor)},
                      {"passed", floor.passed},
                      {"sentence", floor.sentence}});
  }
  json["noise_floors"] = std::move(floors);
  json["rfc2544"] = summary.rfc2544 ? rfc2544_json(*summary.rfc2544) : Json(nullptr);
  json["warnings"] = summary.warnings;
  Json invalid = Json::array();
  for (const InvalidTrial& trial : view.invalid) {
    invalid.push_back({{"trial", trial.trial},
                       {"group", trial.group},
                       {"label", trial.label},
                       {"block", trial.block},
                       {"attempt", trial.attempt},
                       {"invalid_reasons", trial.reasons}});
  }
  json["invalid"] = std::move(invalid);
  Json unexercised = Json::array();
  for (const UnexercisedLevel& level : view.not_exercised) {
    unexercised.push_back({{"group", level.group},
                           {"factor", level.factor},
                           {"requested", level.requested},
                           {"effective", level.effective},
                           {"state", name_of(level.state)},
                           {"evidence", level.evidence},
                           {"cells", level.cells}});
  }
  json["not_exercised"] = std::move(unexercised);
  Json unchecked = Json::array();
  for (const UncheckedFact& fact : view.not_checked) {
    unchecked.push_back({{"group", fact.group}, {"what", fact.what}, {"cells", fact.cells}});
  }
  json["not_checked"] = std::move(unchecked);
  Json captures = Json::array();
  for (const ShownCapture& capture : view.captures) {
    captures.push_back({{"group", capture.group},
                        {"at", name_of(capture.at)},
                        {"trials", capture.trials},
                        {"files", capture.files},
                        {"written_pkts", capture.written_pkts},
                        {"not_captured_pkts", capture.not_captured_pkts},
                        {"beyond_limit_pkts", capture.beyond_limit_pkts},
                        {"untriggered", capture.untriggered},
                        {"shares_cpu_with", capture.shares_cpu_with}});
  }
  json["captures"] = std::move(captures);
  json["provenance"] = to_json(input.provenance);
  json["experiment"] = input.experiment_text;
  return made_readable(json);
}

}  // namespace pollmark
