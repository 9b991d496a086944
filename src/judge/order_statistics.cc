#include "judge/order_statistics.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>

#include "base/error.h"
#include "judge/summary.h"

namespace pollmark {
namespace {

double coverage_of(int n, int rank) {
  const boost::math::binomial_distribution<double> heads(n, 0.5);
  return 1.0 - 2.0 * boost::math::cdf(heads, rank - 1);
}

}  // namespace

double median_of_sorted(const std::vector<double>& sorted) {
  PM_CHECK(!sorted.empty());
  const std::size_t middle = sorted.size() / 2;
  if (sorted.size() % 2 == 1) return sorted[middle];
  return sorted[middle - 1] + (sorted[middle] - sorted[middle - 1]) / 2.0;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return median_of_sorted(values);
}

std::optional<SymmetricRank> symmetric_rank(int n, double coverage) {
  if (n < 1 || coverage_of(n, 1) < coverage) return std::nullopt;
  int enough = 1;
  int too_tight = n / 2 + 1;
  while (too_tight - enough > 1) {
    const int rank = enough + (too_tight - enough) / 2;
    (coverage_of(n, rank) >= coverage ? enough : too_tight) = rank;
  }
  return SymmetricRank{enough, coverage_of(n, enough)};
}

Estimate estimate_median(std::vector<double> values) {
  PM_CHECK(!values.empty());
  for (const double value : values) PM_CHECK(std::isfinite(value));
  std::sort(values.begin(), values.end());
  Estimate estimate;
  estimate.values = static_cast<int>(values.size());
  estimate.median = median_of_sorted(values);
  if (const auto rank = symmetric_rank(estimate.values)) {
    const std::size_t low = static_cast<std::size_t>(rank->rank - 1);
    estimate.interval = Interval{values[low], values[values.size() - 1 - low], rank->coverage};
  }
  return estimate;
}

}  // namespace pollmark
