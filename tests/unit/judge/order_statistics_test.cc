#include "judge/order_statistics.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

#include "judge/summary.h"

namespace pollmark {
namespace {

// Ranks and coverage of the tightest symmetric interval: 1 - 2 sum_{i<rank} C(n, i) / 2^n.
TEST(OrderStatistics, RanksAndCoverageAreThoseOfTheBinomialTable) {
  struct Row {
    int n;
    int rank;
    double coverage;
  };
  for (const Row& row :
       {Row{6, 1, 1 - 2.0 / 64}, Row{7, 1, 1 - 2.0 / 128}, Row{8, 1, 1 - 2.0 / 256},
        Row{9, 2, 1 - 20.0 / 512}, Row{10, 2, 1 - 22.0 / 1024}, Row{11, 2, 1 - 24.0 / 2048},
        Row{12, 3, 1 - 158.0 / 4096}, Row{15, 4, 1 - 1152.0 / 32768},
        Row{20, 6, 1 - 43400.0 / 1048576}}) {
    const auto rank = symmetric_rank(row.n);
    ASSERT_TRUE(rank) << row.n;
    EXPECT_EQ(rank->rank, row.rank) << row.n;
    EXPECT_NEAR(rank->coverage, row.coverage, 1e-12) << row.n;
  }
}

TEST(OrderStatistics, BelowSixValuesThereIsNoFiniteInterval) {
  for (int n = 0; n < 6; ++n) EXPECT_FALSE(symmetric_rank(n)) << n;
  EXPECT_FALSE(estimate_median({1, 2, 3, 4, 5}).interval);
  EXPECT_TRUE(estimate_median({1, 2, 3, 4, 5, 6}).interval);
}

TEST(OrderStatistics, TheRankIsTheTightestThatCovers) {
  for (int n = 6; n <= 200; ++n) {
    const auto rank = symmetric_rank(n);
    ASSERT_TRUE(rank);
    EXPECT_GE(rank->coverage, 0.95) << n;
    // The next rank would lose 2 C(n, rank) / 2^n of the coverage and fall below.
    double next = 2.0;
    for (int i = 0; i < rank->rank; ++i) next *= static_cast<double>(n - i) / (i + 1);
    EXPECT_LT(rank->coverage - next * std::pow(0.5, n), 0.95) << n;
  }
}

TEST(OrderStatistics, TheMedianOfSixHasItsRangeAsInterval) {
  const Estimate estimate = estimate_median({6, 1, 5, 2, 4, 3});
  EXPECT_DOUBLE_EQ(estimate.median, 3.5);
  EXPECT_DOUBLE_EQ(estimate.interval.value().low, 1.0);
  EXPECT_DOUBLE_EQ(estimate.interval.value().high, 6.0);
  EXPECT_DOUBLE_EQ(estimate.interval.value().confidence, 0.96875);
  EXPECT_EQ(estimate.values, 6);
}

TEST(OrderStatistics, TheMedianOfTwelveLiesBetweenTheThirdAndTheTenth) {
  const Estimate estimate = estimate_median({12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1});
  EXPECT_DOUBLE_EQ(estimate.median, 6.5);
  EXPECT_DOUBLE_EQ(estimate.interval.value().low, 3.0);
  EXPECT_DOUBLE_EQ(estimate.interval.value().high, 10.0);
  EXPECT_NEAR(estimate.interval.value().confidence, 0.961, 0.0005);
}

TEST(OrderStatistics, TheMedianOfOneIsItself) {
  EXPECT_DOUBLE_EQ(estimate_median({7.5}).median, 7.5);
  EXPECT_DOUBLE_EQ(median_of({3, 1, 2}), 2.0);
}

TEST(OrderStatistics, HalfOfTheValuesLieOnEachSideAndTheIntervalHoldsTheMedian) {
  rc::check([](const std::vector<std::int16_t>& raw) {
    RC_PRE(!raw.empty());
    const std::vector<double> values(raw.begin(), raw.end());
    const Estimate estimate = estimate_median(values);
    const auto half = static_cast<std::ptrdiff_t>((values.size() + 1) / 2);
    RC_ASSERT(std::count_if(values.begin(), values.end(),
                            [&](double v) { return v <= estimate.median; }) >= half);
    RC_ASSERT(std::count_if(values.begin(), values.end(),
                            [&](double v) { return v >= estimate.median; }) >= half);
    RC_ASSERT(estimate.interval.has_value() == (values.size() >= 6));
    if (estimate.interval) {
      RC_ASSERT(estimate.interval->low <= estimate.median);
      RC_ASSERT(estimate.interval->high >= estimate.median);
    }
  });
}

}  // namespace
}  // namespace pollmark
