#include "record/search_goal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/units.h"

namespace pollmark {

std::string_view name_of(GoalKind kind) {
  switch (kind) {
    case GoalKind::bounds:
      return "bounds";
    case GoalKind::max_rate:
      return "max_rate";
  }
  PM_CHECK(false);
}

std::optional<SearchGoal> preset_goal(std::string_view name) {
  SearchGoal goal;
  goal.name = std::string(name);
  if (name == "ndr") return goal;
  if (name == "pdr") {
    goal.loss_ratio = 0.005;
    return goal;
  }
  if (name == "mrr") {
    goal.kind = GoalKind::max_rate;
    goal.duration_sum_seconds = 10.0;
    return goal;
  }
  if (name == "rfc2544") {
    goal.exceed_ratio = 0.0;
    goal.final_trial_seconds = 60.0;
    goal.duration_sum_seconds = 60.0;
    return goal;
  }
  return std::nullopt;
}

const std::vector<std::string>& preset_goal_names() {
  static const std::vector<std::string> kNames = {"ndr", "pdr", "mrr", "rfc2544"};
  return kNames;
}

std::string metric_of_goal(std::string_view goal) { return std::string(goal) + "_mpps"; }

std::string attributes_text(const SearchGoal& goal) {
  const auto seconds = [](double value) { return duration_text(value * 1e9); };
  if (goal.kind == GoalKind::max_rate) {
    return fmt::format("at the highest load, {} in trials of {}",
                       seconds(goal.duration_sum_seconds), seconds(goal.final_trial_seconds));
  }
  const std::string loss = goal.loss_ratio == 0.0
                               ? "no loss"
                               : fmt::format("loss up to {}", ratio_text(goal.loss_ratio));
  return fmt::format("{} in trials of {}, exceeded in {} of {}", loss,
                     seconds(goal.final_trial_seconds),
                     goal.exceed_ratio == 0.0 ? "none" : "up to " + ratio_text(goal.exceed_ratio),
                     seconds(goal.duration_sum_seconds));
}

namespace {

constexpr double kSame = 1e-9;

enum class Bound { lower, upper };

// Trials of one load until it is decided, where all of them agree.
int trials_to_decide(const SearchGoal& goal, Bound bound) {
  const double good = goal.duration_sum_seconds * (1.0 - goal.exceed_ratio);
  const double bad = goal.duration_sum_seconds * goal.exceed_ratio;
  const double trials = bound == Bound::lower
                            ? std::ceil(good / goal.final_trial_seconds - kSame)
                            : std::floor(bad / goal.final_trial_seconds + kSame) + 1.0;
  return static_cast<int>(std::max(1.0, trials));
}

bool is_goal_name(std::string_view name) {
  return !name.empty() && name.size() <= 40 && name.front() >= 'a' && name.front() <= 'z' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

void check_goal(const SearchGoal& goal, std::vector<std::string>& mistakes) {
  const auto mistake = [&](std::string what) {
    mistakes.push_back(fmt::format("goal {}: {}", goal.name, what));
  };
  if (!is_goal_name(goal.name)) {
    mistakes.push_back(fmt::format(
        "goal \"{}\": no name for a metric; allowed: a letter, then letters, digits and "
        "_, in lower case, up to 40",
        goal.name));
    return;
  }
  if (!(goal.final_trial_seconds > 0.0)) return mistake("final_trial_seconds must be above 0");
  if (goal.duration_sum_seconds < goal.final_trial_seconds) {
    mistake(
        fmt::format("duration_sum_seconds {} is below final_trial_seconds {}; allowed: at "
                    "least one trial",
                    goal.duration_sum_seconds, goal.final_trial_seconds));
  }
  if (!(goal.initial_trial_seconds > 0.0) ||
      goal.initial_trial_seconds > goal.final_trial_seconds) {
    mistake(fmt::format("initial_trial_seconds {} is not above 0 and up to final_trial_seconds {}",
                        goal.initial_trial_seconds, goal.final_trial_seconds));
  }
  if (!(goal.loss_ratio >= 0.0 && goal.loss_ratio < 1.0)) {
    mistake(
        fmt::format("loss_ratio {} is out of range; allowed: 0 up to below 1", goal.loss_ratio));
  }
  if (!(goal.exceed_ratio >= 0.0 && goal.exceed_ratio < 1.0)) {
    mistake(fmt::format("exceed_ratio {} is out of range; allowed: 0 up to below 1",
                        goal.exceed_ratio));
  }
  if (!(goal.width > 0.0 && goal.width <= 0.5)) {
    mistake(fmt::format("width {} is out of range; allowed: above 0 up to 0.5", goal.width));
  }
  if (goal.name == "ndr" && goal.loss_ratio != 0.0) {
    mistake(fmt::format("loss_ratio {} contradicts \"no drop\"; allowed: 0, or another name",
                        goal.loss_ratio));
  }
  if (goal.name == "pdr" && goal.loss_ratio == 0.0) {
    mistake("loss_ratio 0 contradicts \"partial drop\"; allowed: above 0, or the goal ndr");
  }
  if (goal.name == "rfc2544" && goal != preset_goal("rfc2544")) {
    mistake("RFC 2544 fixes its attributes; allowed: the preset as it is, or another name");
  }
}

}  // namespace

std::vector<std::string> goal_mistakes(const std::vector<SearchGoal>& goals) {
  std::vector<std::string> mistakes;
  if (goals.empty()) mistakes.emplace_back("no goal; allowed: at least one");
  const SearchGoal* first = nullptr;
  for (std::size_t i = 0; i < goals.size(); ++i) {
    const SearchGoal& goal = goals[i];
    check_goal(goal, mistakes);
    for (std::size_t j = 0; j < i; ++j) {
      SearchGoal other = goals[j];
      if (other.name == goal.name) {
        mistakes.push_back(fmt::format("goal {} stands twice; allowed: each name once", goal.name));
        continue;
      }
      other.name = goal.name;
      if (other == goal) {
        mistakes.push_back(
            fmt::format("goals {} and {} have the same attributes; allowed: one of "
                        "them",
                        goals[j].name, goal.name));
      }
    }
    if (goal.kind != GoalKind::bounds) continue;
    if (first == nullptr) first = &goal;
    if (goal.final_trial_seconds != first->final_trial_seconds) {
      mistakes.push_back(fmt::format(
          "goals {} and {} contradict each other: every trial counts for every goal, so one of {} "
          "s would outweigh those of {} s; allowed: the same final_trial_seconds",
          first->name, goal.name, std::max(goal.final_trial_seconds, first->final_trial_seconds),
          std::min(goal.final_trial_seconds, first->final_trial_seconds)));
    }
  }
  return mistakes;
}

SearchCost expected_cost(const std::vector<SearchGoal>& goals) {
  std::vector<SearchGoal> bounds;
  SearchCost cost;
  const auto add = [&cost](int trials, double seconds) {
    cost.trials += trials;
    cost.seconds += trials * seconds;
  };
  for (const SearchGoal& goal : goals) {
    if (goal.kind == GoalKind::bounds) {
      bounds.push_back(goal);
    } else {
      add(static_cast<int>(std::ceil(goal.duration_sum_seconds / goal.final_trial_seconds)),
          goal.final_trial_seconds);
    }
  }
  if (bounds.empty()) return cost;
  std::sort(bounds.begin(), bounds.end(),
            [](const SearchGoal& a, const SearchGoal& b) { return a.loss_ratio < b.loss_ratio; });
  // The highest load first, and a look around.
  add(3, bounds.front().initial_trial_seconds);
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const SearchGoal& goal = bounds[i];
    // One goal's upper bound is the next one's lower when their knees are a step apart.
    const bool shared = i > 0 && goal.loss_ratio - bounds[i - 1].loss_ratio <= goal.width + kSame;
    if (!shared) add(trials_to_decide(goal, Bound::lower), goal.final_trial_seconds);
    add(trials_to_decide(goal, Bound::upper),
        goal.exceed_ratio == 0.0 ? goal.initial_trial_seconds : goal.final_trial_seconds);
  }
  return cost;
}

}  // namespace pollmark
