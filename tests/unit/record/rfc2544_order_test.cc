#include "record/rfc2544_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Rfc2544Order, NamesGoBothWays) {
  for (const Rfc2544Test test : all_rfc2544_tests())
    EXPECT_EQ(rfc2544_test_from_name(name_of(test)), test);
  EXPECT_EQ(rfc2544_test_from_name("latenc"), std::nullopt);
  EXPECT_THAT(all_rfc2544_tests(), SizeIs(6));
}

TEST(Rfc2544Order, StrictLacksNothingAndShortSaysWhatItLacks) {
  EXPECT_THAT(rfc2544_shortfalls(*rfc2544_preset("strict")), IsEmpty());
  EXPECT_THAT(rfc2544_shortfalls(*rfc2544_preset("short")),
              ElementsAre("trials of 1.00 s (60.0 s)", "latency streams of 1.00 s (120 s)",
                          "latency 3 times (20)", "longest bursts of 200 ms (2.00 s)",
                          "back-to-back 5 times (50)", "overload of 1.00 s (60.0 s)",
                          "no waits before trials (5.00 s)", "no waits behind trials (2.00 s)"));
  EXPECT_FALSE(rfc2544_preset("lax").has_value());
}

TEST(Rfc2544Order, MoreThanAskedIsNoShortfallAndTestsThatAreNotRunLackNothing) {
  Rfc2544Order order;
  order.trial_seconds = 120.0;
  order.burst_repeats = 100;
  order.latency_repeats = 1;
  order.tests = {Rfc2544Test::throughput, Rfc2544Test::back_to_back};
  EXPECT_THAT(rfc2544_shortfalls(order), IsEmpty());
}

TEST(Rfc2544Order, OnlyTheRfcsOwnGoalHasItsName) {
  EXPECT_EQ(rfc2544_goal(Rfc2544Order{}), preset_goal("rfc2544"));
  Rfc2544Order order;
  order.trial_seconds = 0.02;
  const SearchGoal goal = rfc2544_goal(order);
  EXPECT_EQ(goal.name, "throughput");
  EXPECT_EQ(goal.loss_ratio, 0.0);
  EXPECT_EQ(goal.exceed_ratio, 0.0);
  EXPECT_EQ(goal.final_trial_seconds, 0.02);
  EXPECT_EQ(goal.duration_sum_seconds, 0.02);
  EXPECT_EQ(goal.initial_trial_seconds, 0.02);
  EXPECT_THAT(goal_mistakes({goal}), IsEmpty());
}

TEST(Rfc2544Order, CostsAreThoseOfTheTestsThatHaveTrials) {
  Rfc2544Order order;
  const std::vector<Rfc2544Cost> costs = expected_costs(order, 10e6, 0.5);
  ASSERT_THAT(costs, SizeIs(4));
  EXPECT_EQ(costs[0].test, Rfc2544Test::latency);
  EXPECT_EQ(costs[0].trials, 20);
  EXPECT_DOUBLE_EQ(costs[0].seconds, 20 * 120.5);
  EXPECT_DOUBLE_EQ(costs[0].mean_pps, 5e6);
  EXPECT_EQ(costs[1].trials, 7) << "100 to 50 %, and 40 %";
  EXPECT_EQ(costs[3].trials, 20);
  EXPECT_DOUBLE_EQ(costs[3].seconds, 20 * 120.0);
  order.tests = {Rfc2544Test::throughput, Rfc2544Test::reset};
  EXPECT_THAT(expected_costs(order, 10e6, 0.5), IsEmpty());
}

}  // namespace
}  // namespace pollmark
