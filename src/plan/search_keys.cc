// The keys of [search].
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plan/experiment_reader.h"
#include "record/trial_result.h"

namespace pollmark {

namespace {

constexpr std::string_view kSecondsSyntax = "seconds (0.5) or a duration (\"300 ms\")";
constexpr std::string_view kRatioSyntax = "0.005 or \"0.5 %\"";
constexpr std::string_view kGoalAllowed =
    "\"ndr\", \"pdr\", \"mrr\", \"rfc2544\", or a table { name = \"...\", loss_ratio = 0.001 }";
constexpr std::string_view kGoalKeys =
    "name, loss_ratio, exceed_ratio, width, initial_trial_seconds, final_trial_seconds, "
    "duration_sum_seconds";

}  // namespace

std::vector<Reader::Key> Reader::search_keys() {
  const std::string seconds(kSecondsSyntax);
  const std::string ratio(kRatioSyntax);
  return {
      shared_key("search", "initial_trial_seconds", seconds,
                 "Of trials that look for the region. Default: 1, or final_trial_seconds.",
                 &Reader::read_initial_trial_seconds),
      shared_key("search", "final_trial_seconds", seconds,
                 "Of trials that decide a load. Default: as the goal has it.",
                 &Reader::read_final_trial_seconds),
      shared_key("search", "duration_sum_seconds", seconds,
                 "Of them at a load. Default: as many trials as the goal has.",
                 &Reader::read_duration_sum_seconds),
      shared_key("search", "exceed_ratio", ratio,
                 "Share of the sum that may lose more than the goal allows. Default: 0.5.",
                 &Reader::read_exceed_ratio),
      shared_key("search", "width", ratio,
                 "Of the bounds, relative to the upper one. Default: 0.5 %.", &Reader::read_width),
      shared_key("search", "max_load", "\"line\", \"80 %\", \"12.5 Mpps\", \"40 Gbps L2\"",
                 "Default: line, or 95 % of what the generator reaches.", &Reader::read_max_load),
      shared_key("search", "min_load", "\"1 %\", \"10 kpps\"", "Default: 1/1000 of max_load.",
                 &Reader::read_min_load),
      shared_key("search", "latency_at", "a list of percentages above 0 up to 100",
                 "Latency at these shares of the PDR, after the searches. Default: [1, 10, 50, 90] "
                 "where pdr is a goal.",
                 &Reader::read_latency_at),
      shared_key("search", "goals", std::string(kGoalAllowed) + ", in a list",
                 "What is searched for, in every cell and block, in place of a load.",
                 &Reader::read_goals),
  };
}

SearchPlan& Reader::search() {
  if (!experiment_.search) experiment_.search.emplace();
  return *experiment_.search;
}

std::optional<double> Reader::ratio(const toml::node& node, std::string_view key, Draft& draft) {
  std::optional<double> value;
  if (const auto* whole = node.as_integer()) value = static_cast<double>(whole->get());
  if (const auto* real = node.as_floating_point()) value = real->get();
  if (const auto* words = node.as_string()) {
    const Result<Load> percent = Load::parse(words->get());
    if (percent && percent->unit == LoadUnit::line_percent && trimmed(words->get()).ends_with('%'))
      value = percent->value / 100.0;
  }
  if (value && *value >= 0.0 && *value < 1.0) return value;
  mistake_in(draft, node.source(),
             fmt::format("{}: {}; allowed: {}, from 0 to below 1", key,
                         value ? fmt::format("{} is out of range", *value) : type_text(node),
                         kRatioSyntax));
  return std::nullopt;
}

void Reader::read_goal_attribute(std::string_view key, const Entry& entry, Draft& draft,
                                 GoalAttributes& into) {
  if (key == "initial_trial_seconds") into.initial_trial_seconds = seconds(entry, key, 1e-3, draft);
  if (key == "final_trial_seconds") into.final_trial_seconds = seconds(entry, key, 1e-3, draft);
  if (key == "duration_sum_seconds") into.duration_sum_seconds = seconds(entry, key, 1e-3, draft);
  if (key == "exceed_ratio") into.exceed_ratio = ratio(*entry.node, key, draft);
  if (key == "width") into.width = ratio(*entry.node, key, draft);
  if (key == "loss_ratio") into.loss_ratio = ratio(*entry.node, key, draft);
}

void Reader::read_initial_trial_seconds(const Entry& entry, Draft& draft) {
  read_goal_attribute("initial_trial_seconds", entry, draft, goal_defaults_);
}
void Reader::read_final_trial_seconds(const Entry& entry, Draft& draft) {
  read_goal_attribute("final_trial_seconds", entry, draft, goal_defaults_);
}
void Reader::read_duration_sum_seconds(const Entry& entry, Draft& draft) {
  read_goal_attribute("duration_sum_seconds", entry, draft, goal_defaults_);
}
void Reader::read_exceed_ratio(const Entry& entry, Draft& draft) {
  read_goal_attribute("exceed_ratio", entry, draft, goal_defaults_);
}
void Reader::read_width(const Entry& entry, Draft& draft) {
  read_goal_attribute("width", entry, draft, goal_defaults_);
}

void Reader::read_search_load(const Entry& entry, std::string_view key, std::optional<Load>& load,
                              Draft& draft) {
  const auto value = text(entry, key, "a load: \"line\", \"80 %\", \"12.5 Mpps\"", draft);
  if (!value) return;
  const Result<Load> parsed = Load::parse(*value);
  if (parsed && parsed->unit != LoadUnit::max) {
    load = *parsed;
    return;
  }
  mistake_in(draft, entry.node->source(),
             parsed ? fmt::format("{}: \"max\" is no number; allowed: a load, or leave it out", key)
                    : fmt::format("{}: {}", key, parsed.error().what));
}

void Reader::read_max_load(const Entry& entry, Draft& draft) {
  read_search_load(entry, "max_load", search().max_load, draft);
}
void Reader::read_min_load(const Entry& entry, Draft& draft) {
  read_search_load(entry, "min_load", search().min_load, draft);
}

void Reader::read_latency_at(const Entry& entry, Draft& draft) {
  constexpr std::string_view kAllowed = "a list of percentages above 0 up to 100, each once";
  const toml::array* array = entry.node->as_array();
  if (!array) return wrong_type(draft, entry, "latency_at", kAllowed);
  std::vector<double> percents;
  for (const toml::node& node : *array) {
    double percent = 0.0;
    if (const auto* whole = node.as_integer()) percent = static_cast<double>(whole->get());
    if (const auto* real = node.as_floating_point()) percent = real->get();
    const bool again = std::find(percents.begin(), percents.end(), percent) != percents.end();
    if (!(percent > 0.0 && percent <= 100.0) || again) {
      return mistake_in(draft, node.source(), fmt::format("latency_at: allowed: {}", kAllowed));
    }
    percents.push_back(percent);
  }
  search().latency_at = std::move(percents);
  latency_at_said_ = true;
}

std::optional<SearchGoal> Reader::goal_of(const toml::node& node, Draft& draft) {
  GoalAttributes own = goal_defaults_;
  std::optional<std::string> name;
  if (const auto* words = node.as_string()) name = words->get();
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, value] : *table) {
      if (key.str() == "name" && value.is_string()) {
        name = value.as_string()->get();
        continue;
      }
      static const std::vector<std::string> kKeys = split(std::string(kGoalKeys), ' ');
      const bool known =
          std::any_of(kKeys.begin(), kKeys.end(), [&key = key](const std::string& each) {
            return key.str() == std::string_view(each).substr(0, each.find(','));
          });
      if (!known || key.str() == "name") {
        mistake_in(
            draft, key.source(),
            known ? fmt::format("name: {}; allowed: text", type_text(value))
                  : fmt::format("unknown key \"{}\" of a goal; allowed: {}", key.str(), kGoalKeys));
        return std::nullopt;
      }
      read_goal_attribute(key.str(), {&value, key.source(), 0, false, false}, draft, own);
    }
  }
  if (!name) {
    mistake_in(
        draft, node.source(),
        fmt::format("goals: {}; allowed: {}",
                    node.is_table() ? "a table without a name" : type_text(node), kGoalAllowed));
    return std::nullopt;
  }
  std::optional<SearchGoal> goal = preset_goal(*name);
  if (!goal && node.is_string()) {
    const std::string near = did_you_mean(*name, preset_goal_names());
    mistake_in(
        draft, node.source(),
        fmt::format("goals: \"{}\" is not known{}; allowed: {}", *name,
                    near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near), kGoalAllowed));
    return std::nullopt;
  }
  if (!goal) goal.emplace().name = *name;
  // The goal's number of trials is kept when only their length is said.
  if (own.final_trial_seconds) {
    goal->duration_sum_seconds *= *own.final_trial_seconds / goal->final_trial_seconds;
    goal->final_trial_seconds = *own.final_trial_seconds;
    goal->initial_trial_seconds = std::min(goal->initial_trial_seconds, goal->final_trial_seconds);
  }
  if (own.initial_trial_seconds) goal->initial_trial_seconds = *own.initial_trial_seconds;
  if (own.duration_sum_seconds) goal->duration_sum_seconds = *own.duration_sum_seconds;
  if (own.exceed_ratio) goal->exceed_ratio = *own.exceed_ratio;
  if (own.width) goal->width = *own.width;
  if (own.loss_ratio) goal->loss_ratio = *own.loss_ratio;
  return goal;
}

