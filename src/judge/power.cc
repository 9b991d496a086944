#include "judge/power.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/error.h"
#include "judge/order_statistics.h"
#include "judge/ranks.h"

namespace pollmark {
namespace {

constexpr double kPower = 0.8;
constexpr double kEfficiency = 1.047;  // of the signed ranks against the mean, normal noise: pi / 3
constexpr double kNormalMad = 1.4826;
constexpr int kMostBlocks = 1'000'000;

// detectable_units at alpha = 0.05 for n = 6..20.
constexpr std::array<double, 15> kSimulated{1.79, 1.34, 1.25, 1.15, 1.02, 0.99, 0.94, 0.87,
                                            0.83, 0.80, 0.78, 0.76, 0.72, 0.70, 0.68};
// Beyond the table the formula is this much too hopeful: the level is reached from below.
constexpr double kBeyond = 1.02;

double quantiles(double alpha) {
  return normal_quantile(1.0 - alpha / 2.0) + normal_quantile(kPower);
}

}  // namespace

std::optional<double> detectable_units(int n, double alpha) {
  if (n < kFewestBlocks || std::ldexp(2.0, -n) > alpha) return std::nullopt;
  const auto index = static_cast<std::size_t>(n - kFewestBlocks);
  const double at_five_percent =
      index < kSimulated.size() ? kSimulated[index]
                                : kBeyond * quantiles(kAlpha) * std::sqrt(kEfficiency / (n - 2.0));
  return at_five_percent * quantiles(alpha) / quantiles(kAlpha);
}

int blocks_needed(double spread, double effect, double alpha) {
  PM_CHECK(effect > 0.0 && spread >= 0.0);
  // Equivalence: both one-sided tests at 0.05 must succeed in 4 of 5 campaigns.
  const double equivalence = normal_quantile(1.0 - kAlpha) + normal_quantile((1.0 + kPower) / 2.0);
  const double width = std::max(quantiles(alpha), equivalence);
  const double ratio = spread / effect;
  const double formula = kEfficiency * width * width * ratio * ratio + 2.0;
  if (!(formula < kMostBlocks)) return kMostBlocks;
  int blocks = std::max(kFewestBlocks, static_cast<int>(std::ceil(formula)));
  while (std::ldexp(2.0, -blocks) > alpha) ++blocks;
  return blocks + blocks % 2;
}

double robust_spread(const std::vector<double>& values) {
  const double middle = median_of(values);
  std::vector<double> away;
  away.reserve(values.size());
  for (const double value : values) away.push_back(std::fabs(value - middle));
  const double mad = median_of(std::move(away));
  if (mad > 0.0 || values.size() < 2) return kNormalMad * mad;
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (count - 1.0));
}

}  // namespace pollmark
