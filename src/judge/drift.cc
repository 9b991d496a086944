#include "judge/drift.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "judge/ranks.h"

namespace pollmark {
namespace {

constexpr std::size_t kFewestBatches = 4;
constexpr double kLargest = 4096.0;
constexpr double kPi = 3.14159265358979323846;
constexpr double kLn2 = 0.693147180559945309417;

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Of two series of the same length.
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean_a = mean_of(a);
  const double mean_b = mean_of(b);
  double together = 0.0;
  double square_a = 0.0;
  double square_b = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    together += (a[i] - mean_a) * (b[i] - mean_b);
    square_a += (a[i] - mean_a) * (a[i] - mean_a);
    square_b += (b[i] - mean_b) * (b[i] - mean_b);
  }
  const double squares = square_a * square_b;
  return squares > 0.0 ? together / std::sqrt(squares) : 0.0;
}

// Bits that describe a group of values around its own mean, after a group of mean `previous`.
struct Description {
  double bits = 0.0;
  double mean = 0.0;
};

Description describe(std::size_t count, double sum, double squares,
                     const std::optional<double>& previous) {
  const auto n = static_cast<double>(count);
  Description described;
  described.mean = sum / n;
  const double deviation = std::sqrt(std::max(0.0, squares / n - described.mean * described.mean));
  described.bits = std::log2(n * (n + 1.0));
  if (previous) {
    const double norm =
        *previous * *previous - (*previous - 1.0) * kLargest + kLargest * kLargest / 2.0;
    described.bits -= std::log2((std::fabs(described.mean - *previous) + 1.0) / norm);
  } else {
    described.bits += std::log2(kLargest + 1.0);
  }
  if (count < 2) return described;
  described.bits += std::log2(kLargest + 1.0);
  const double natural = kLn2 + (n - 1.0) / 2.0 * std::log(kPi) - std::lgamma((n - 1.0) / 2.0) +
                         (n - 2.0) * std::log(deviation + 1.0) + (n - 2.0) / 2.0 * std::log(n);
  described.bits += natural / kLn2;
  return described;
}

}  // namespace

std::optional<std::size_t> steady_from(const std::vector<double>& values, std::size_t batch) {
  PM_CHECK(batch >= 1);
  std::vector<double> means;
  for (std::size_t from = 0; from + batch <= values.size(); from += batch) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(from);
    const double sum = std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(batch), 0.0);
    means.push_back(sum / static_cast<double>(batch));
  }
  if (means.size() < kFewestBatches) return std::nullopt;
  // From the end: mean and squared deviations of what is kept (Welford).
  const std::size_t n = means.size();
  std::vector<double> error(n);
  double mean = 0.0;
  double squares = 0.0;
  for (std::size_t kept = 1; kept <= n; ++kept) {
    const double value = means[n - kept];
    const double away = value - mean;
    mean += away / static_cast<double>(kept);
    squares += away * (value - mean);
    error[n - kept] = squares / (static_cast<double>(kept) * static_cast<double>(kept));
  }
  const auto last = error.begin() + static_cast<std::ptrdiff_t>(n / 2);
  const auto least = std::min_element(error.begin(), last + 1);
  if (least == last) return std::nullopt;
  return static_cast<std::size_t>(least - error.begin()) * batch;
}

bool Drift::drifts() const {
  return values >= 3 && std::fabs(spearman) > 1.96 / std::sqrt(static_cast<double>(values) - 1.0);
}

bool Drift::correlated() const {
  return values >= 3 && std::fabs(lag1) > 2.0 / std::sqrt(static_cast<double>(values));
}

Drift drift_of(const std::vector<double>& values) {
  Drift drift;
  drift.values = values.size();
  if (values.size() < 3) return drift;
  std::vector<double> ranks;
  std::vector<double> time;
  for (const int rank : doubled_midranks(values)) {
    ranks.push_back(rank);
    time.push_back(static_cast<double>(time.size()));
  }
  drift.spearman = correlation(ranks, time);
  const double mean = mean_of(values);
  double neighbours = 0.0;
  double squares = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    squares += (values[i] - mean) * (values[i] - mean);
    if (i > 0) neighbours += (values[i] - mean) * (values[i - 1] - mean);
  }
  if (squares > 0.0) drift.lag1 = neighbours / squares;
  return drift;
}

std::vector<std::size_t> change_points(const std::vector<double>& values) {
  const std::size_t n = values.size();
  double largest = 0.0;
  for (const double value : values) {
    PM_CHECK(std::isfinite(value) && value >= 0.0);
    largest = std::max(largest, value);
  }
  if (n < 2 || largest <= 0.0) return {};
  std::vector<double> sums(n + 1, 0.0);
  std::vector<double> squares(n + 1, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const double value = values[i] / largest * kLargest;
    sums[i + 1] = sums[i] + value;
    squares[i + 1] = squares[i] + value * value;
  }
  // best[i][j]: fewest bits for values 0..j whose last group is i..j; before[i][j]: where the
  // group before that begins.
  constexpr double kNone = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> best(n, std::vector<double>(n, kNone));
  std::vector<std::vector<std::size_t>> before(n, std::vector<std::size_t>(n, 0));
  const auto group = [&](std::size_t i, std::size_t j, const std::optional<double>& previous) {
    return describe(j + 1 - i, sums[j + 1] - sums[i], squares[j + 1] - squares[i], previous);
  };
  for (std::size_t j = 0; j < n; ++j) {
    best[0][j] = group(0, j, std::nullopt).bits;
    for (std::size_t i = 1; i <= j; ++i) {
      for (std::size_t h = 0; h < i; ++h) {
        const double mean = (sums[i] - sums[h]) / static_cast<double>(i - h);
        const double bits = best[h][i - 1] + group(i, j, mean).bits;
        if (bits >= best[i][j]) continue;
        best[i][j] = bits;
        before[i][j] = h;
      }
    }
  }
  std::size_t last = n - 1;
  std::size_t begin = 0;
  for (std::size_t i = 1; i < n; ++i) {
    if (best[i][last] < best[begin][last]) begin = i;
  }
  std::vector<std::size_t> points;
  while (begin > 0) {
    points.push_back(begin);
    const std::size_t earlier = before[begin][last];
    last = begin - 1;
    begin = earlier;
  }
  std::reverse(points.begin(), points.end());
  return points;
}

}  // namespace pollmark
