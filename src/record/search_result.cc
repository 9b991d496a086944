#include "record/search_result.h"

namespace pollmark {

std::optional<double> metric_of(const SearchResult& search, std::string_view metric) {
  if (!search.complete) return std::nullopt;
  for (const GoalResult& result : search.goals) {
    if (metric_of_goal(result.goal.name) != metric) continue;
    if (!result.regular || !result.throughput_pps) return std::nullopt;
    return *result.throughput_pps / 1e6;
  }
  return std::nullopt;
}

}  // namespace pollmark
