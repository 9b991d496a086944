// Ranks, and the null distributions of sums of them.
#pragma once

#include <cstddef>
#include <vector>

namespace pollmark {

// Twice the mid-rank of each value, hence whole: 2, 4, ... without ties; tied values share the mean
// of their ranks. Values must be finite.
[[nodiscard]] std::vector<int> doubled_midranks(const std::vector<double>& values);

// How many of the 2^n subsets of `weights` have each sum, 0 .. sum of all. Exact up to 50 weights.
[[nodiscard]] std::vector<double> subset_counts(const std::vector<int>& weights);
// How many of the subsets of exactly `size` weights have each sum. Exact up to 50 weights.
[[nodiscard]] std::vector<double> subset_counts(const std::vector<int>& weights, std::size_t size);

// P(X <= at) and P(X >= at) where X has value i with weight counts[i]; 1 for both when outside.
struct Tails {
  double lower = 0.0;
  double upper = 0.0;
  [[nodiscard]] double two_sided() const;  // twice the smaller, at most 1
};
[[nodiscard]] Tails tails_of(const std::vector<double>& counts, std::size_t at);
// The number of values t, from 0 up, with P(X <= t) <= tail.
[[nodiscard]] int values_within_tail(const std::vector<double>& counts, double tail);

// z with P(N(0, 1) <= z) = probability, and the reverse. probability in (0, 1).
[[nodiscard]] double normal_quantile(double probability);
[[nodiscard]] double normal_cdf(double z);

}  // namespace pollmark
