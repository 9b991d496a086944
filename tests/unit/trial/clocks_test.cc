#include "trial/clocks.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

constexpr double kHz = 2.5e9;

ClockReading at(double tsc_s, double raw_s) {
  ClockReading reading;
  reading.tsc_cycles = static_cast<std::uint64_t>(tsc_s * kHz);
  reading.raw_ns = static_cast<std::int64_t>(raw_s * 1e9);
  reading.uncertainty_ns = 50;
  return reading;
}

TEST(TscStep, ClocksThatAgreeAreNoStep) {
  EXPECT_EQ(tsc_step({at(1, 1), at(2, 2), at(12, 12)}, kHz), std::nullopt);
  EXPECT_EQ(tsc_step({}, kHz), std::nullopt);
  EXPECT_EQ(tsc_step({at(1, 1)}, kHz), std::nullopt);
}

TEST(TscStep, CalibrationErrorIsNoStep) {
  EXPECT_EQ(tsc_step({at(1, 1), at(101.004, 101)}, kHz), std::nullopt);  // 40 ppm over 100 s
}

TEST(TscStep, AStepOfAMillisecondIsFoundWhateverItsSign) {
  EXPECT_NE(tsc_step({at(1, 1), at(2.001, 2), at(3.001, 3)}, kHz), std::nullopt);
  EXPECT_NE(tsc_step({at(1, 1), at(2, 2), at(2.999, 3)}, kHz), std::nullopt);
}

TEST(TscStep, StepsThatCancelOutOverTheTrialAreFound) {
  EXPECT_NE(tsc_step({at(1, 1), at(2.01, 2), at(3, 3)}, kHz), std::nullopt);
}

TEST(TscStep, ATscThatRunsBackwardsIsAStepAndSaidSo) {
  const auto why = tsc_step({at(5, 1), at(2, 1.00001)}, kHz);
  ASSERT_TRUE(why);
  EXPECT_EQ(*why,
            "the TSC advanced by -3000000000 ns while CLOCK_MONOTONIC_RAW advanced by 10000 ns");
}

TEST(TscStep, TheUncertaintyOfTheReadingsIsAllowedFor) {
  ClockReading from = at(1, 1);
  ClockReading to = at(2.0005, 2);
  EXPECT_NE(tsc_step({from, to}, kHz), std::nullopt);
  to.uncertainty_ns = 500'000;
  EXPECT_EQ(tsc_step({from, to}, kHz), std::nullopt);
}

TEST(HostClocks, ReadOneTimeAndMoveForward) {
  const TrialClocks& clocks = host_clocks();
  EXPECT_GT(clocks.tsc_hz, 1e8);
  const ClockReading first = clocks.read();
  clocks.pause_ns(1000);
  const ClockReading second = clocks.read();
  EXPECT_GE(second.raw_ns - first.raw_ns, 1000);
  EXPECT_GT(second.tsc_cycles, first.tsc_cycles);
  EXPECT_GT(clocks.epoch_seconds(), 1.7e9);
}

}  // namespace
}  // namespace pollmark
