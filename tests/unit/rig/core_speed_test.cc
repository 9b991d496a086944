#include "rig/core_speed.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

TEST(CoreSpeed, TheFirstTrialIsItsOwnMeasure) { EXPECT_EQ(CoreSpeed().slowdown(800.0), 0.0); }

TEST(CoreSpeed, AnEpisodeStandsOutFromBeginningToEnd) {
  CoreSpeed speed;
  for (int trial = 0; trial < 40; ++trial) EXPECT_NEAR(speed.slowdown(800.0 + trial % 2), 0, 0.002);
  for (int trial = 0; trial < 30; ++trial) EXPECT_GT(speed.slowdown(1000.0), 0.24);
  EXPECT_NEAR(speed.slowdown(800.0), 0.0, 0.002);
}

TEST(CoreSpeed, ANewSpeedBecomesTheUsualOne) {
  CoreSpeed speed;
  for (int trial = 0; trial < 100; ++trial) (void)speed.slowdown(800.0);
  for (int trial = 0; trial < 33; ++trial) (void)speed.slowdown(1000.0);
  EXPECT_EQ(speed.slowdown(1000.0), 0.0);
  EXPECT_DOUBLE_EQ(speed.slowdown(900.0), -0.1);
}

}  // namespace
}  // namespace pollmark
