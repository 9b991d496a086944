// Medians and their distribution-free intervals.
#pragma once

#include <optional>
#include <vector>

namespace pollmark {

// values must not be empty.
[[nodiscard]] double median_of_sorted(const std::vector<double>& sorted);
[[nodiscard]] double median_of(std::vector<double> values);

// The interval from the rank-th smallest to the rank-th largest of n values covers the median of
// their distribution with this probability: 1 - 2 P(Bin(n, 1/2) < rank).
struct SymmetricRank {
  int rank = 1;  // from 1
  double coverage = 0.0;
};

// The tightest of them with at least that coverage; nullopt when not even the whole range has it
// (below 6 values for 0.95).
[[nodiscard]] std::optional<SymmetricRank> symmetric_rank(int n, double coverage = 0.95);

}  // namespace pollmark
