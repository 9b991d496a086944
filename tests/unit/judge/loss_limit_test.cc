#include "judge/loss_limit.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pollmark {
namespace {

TEST(LossLimit, RuleOfThree) {
  // 100 million frames without a loss: below 3e-8.
  EXPECT_NEAR(loss_ratio_limit(0, 100'000'000).value(), 3e-8, 0.01e-8);
  EXPECT_NEAR(loss_ratio_limit(0, 10).value(), 1.0 - std::pow(0.05, 0.1), 1e-12);
}

// P(Bin(n, limit) <= lost) = 5 %, summed by hand.
TEST(LossLimit, IsTheExactBinomialOne) {
  for (const int lost : {0, 1, 3, 9}) {
    const int offered = 10;
    const double limit = loss_ratio_limit(lost, offered).value();
    double sum = 0.0;
    double choose = 1.0;
    for (int k = 0; k <= lost; ++k) {
      sum += choose * std::pow(limit, k) * std::pow(1.0 - limit, offered - k);
      choose = choose * (offered - k) / (k + 1);
    }
    EXPECT_NEAR(sum, 0.05, 1e-9) << lost;
  }
}

// P(Bin(n, floor) >= lost) = 5 %, summed by hand.
TEST(LossLimit, TheFloorIsTheOtherSide) {
  for (const int lost : {1, 3, 10}) {
    const int offered = 10;
    const double floor = loss_ratio_floor(lost, offered).value();
    double below = 0.0;
    double choose = 1.0;
    for (int k = 0; k < lost; ++k) {
      below += choose * std::pow(floor, k) * std::pow(1.0 - floor, offered - k);
      choose = choose * (offered - k) / (k + 1);
    }
    EXPECT_NEAR(1.0 - below, 0.05, 1e-9) << lost;
  }
  EXPECT_DOUBLE_EQ(loss_ratio_floor(0, 10).value(), 0.0);
  EXPECT_FALSE(loss_ratio_floor(0, 0).has_value());
}

TEST(LossLimit, Ends) {
  EXPECT_FALSE(loss_ratio_limit(0, 0).has_value());
  EXPECT_DOUBLE_EQ(loss_ratio_limit(5, 5).value(), 1.0);
  EXPECT_GT(loss_ratio_limit(1'000'000, 1'000'000'000).value(), 0.001);
  EXPECT_LT(loss_ratio_limit(1'000'000, 1'000'000'000).value(), 0.00101);
}

}  // namespace
}  // namespace pollmark
