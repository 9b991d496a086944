#include "judge/rfc2544.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/error.h"

namespace pollmark {
namespace {

TEST(Rfc9004, BufferTimeOfTheWorkedExample) {
  const auto buffer = buffer_time(26'000, 14'880'952, 14'000'000);
  ASSERT_TRUE(buffer.has_value());
  EXPECT_NEAR(buffer->implied_ns, 1.7472e6, 0.00005e6);
  EXPECT_NEAR(buffer->corrected_ns, 103.4e3, 0.05e3);
  EXPECT_NEAR(buffer->corrected_pkts, 1539.2, 0.05);
  EXPECT_NEAR(buffer_time_at_ns(*buffer, 14'880'952, 14'880'952 / 2.0), 206.9e3, 0.1e3);
}

TEST(Rfc9004, NotApplicableWhereTheThroughputIsTheLine) {
  EXPECT_FALSE(buffer_time(26'000, 14'880'952, 14'880'952).has_value());
}

std::vector<BurstTrial> searched(const BurstOrder& order, std::int64_t holds_pkts) {
  std::vector<BurstTrial> trials;
  while (const auto burst = next_burst(order, trials)) {
    trials.push_back({*burst, *burst > holds_pkts ? *burst - holds_pkts : 0});
    PM_CHECK(trials.size() < 200);
  }
  return trials;
}

RC_GTEST_PROP(Rfc9004, TheLongestBurstIsFoundWithinAStep, ()) {
  BurstOrder order;
  order.max_burst_pkts = *rc::gen::inRange(2, 1'000'000);
  order.step_pkts = *rc::gen::inRange(1, 100);
  const std::int64_t holds_pkts = *rc::gen::inRange<std::int64_t>(1, order.max_burst_pkts + 100);
  const auto longest = longest_burst(order, searched(order, holds_pkts));
  RC_ASSERT(longest.has_value());
  RC_ASSERT(*longest <= holds_pkts);
  RC_ASSERT(*longest > std::min(holds_pkts, order.max_burst_pkts) - order.step_pkts);
  if (holds_pkts >= order.max_burst_pkts) RC_ASSERT(burst_is_at_limit(order, *longest));
}

TEST(Rfc9004, OneLossIsVerifiedBeforeItIsBelieved) {
  BurstOrder order;
  order.max_burst_pkts = 1000;
  EXPECT_EQ(next_burst(order, {{1000, 5}}), 1000);
  EXPECT_EQ(next_burst(order, {{1000, 5}, {1000, 0}}), std::nullopt);
  EXPECT_EQ(longest_burst(order, {{1000, 5}, {1000, 0}}), 1000);
  EXPECT_EQ(next_burst(order, {{1000, 5}, {1000, 5}}), 1);
}

TEST(Rfc9004, NoBurstWithoutALoss) {
  BurstOrder order;
  order.max_burst_pkts = 1000;
  EXPECT_FALSE(longest_burst(order, searched(order, 0)).has_value());
}

TEST(Rfc2544FrameLoss, StopsAfterTwoLoadsWithoutALoss) {
  std::vector<FrameLossTrial> trials;
  while (const auto load = next_frame_loss_load(10e6, trials)) {
    // Carries 7.2 Mpps.
    const std::int64_t lost = *load > 7.2e6 ? static_cast<std::int64_t>(*load - 7.2e6) : 0;
    trials.push_back({*load, static_cast<std::int64_t>(*load), lost});
  }
  const std::vector<FrameLossPoint> curve = frame_loss_curve(10e6, trials);
  ASSERT_EQ(curve.size(), 5U);  // 100 90 80 70 60
  EXPECT_NEAR(curve[0].load_percent, 100.0, 1e-9);
  EXPECT_NEAR(curve[0].loss_percent, 28.0, 1e-3);
  EXPECT_NEAR(curve[2].loss_percent, 10.0, 1e-3);
  EXPECT_NEAR(curve[4].load_percent, 60.0, 1e-9);
  EXPECT_EQ(curve[4].loss_percent, 0.0);
}

TEST(Rfc2544FrameLoss, EndsAtTheLowestStepWhereEveryLoadLoses) {
  std::vector<FrameLossTrial> trials;
  while (const auto load = next_frame_loss_load(10e6, trials, 10.0))
    trials.push_back({*load, 10, 1});
  ASSERT_EQ(trials.size(), 10U);
  EXPECT_NEAR(trials.back().load_pps, 1e6, 1e-3);
}

TEST(Rfc2544Recovery, IsTheTimeFromTheLowerLoadToTheLastLoss) {
  EXPECT_DOUBLE_EQ(recovery_seconds(60.0, 60.5), 0.5);
  EXPECT_DOUBLE_EQ(recovery_seconds(60.0, 59.0), 0.0);
  EXPECT_DOUBLE_EQ(recovery_seconds(60.0, std::nullopt), 0.0);
}

TEST(Rfc2544Repetitions, MeanLeastMostAndSpread) {
  const auto result = repetitions_of({2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->count, 8);
  EXPECT_DOUBLE_EQ(result->mean, 5.0);
  EXPECT_DOUBLE_EQ(result->least, 2.0);
  EXPECT_DOUBLE_EQ(result->most, 9.0);
  EXPECT_NEAR(result->stddev.value(), 2.1380899, 1e-6);
  EXPECT_FALSE(repetitions_of({}).has_value());
  EXPECT_FALSE(repetitions_of({1.0})->stddev.has_value());
}

}  // namespace
}  // namespace pollmark