void Reader::read_goals(const Entry& entry, Draft& draft) {
  const toml::array* array = entry.node->as_array();
  if (!array) return wrong_type(draft, entry, "goals", kGoalAllowed);
  std::vector<SearchGoal> goals;
  bool all_read = true;
  for (const toml::node& node : *array) {
    if (const auto goal = goal_of(node, draft)) {
      goals.push_back(*goal);
    } else {
      all_read = false;
    }
  }
  if (all_read) {
    for (const std::string& what : goal_mistakes(goals)) {
      mistake_in(draft, entry.node->source(), "goals: " + what);
    }
  }
  search().goals = std::move(goals);
}

std::string Reader::searching_table() const {
  if (rfc2544_at_) return "[rfc2544]";
  return search_at_ ? "[search]" : "";
}

bool Reader::has_goal(std::string_view metric) const {
  if (!experiment_.search) return false;
  const std::vector<SearchGoal>& goals = experiment_.search->goals;
  return std::any_of(goals.begin(), goals.end(),
                     [&](const SearchGoal& goal) { return metric_of_goal(goal.name) == metric; });
}

// What a search measures, for "allowed".
std::vector<std::string> Reader::search_metric_names() const {
  std::vector<std::string> names;
  for (const SearchGoal& goal : experiment_.search->goals) {
    names.push_back(metric_of_goal(goal.name));
  }
  for (const MetricFacts& metric : all_metrics()) {
    if (metric.source == MetricSource::latency) names.push_back(metric.name);
  }
  return names;
}

