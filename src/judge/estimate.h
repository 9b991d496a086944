// A number with what is known of its error.
#pragma once

#include <optional>
#include <vector>

#include "judge/interval.h"

namespace pollmark {

struct Estimate {
  double median = 0.0;
  std::optional<Interval> interval;  // nullopt below 6 values: no finite 95 % interval exists
  int values = 0;
};

// Median with the tightest symmetric order-statistic interval of coverage >= 0.95 (binomial).
// values must not be empty.
[[nodiscard]] Estimate estimate_median(std::vector<double> values);

}  // namespace pollmark
