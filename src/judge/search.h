// The search for a load: RFC 9971 (MLRsearch) with several goals at once. Pure: what comes next is
// a function of the trials so far, so that a search goes on from its stored trials.
//
// Selection (the RFC leaves it open). Loads are points of a grid whose steps are one goal width,
// laid so that what the first trial forwarded lies in the middle of a step. For each goal the
// trials so far give every step a probability of holding the load where good turns into bad
// (Horstein's probabilistic bisection: trials may err either way). While no step stands out, the
// median step is tried; then its two ends are, the one with less evidence first, until both are
// classified as the RFC wants or the evidence points elsewhere. A trial counts for every goal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "judge/load_class.h"
#include "record/search_result.h"
#include "record/trial_result.h"

namespace pollmark {

struct SearchOrder {
  std::vector<SearchGoal> goals;  // checked by goal_mistakes()
  double min_load_pps = 0.0;      // > 0
  double max_load_pps = 0.0;      // > min_load_pps
  int retries = 3;                // of an invalid trial
};

enum class SearchOutcome : std::uint8_t {
  measured,
  invalid,        // disturbed: no evidence; tried again
  not_reachable,  // the generator could not offer this load: no evidence, and no higher load is
                  // tried
};

struct SearchTrial {
  double load_pps = 0.0;  // as ordered; of both ways together
  std::int64_t duration_ns = 0;
  SearchOutcome outcome = SearchOutcome::measured;
  std::int64_t offered_pkts = 0;
  std::int64_t lost_pkts = 0;  // clamped to 0..offered_pkts where it is used
  double offered_pps = 0.0;    // of a load that was not reachable: what was offered; 0 = not known
};

struct SearchStep {
  enum class Kind : std::uint8_t { trial, done, given_up };
  Kind kind = Kind::done;
  double load_pps = 0.0;         // of a trial
  std::int64_t duration_ns = 0;  // of a trial
  std::string why;               // given up: one sentence
};

// The next trial; `done` when every goal is settled: regular, or shown to be out of reach of the
// loads. Deterministic.
[[nodiscard]] SearchStep next_step(const SearchOrder& order,
                                   const std::vector<SearchTrial>& so_far);

// Results of the goals, in their order, from the trials so far; those that are not settled are
// irregular.
[[nodiscard]] std::vector<GoalResult> goal_results(const SearchOrder& order,
                                                   const std::vector<SearchTrial>& so_far);

// A stored trial as a search sees it. One whose only fault is that the generator fell short says
// what cannot be reached.
[[nodiscard]] SearchTrial search_trial_of(const TrialResult& trial);
// The record of a search from the trials that it ordered, in order. incomplete_why: why it ended
// early; empty when it did not.
[[nodiscard]] SearchResult search_result_of(const SearchOrder& order,
                                            const std::vector<TrialResult>& trials,
                                            const std::string& incomplete_why);

}  // namespace pollmark