void Reader::check_search(Draft& whole) {
  const Entry* metric_entry = find(whole, "judge", "metric");
  std::string& metric = experiment_.judge.metric;
  if (searching_table().empty()) {
    const std::vector<MetricFacts>& known = all_metrics();
    const auto facts = std::find_if(known.begin(), known.end(),
                                    [&](const MetricFacts& each) { return each.name == metric; });
    if (metric_entry && facts != known.end() &&
        (facts->source == MetricSource::search || facts->source == MetricSource::latency)) {
      mistake(
          metric_entry->node->source(),
          fmt::format("metric: {} needs a search; allowed with [search] goals = [...]", metric));
    }
    return;
  }
  if (!rfc2544_at_ && !find(whole, "search", "goals")) {
    mistake(*search_at_,
            fmt::format("[search] without goals; allowed: goals = a list of {}", kGoalAllowed));
    return;
  }
  if (const Entry* gate = find(whole, "trial", "aa_blocks"); gate && experiment_.aa_blocks > 0) {
    mistake(gate->at,
            fmt::format("aa_blocks beside {}: the gate compares trials at one load; allowed: 0",
                        searching_table()));
  }
  SearchPlan& plan = search();
  if (plan.goals.empty()) return;
  const bool has_pdr = has_goal("pdr_mpps");
  if (!has_pdr && latency_at_said_ && !plan.latency_at.empty()) {
    mistake(find(whole, "search", "latency_at")->at,
            "latency_at is a share of the PDR; allowed with pdr among the goals");
  }
  if (!has_pdr) plan.latency_at.clear();
  if (!metric_entry) {
    metric = metric_of_goal(plan.goals.front().name);
    return;
  }
  const std::vector<std::string> names = search_metric_names();
  if (std::find(names.begin(), names.end(), metric) == names.end()) {
    mistake(metric_entry->node->source(),
            fmt::format("metric: {} is not measured where the load is searched; allowed: {}",
                        metric, join(names, ", ")));
  }
}

// A load that is found cannot be set.
void Reader::check_search_of(Draft& draft) {
  const std::string table = searching_table();
  if (table.empty()) return;
  const Entry* said = find(draft, "factors", "load");
  if (!said) said = find(draft, "traffic", "load");
  if (said) {
    mistake_in(draft, said->at,
               fmt::format("load beside {}: a search finds the load; allowed: one of them", table));
  }
  if (draft.group.base.traffic.timing != ReplayTiming::rate) {
    const Entry* timing = find(draft, "traffic", "timing");
    mistake_in(draft, timing ? timing->at : draft.at,
               fmt::format("timing of the capture beside {}: it has no load to find; allowed: "
                           "\"rate\"",
                           table));
  }
  if (const Entry* packets = find(draft, "trial", "packets")) {
    mistake_in(draft, packets->at,
               rfc2544_at_
                   ? "packets beside [rfc2544]: its trials have seconds of their own; allowed: "
                     "trial_seconds"
                   : "packets beside [search]: its trials have the seconds of its goals; allowed: "
                     "seconds (of the latency trials)");
  }
}

}  // namespace pollmark
