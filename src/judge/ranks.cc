#include "judge/ranks.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace pollmark {

std::vector<int> doubled_midranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (const double value : values) PM_CHECK(std::isfinite(value));
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<int> ranks(values.size());
  for (std::size_t from = 0; from < order.size();) {
    std::size_t to = from + 1;
    while (to < order.size() && values[order[to]] == values[order[from]]) ++to;
    // Ranks from + 1 .. to: their mean, doubled.
    for (std::size_t i = from; i < to; ++i) ranks[order[i]] = static_cast<int>(from + 1 + to);
    from = to;
  }
  return ranks;
}

std::vector<double> subset_counts(const std::vector<int>& weights) {
  std::vector<double> counts{1.0};
  for (const int weight : weights) {
    PM_CHECK(weight >= 0);
    const auto step = static_cast<std::size_t>(weight);
    counts.resize(counts.size() + step, 0.0);
    for (std::size_t sum = counts.size(); sum-- > step;) counts[sum] += counts[sum - step];
  }
  return counts;
}

std::vector<double> subset_counts(const std::vector<int>& weights, std::size_t size) {
  std::size_t most = 0;
  for (const int weight : weights) {
    PM_CHECK(weight >= 0);
    most += static_cast<std::size_t>(weight);
  }
  std::vector<std::vector<double>> counts(size + 1, std::vector<double>(most + 1, 0.0));
  counts[0][0] = 1.0;
  std::size_t used = 0;
  std::size_t reached = 0;
  for (const int weight : weights) {
    const auto step = static_cast<std::size_t>(weight);
    reached += step;
    used = std::min(used + 1, size);
    for (std::size_t taken = used; taken >= 1; --taken) {
      for (std::size_t sum = reached; sum >= step; --sum) {
        counts[taken][sum] += counts[taken - 1][sum - step];
        if (sum == 0) break;
      }
    }
  }
  return counts[size];
}

double Tails::two_sided() const { return std::min(1.0, 2.0 * std::min(lower, upper)); }

Tails tails_of(const std::vector<double>& counts, std::size_t at) {
  if (at >= counts.size()) return {1.0, 1.0};
  const auto middle = counts.begin() + static_cast<std::ptrdiff_t>(at);
  const double below = std::accumulate(counts.begin(), middle, 0.0);
  const double above = std::accumulate(middle + 1, counts.end(), 0.0);
  const double all = below + *middle + above;
  return {(below + *middle) / all, (above + *middle) / all};
}

int values_within_tail(const std::vector<double>& counts, double tail) {
  const double all = std::accumulate(counts.begin(), counts.end(), 0.0);
  double sum = 0.0;
  int values = 0;
  for (const double count : counts) {
    sum += count;
    if (sum / all > tail) break;
    ++values;
  }
  return values;
}

double normal_quantile(double probability) {
  return boost::math::quantile(boost::math::normal_distribution<double>(), probability);
}

double normal_cdf(double z) {
  return boost::math::cdf(boost::math::normal_distribution<double>(), z);
}

}  // namespace pollmark
