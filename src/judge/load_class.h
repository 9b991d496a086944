// What the trials at one load say of a goal: RFC 9971 (MLRsearch) section 4.7 and appendices A, B.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "record/search_result.h"

namespace pollmark {

// One valid trial. Loss is clamped to [0, 1]; more received than offered is no negative loss.
struct Evidence {
  std::int64_t duration_ns = 0;  // > 0
  double loss_ratio = 0.0;
};

enum class LoadClass : std::uint8_t { undecided, lower_bound, upper_bound };
[[nodiscard]] std::string_view name_of(LoadClass load_class);

// The normative classification, from all trials at the load, of whatever length.
[[nodiscard]] LoadClass classify(const SearchGoal& goal, const std::vector<Evidence>& trials);

// The rate that is forwarded in at least (1 - exceed ratio) of the duration sum: load times what
// was not lost in the last of the best full-length trials that fill that time. Full-length trials
// that are missing count as losing everything, so 0 for a load that is no lower bound.
[[nodiscard]] double conditional_throughput_pps(const SearchGoal& goal, double load_pps,
                                                const std::vector<Evidence>& trials);

using LoadEvidence = std::map<double, std::vector<Evidence>>;  // by load in pps

// Upper: the smallest load that is an upper bound. Lower: the largest lower bound below it (a lower
// bound above an upper one is loss inversion, and does not count).
struct RelevantBounds {
  std::optional<double> lower_pps;
  std::optional<double> upper_pps;
  // Both known, and (upper - lower) / upper within the goal's width.
  [[nodiscard]] bool regular(const SearchGoal& goal) const;
};
[[nodiscard]] RelevantBounds relevant_bounds(const SearchGoal& goal, const LoadEvidence& loads);

[[nodiscard]] std::int64_t ns_of(double seconds);

}  // namespace pollmark
