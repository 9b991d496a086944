// Is a series steady, and where does it change? Series are in the order of time.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace pollmark {

// MSER (White 1997), on means of `batch` values: the value from which the series is steady, the t
// that minimises sum_{i > t} (x_i - mean)^2 / (n - t)^2 over t <= n / 2. nullopt: it is not shown
// to be steady (the minimum lies at n / 2, or there are fewer than four batches). batch >= 1.
[[nodiscard]] std::optional<std::size_t> steady_from(const std::vector<double>& values,
                                                     std::size_t batch = 5);

// Both 0 for a constant series and below three values.
struct Drift {
  double spearman = 0.0;  // rank correlation with time, -1..1
  double lag1 = 0.0;      // autocorrelation of neighbours
  std::size_t values = 0;
  // Beyond what chance gives once in twenty: 1.96 / sqrt(n - 1), 2 / sqrt(n).
  [[nodiscard]] bool drifts() const;
  [[nodiscard]] bool correlated() const;
};
[[nodiscard]] Drift drift_of(const std::vector<double>& values);

// Where the values change level for good: indices at which a new group begins. The grouping with
// the shortest description (CSIT's Jumpavg, bit_counting_stats.py), in units where the largest
// value is 4096. It has no error rate: a hint in a trend, not a verdict. values: >= 0, finite.
[[nodiscard]] std::vector<std::size_t> change_points(const std::vector<double>& values);

}  // namespace pollmark
