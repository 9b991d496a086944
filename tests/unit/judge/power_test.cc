#include "judge/power.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace pollmark {
namespace {

TEST(Power, TheSmallestDetectableShiftIsThatOfThePublishedTable) {
  const std::map<int, double> table{{6, 1.77}, {8, 1.26}, {10, 1.03}, {12, .93},
                                    {16, .78}, {20, .69}, {30, .55}};
  for (const auto& [n, units] : table) EXPECT_NEAR(*detectable_units(n), units, 0.025) << n;
}

TEST(Power, MoreBlocksDetectLess) {
  for (int n = 6; n < 200; ++n) EXPECT_LT(*detectable_units(n + 1), *detectable_units(n)) << n;
}

TEST(Power, WhatNoOutcomeCouldShowIsNotPromised) {
  EXPECT_FALSE(detectable_units(5));
  EXPECT_TRUE(detectable_units(6, 0.05));
  EXPECT_FALSE(detectable_units(6, 0.03)) << "2 / 2^6 = 0.031";
  EXPECT_GT(*detectable_units(12, 0.05 / 6), *detectable_units(12));
}

TEST(Power, BlocksNeededFollowThePlanningFormula) {
  // sd 1.5 %, 1 % wanted: 1.047 (1.645 + 1.282)^2 2.25 + 2 = 22.2, on to the next even number.
  EXPECT_EQ(blocks_needed(0.015, 0.01), 24);
  EXPECT_EQ(blocks_needed(0.0, 0.01), 6);
  EXPECT_EQ(blocks_needed(1e-9, 0.01, 0.05 / 25), 10) << "2 / 2^10 is the first below 0.002";
  EXPECT_EQ(blocks_needed(1.0, 1e-9), 1'000'000);
  for (int n = 8; n <= 40; n += 2) {
    // Enough blocks for an effect do detect it.
    const double effect = *detectable_units(n);
    EXPECT_GE(blocks_needed(1.0, effect), n - 2) << n;
  }
}

TEST(Power, AFewWildBlocksDoNotMoveTheSpread) {
  EXPECT_NEAR(robust_spread({-1, 1, -1, 1, -2, 2, -2, 2, 500}), 2 * 1.4826, 1e-9)
      << "the median is 1, the median distance from it 2";
  EXPECT_NEAR(robust_spread({0, 0, 0, 0, 0, 6}), std::sqrt(6.0), 1e-9) << "no MAD: the deviation";
  EXPECT_EQ(robust_spread({3.0}), 0.0);
}

}  // namespace
}  // namespace pollmark
