// Several comparisons at once: p values adjusted so that each may be held against 0.05.
#pragma once

#include <vector>

namespace pollmark {

// Holm's step-down: keeps the chance of any false alarm in the family at the level. Same order as
// p. For the declared metric.
[[nodiscard]] std::vector<double> holm(const std::vector<double>& p);
// Benjamini and Hochberg: keeps the expected share of false alarms among the alarms at the level.
// Same order as p. For metrics that were only looked at.
[[nodiscard]] std::vector<double> benjamini_hochberg(const std::vector<double>& p);

}  // namespace pollmark
