#include "judge/paired.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pollmark {
namespace {

TEST(Paired, SharesHaveAbsoluteDifferencesAllElseRelativeOnes) {
  EXPECT_EQ(scale_of("loss_ratio"), Scale::absolute);
  EXPECT_EQ(scale_of("rx_missed_ratio"), Scale::absolute);
  EXPECT_EQ(scale_of("busy_fraction"), Scale::absolute);
  EXPECT_EQ(scale_of("latency_p99_ns"), Scale::relative);
  EXPECT_EQ(scale_of("received_mpps"), Scale::relative);
}

TEST(Paired, TheMarginOfAShareIsNeverAboveOneInAThousand) {
  EXPECT_DOUBLE_EQ(margin_of("loss_ratio", 0.01), 0.001);
  EXPECT_DOUBLE_EQ(margin_of("loss_ratio", 0.0002), 0.0002);
  EXPECT_NEAR(margin_of("latency_p99_ns", 0.05), std::log(1.05), 1e-15);
}

TEST(Paired, OnlySharedBlocksCount) {
  const BlockValues from{{0, 1.0}, {1, 2.0}, {3, 9.0}};
  const BlockValues to{{1, 5.0}, {2, 100.0}, {3, 10.0}};
  const BlockValues moved = differences(from, to, Scale::absolute);
  EXPECT_EQ(moved, (BlockValues{{1, 3.0}, {3, 1.0}}));
  EXPECT_DOUBLE_EQ(paired_difference(from, to, Scale::absolute)->median, 2.0);
  EXPECT_DOUBLE_EQ(paired_difference(from, to, Scale::relative)->median,
                   (std::log(2.5) + std::log(10.0 / 9.0)) / 2.0);
  EXPECT_FALSE(paired_difference(from, {{7, 1.0}}, Scale::absolute));
}

TEST(Paired, ARelativeDifferenceOfNothingIsNotInvented) {
  EXPECT_TRUE(differences({{0, 0.0}, {1, 1.0}}, {{0, 1.0}, {1, 1.0}}, Scale::relative).empty());
  EXPECT_FALSE(paired_ratio({{0, 0.0}, {1, 1.0}}, {{0, 1.0}, {1, 1.0}}));
  EXPECT_DOUBLE_EQ(paired_ratio({{0, 2.0}, {1, 1.0}}, {{0, 0.0}, {1, 1.0}}).value(), 0.5);
}

}  // namespace
}  // namespace pollmark
