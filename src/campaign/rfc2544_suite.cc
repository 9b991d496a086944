#include "campaign/rfc2544_suite.h"

namespace pollmark {
namespace {

std::vector<const TrialResult*> pointers_to(const std::vector<TrialResult>& trials) {
  std::vector<const TrialResult*> pointers;
  for (const TrialResult& trial : trials) pointers.push_back(&trial);
  return pointers;
}

}  // namespace

Result<std::vector<TrialResult>> run_rfc2544_suite(const Rfc2544Order& order,
                                                   const SearchResult& search, int retries,
                                                   std::vector<TrialResult> trials,
                                                   const RunRfc2544Trial& run) {
  const Rfc2544Ground ground = rfc2544_ground(search, pointers_to(trials), retries);
  while (const auto next = next_rfc2544_trial(order, ground, pointers_to(trials))) {
    PM_TRY(TrialResult trial, run(*next));
    trials.push_back(std::move(trial));
  }
  return trials;
}

}  // namespace pollmark
