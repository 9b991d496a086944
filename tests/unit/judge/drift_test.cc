#include "judge/drift.h"

#include <gtest/gtest.h>

#include <random>

namespace pollmark {
namespace {

std::vector<double> noise(std::size_t count, double middle, double spread, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(middle, spread);
  std::vector<double> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(normal(random));
  return values;
}

std::vector<double> joined(std::vector<double> first, const std::vector<double>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST(Drift, AWarmUpIsCutOff) {
  const auto from = steady_from(joined(noise(20, 50.0, 1.0, 1), noise(180, 100.0, 1.0, 2)));
  ASSERT_TRUE(from);
  EXPECT_EQ(*from, 20U);
}

TEST(Drift, ASteadySeriesIsKeptAlmostWhole) {
  int long_cuts = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto from = steady_from(noise(200, 100.0, 1.0, seed));
    if (!from || *from > 60) ++long_cuts;
  }
  EXPECT_LE(long_cuts, 20);
}

TEST(Drift, ASeriesThatNeverSettlesIsNotSteady) {
  std::vector<double> rising;
  for (int i = 0; i < 100; ++i) rising.push_back(i);
  EXPECT_FALSE(steady_from(rising));
  EXPECT_FALSE(steady_from({1.0, 2.0, 3.0})) << "too short to tell";
}

TEST(Drift, TrendsAndNeighboursAreTold) {
  std::vector<double> rising;
  for (int i = 0; i < 12; ++i) rising.push_back(i * i);
  EXPECT_DOUBLE_EQ(drift_of(rising).spearman, 1.0);
  EXPECT_TRUE(drift_of(rising).drifts());
  EXPECT_TRUE(drift_of(rising).correlated());
  const Drift alternating = drift_of({1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1});
  EXPECT_FALSE(alternating.drifts());
  EXPECT_NEAR(alternating.lag1, -11.0 / 12.0, 1e-12);
  EXPECT_TRUE(alternating.correlated());
  EXPECT_EQ(drift_of({5, 5, 5, 5}).spearman, 0.0);
  EXPECT_FALSE(drift_of({1, 2}).drifts());
}

TEST(Drift, NoiseIsWarnedOfOnceInTwenty) {
  int drifts = 0;
  int correlated = 0;
  for (std::uint64_t seed = 0; seed < 1'000; ++seed) {
    const Drift drift = drift_of(noise(12, 0.0, 1.0, seed));
    drifts += drift.drifts() ? 1 : 0;
    correlated += drift.correlated() ? 1 : 0;
  }
  EXPECT_GE(drifts, 20);
  EXPECT_LE(drifts, 80);
  EXPECT_LE(correlated, 80);
}

TEST(ChangePoints, ALevelThatStaysIsOnlyOneGroup) {
  EXPECT_TRUE(change_points(noise(40, 100.0, 0.5, 3)).empty());
  EXPECT_TRUE(change_points({7.0}).empty());
  EXPECT_TRUE(change_points({0.0, 0.0, 0.0}).empty());
}

TEST(ChangePoints, AStepIsFoundWhereItIs) {
  const auto points = change_points(joined(noise(15, 100.0, 0.3, 4), noise(12, 92.0, 0.3, 5)));
  EXPECT_EQ(points, std::vector<std::size_t>{15});
  const auto two = change_points(
      joined(joined(noise(10, 60.0, 0.2, 6), noise(10, 80.0, 0.2, 7)), noise(10, 70.0, 0.2, 8)));
  EXPECT_EQ(two, (std::vector<std::size_t>{10, 20}));
}

TEST(ChangePoints, TheUnitOfTheValuesDoesNotMatter) {
  const std::vector<double> values = joined(noise(9, 10.0, 0.1, 9), noise(9, 12.0, 0.1, 10));
  std::vector<double> scaled;
  for (const double value : values) scaled.push_back(value * 1e6);
  EXPECT_EQ(change_points(values), change_points(scaled));
  EXPECT_EQ(change_points(values), std::vector<std::size_t>{9});
}

}  // namespace
}  // namespace pollmark
