#include "judge/burst_cost.h"

#include <gtest/gtest.h>

#include "sizing_campaign.h"

namespace pollmark {
namespace {

// Bursts of this size alone, at 60 ns a call and 25 ns a frame.
TrialResult in_bursts(int frames, double call_ns = 60.0) {
  TrialResult trial = trial_of_cost({.core_ns = 25.0 + call_ns / frames, .load_pps = 1e6}, 0);
  std::vector<std::int64_t>& bursts = trial.lcores.front().bursts;
  bursts.assign(33, 0);
  bursts[0] = 12'345;  // calls that gave nothing
  bursts[static_cast<std::size_t>(frames)] = 1000;
  return trial;
}

TEST(BurstCost, CallsAPacket) {
  EXPECT_NEAR(calls_per_pkt(in_bursts(8)).value(), 0.125, 1e-12);
  EXPECT_FALSE(calls_per_pkt(trial_of_cost({}, 0)).has_value());
}

TEST(BurstCost, TellsTheCallFromItsFrames) {
  const std::vector<TrialResult> trials = {in_bursts(1), in_bursts(4), in_bursts(16)};
  const auto cost = fit_burst_cost({&trials[0], &trials[1], &trials[2]});
  ASSERT_TRUE(cost.has_value());
  EXPECT_NEAR(cost->call_ns, 60.0, 1e-9);
  EXPECT_NEAR(cost->frame_ns, 25.0, 1e-9);
  EXPECT_NEAR(cost->at(32.0), 26.875, 1e-9);
  EXPECT_NEAR(cost->most_burst, 16.0, 1e-9);
}

TEST(BurstCost, SaysNothingOfBurstsThatAreAlike) {
  const std::vector<TrialResult> trials = {in_bursts(10), in_bursts(11), in_bursts(4)};
  EXPECT_FALSE(fit_burst_cost({}).has_value());
  EXPECT_FALSE(fit_burst_cost({&trials[0]}).has_value());
  EXPECT_FALSE(fit_burst_cost({&trials[0], &trials[1]}).has_value());
  EXPECT_TRUE(fit_burst_cost({&trials[0], &trials[1], &trials[2]}).has_value());
}

// Where small bursts came out cheaper, something else made the difference.
TEST(BurstCost, ACallCostsNoLessThanNothing) {
  const std::vector<TrialResult> trials = {in_bursts(1, -10.0), in_bursts(16, -10.0)};
  EXPECT_FALSE(fit_burst_cost({&trials[0], &trials[1]}).has_value());
}

}  // namespace
}  // namespace pollmark
