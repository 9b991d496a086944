#include "judge/shift.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "judge/ranks.h"

namespace pollmark {
namespace {

constexpr int kExactPairs = 50;
constexpr std::size_t kExactSide = 20;

std::vector<double> walsh_averages(const std::vector<double>& differences) {
  std::vector<double> averages;
  averages.reserve(differences.size() * (differences.size() + 1) / 2);
  for (std::size_t i = 0; i < differences.size(); ++i) {
    for (std::size_t j = i; j < differences.size(); ++j) {
      averages.push_back((differences[i] + differences[j]) / 2.0);
    }
  }
  return averages;
}

// The values at the middle and at both ranks, counted from either end, come to their sorted places.
void place_ranks(std::vector<double>& values, const std::optional<SymmetricRank>& outer,
                 const std::optional<SymmetricRank>& inner) {
  const std::size_t count = values.size();
  std::vector<std::size_t> wanted{(count - 1) / 2, count / 2};
  for (const auto& rank : {outer, inner}) {
    if (!rank) continue;
    const auto low = static_cast<std::size_t>(rank->rank - 1);
    PM_CHECK(low < count);
    wanted.push_back(low);
    wanted.push_back(count - 1 - low);
  }
  std::sort(wanted.begin(), wanted.end());
  auto from = values.begin();
  for (const std::size_t index : wanted) {
    const auto place = values.begin() + static_cast<std::ptrdiff_t>(index);
    if (place < from) continue;  // the same place again
    std::nth_element(from, place, values.end());
    from = place + 1;
  }
}

std::optional<Interval> interval_at(const std::vector<double>& sorted,
                                    const std::optional<SymmetricRank>& rank) {
  if (!rank) return std::nullopt;
  const auto low = static_cast<std::size_t>(rank->rank - 1);
  PM_CHECK(low < sorted.size());
  return Interval{sorted[low], sorted[sorted.size() - 1 - low], rank->coverage};
}

double signed_rank_p(const std::vector<double>& differences) {
  std::vector<double> sizes;
  std::vector<bool> above;
  for (const double difference : differences) {
    if (difference == 0.0) continue;
    sizes.push_back(std::fabs(difference));
    above.push_back(difference > 0.0);
  }
  if (sizes.empty()) return 1.0;
  const std::vector<int> ranks = doubled_midranks(sizes);
  std::size_t positive = 0;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (above[i]) positive += static_cast<std::size_t>(ranks[i]);
  }
  if (sizes.size() <= kExactPairs) return tails_of(subset_counts(ranks), positive).two_sided();
  double mean = 0.0;
  double variance = 0.0;
  for (const int rank : ranks) {
    mean += rank / 4.0;
    variance += rank * (rank / 16.0);
  }
  const double away = std::max(0.0, std::fabs(static_cast<double>(positive) / 2.0 - mean) - 0.5);
  return std::min(1.0, 2.0 * normal_cdf(-away / std::sqrt(variance)));
}

// Ranks of all values, those of `from` first.
std::vector<int> joint_ranks(const std::vector<double>& from, const std::vector<double>& to) {
  std::vector<double> all = from;
  all.insert(all.end(), to.begin(), to.end());
  return doubled_midranks(all);
}

double rank_sum_p(const std::vector<double>& from, const std::vector<double>& to) {
  const std::vector<int> ranks = joint_ranks(from, to);
  const auto own = ranks.begin() + static_cast<std::ptrdiff_t>(from.size());
  const int sum = std::accumulate(ranks.begin(), own, 0);
  if (from.size() <= kExactSide && to.size() <= kExactSide) {
    return tails_of(subset_counts(ranks, from.size()), static_cast<std::size_t>(sum)).two_sided();
  }
  const auto n1 = static_cast<double>(from.size());
  const auto n2 = static_cast<double>(to.size());
  const double n = n1 + n2;
  std::vector<int> sorted = ranks;
  std::sort(sorted.begin(), sorted.end());
  double ties = 0.0;
  for (auto begin = sorted.begin(); begin != sorted.end();) {
    const auto end = std::upper_bound(begin, sorted.end(), *begin);
    const auto t = static_cast<double>(end - begin);
    ties += t * t * t - t;
    begin = end;
  }
  const double variance = n1 * n2 / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)));
  if (variance <= 0.0) return 1.0;
  const double u = sum / 2.0 - n1 * (n1 + 1.0) / 2.0;
  const double away = std::max(0.0, std::fabs(u - n1 * n2 / 2.0) - 0.5);
  return std::min(1.0, 2.0 * normal_cdf(-away / std::sqrt(variance)));
}

