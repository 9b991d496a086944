#include "campaign/cell_search.h"

#include <string>

namespace pollmark {

Result<SearchResult> search_cell(const SearchOrder& order, std::vector<TrialResult> trials,
                                 const RunSearchTrial& run) {
  std::vector<SearchTrial> seen;
  for (const TrialResult& trial : trials) seen.push_back(search_trial_of(trial));
  SearchStep step = next_step(order, seen);
  while (step.kind == SearchStep::Kind::trial) {
    PM_TRY(TrialResult trial, run(step.load_pps, static_cast<double>(step.duration_ns) / 1e9,
                                  static_cast<int>(trials.size())));
    seen.push_back(search_trial_of(trial));
    trials.push_back(std::move(trial));
    step = next_step(order, seen);
  }
  return search_result_of(order, trials, step.why);
}

}  // namespace pollmark
