// What a search looks for. Terms are those of RFC 9971 (MLRsearch).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pollmark {

// bounds: a load between a lower and an upper bound. max_rate: what is received at the highest
// load.
enum class GoalKind : std::uint8_t { bounds, max_rate };
[[nodiscard]] std::string_view name_of(GoalKind kind);

// The attributes of RFC 9971 section 4.6. Trials of at least final_trial_seconds are full-length.
struct SearchGoal {
  std::string name;  // "ndr", "pdr", "mrr", "rfc2544", or the user's own: [a-z][a-z0-9_]*
  GoalKind kind = GoalKind::bounds;
  double loss_ratio = 0.0;             // [0, 1): a trial that loses more is bad
  double exceed_ratio = 0.5;           // [0, 1): share of the time that may be bad
  double width = 0.005;                // (0, 1): of upper and lower bound, relative to the upper
  double initial_trial_seconds = 1.0;  // of trials that only look for the region
  double final_trial_seconds = 1.0;
  double duration_sum_seconds = 21.0;  // of full-length trials at a load, until it is decided
  friend bool operator==(const SearchGoal&, const SearchGoal&) = default;
};

// ndr: no loss, pdr: 0.5 %, both with half of 21 s allowed to be bad; mrr: ten seconds at the
// highest load; rfc2544: 60 s without any loss. nullopt for another name.
[[nodiscard]] std::optional<SearchGoal> preset_goal(std::string_view name);
[[nodiscard]] const std::vector<std::string>& preset_goal_names();
// "ndr" -> "ndr_mpps".
[[nodiscard]] std::string metric_of_goal(std::string_view goal);
// "no loss, half of 21 s may be bad, trials of 1 s": a number's small print.
[[nodiscard]] std::string attributes_text(const SearchGoal& goal);

// What is wrong with goals that are to be searched together, one sentence each; empty when nothing
// is.
[[nodiscard]] std::vector<std::string> goal_mistakes(const std::vector<SearchGoal>& goals);

// Trials and seconds of traffic on a steady device, for plans.
struct SearchCost {
  int trials = 0;
  double seconds = 0.0;
};
[[nodiscard]] SearchCost expected_cost(const std::vector<SearchGoal>& goals);

}  // namespace pollmark