std::vector<int> whole_numbers(std::size_t count) {
  std::vector<int> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 1);
  return numbers;
}

double coverage_below(const std::vector<double>& counts, std::size_t first, int rank) {
  return 1.0 - 2.0 * tails_of(counts, first + static_cast<std::size_t>(rank - 1)).lower;
}

std::optional<SymmetricRank> difference_rank(std::size_t n1, std::size_t n2, double coverage) {
  const double tail = (1.0 - coverage) / 2.0;
  if (n1 <= kExactSide && n2 <= kExactSide) {
    const std::vector<double> sums = subset_counts(whole_numbers(n1 + n2), n1);
    const std::size_t least = n1 * (n1 + 1) / 2;  // the smallest rank sum is U = 0
    const std::vector<double> counts(sums.begin() + static_cast<std::ptrdiff_t>(least), sums.end());
    const int rank = values_within_tail(counts, tail);
    if (rank < 1) return std::nullopt;
    return SymmetricRank{rank, coverage_below(counts, 0, rank)};
  }
  const auto a = static_cast<double>(n1);
  const auto b = static_cast<double>(n2);
  const double spread = std::sqrt(a * b * (a + b + 1.0) / 12.0);
  const int rank = static_cast<int>(std::floor(a * b / 2.0 + normal_quantile(tail) * spread));
  if (rank < 1) return std::nullopt;
  return SymmetricRank{rank, coverage};
}

}  // namespace

std::optional<SymmetricRank> walsh_rank(int n, double coverage) {
  const double tail = (1.0 - coverage) / 2.0;
  if (n <= kExactPairs) {
    const std::vector<double> counts =
        subset_counts(whole_numbers(static_cast<std::size_t>(std::max(n, 0))));
    const int rank = values_within_tail(counts, tail);
    if (rank < 1) return std::nullopt;
    return SymmetricRank{rank, coverage_below(counts, 0, rank)};
  }
  const double size = n;
  const double spread = std::sqrt(size * (size + 1.0) * (2.0 * size + 1.0) / 24.0);
  const double middle = size * (size + 1.0) / 4.0;
  return SymmetricRank{static_cast<int>(std::floor(middle + normal_quantile(tail) * spread)),
                       coverage};
}

Shift paired_shift(const std::vector<double>& differences) {
  PM_CHECK(!differences.empty());
  for (const double difference : differences) PM_CHECK(std::isfinite(difference));
  std::vector<double> averages = walsh_averages(differences);
  Shift shift;
  shift.values = static_cast<int>(differences.size());
  const auto outer = walsh_rank(shift.values, 0.95);
  const auto inner = walsh_rank(shift.values, 0.90);
  place_ranks(averages, outer, inner);
  shift.estimate = median_of_sorted(averages);
  shift.interval = interval_at(averages, outer);
  shift.interval_90 = interval_at(averages, inner);
  shift.p = signed_rank_p(differences);
  return shift;
}

double mann_whitney_u(const std::vector<double>& from, const std::vector<double>& to) {
  const std::vector<int> ranks = joint_ranks(from, to);
  const auto own = ranks.begin() + static_cast<std::ptrdiff_t>(from.size());
  const auto n = static_cast<double>(from.size());
  return std::accumulate(ranks.begin(), own, 0.0) / 2.0 - n * (n + 1.0) / 2.0;
}

Shift unpaired_shift(const std::vector<double>& from, const std::vector<double>& to) {
  PM_CHECK(!from.empty() && !to.empty());
  std::vector<double> differences;
  differences.reserve(from.size() * to.size());
  for (const double start : from) {
    for (const double end : to) {
      PM_CHECK(std::isfinite(start) && std::isfinite(end));
      differences.push_back(end - start);
    }
  }
  const auto outer = difference_rank(from.size(), to.size(), 0.95);
  const auto inner = difference_rank(from.size(), to.size(), 0.90);
  place_ranks(differences, outer, inner);
  Shift shift;
  shift.values = static_cast<int>(std::min(from.size(), to.size()));
  shift.estimate = median_of_sorted(differences);
  shift.interval = interval_at(differences, outer);
  shift.interval_90 = interval_at(differences, inner);
  shift.p = rank_sum_p(from, to);
  return shift;
}

bool is_equivalent(const Shift& shift, double margin) {
  return shift.interval_90 && shift.interval_90->low >= -margin &&
         shift.interval_90->high <= margin;
}

}  // namespace pollmark
