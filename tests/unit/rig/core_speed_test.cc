#include "rig/core_speed.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

CoreProbe readings(double chain, double mix_per_chain = 2.5) {
  CoreProbe probe;
  probe.slices = 3;
  probe.chain.sum = 3 * chain;
  probe.least_mix_per_chain = mix_per_chain;
  return probe;
}

TEST(CoreSpeed, TheFirstTrialIsItsOwnMeasure) {
  EXPECT_EQ(CoreSpeed().slowdown(readings(800.0), 100), 0.0);
}

TEST(CoreSpeed, AnEpisodeStandsOutFromBeginningToEnd) {
  CoreSpeed speed;
  for (int trial = 0; trial < 40; ++trial)
    EXPECT_NEAR(speed.slowdown(readings(800.0 + trial % 2), 100), 0, 0.002);
  for (int trial = 0; trial < 30; ++trial) EXPECT_GT(speed.slowdown(readings(1000.0), 100), 0.24);
  EXPECT_NEAR(speed.slowdown(readings(800.0), 100), 0.0, 0.002);
}

TEST(CoreSpeed, ANewSpeedBecomesTheUsualOne) {
  CoreSpeed speed;
  for (int trial = 0; trial < 100; ++trial) (void)speed.slowdown(readings(800.0), 100);
  for (int trial = 0; trial < 33; ++trial) (void)speed.slowdown(readings(1000.0), 100);
  EXPECT_EQ(speed.slowdown(readings(1000.0), 100), 0.0);
  EXPECT_DOUBLE_EQ(speed.slowdown(readings(900.0), 100), -0.1);
}

TEST(CoreSpeed, TheMixIsHeldAgainstTheTrialsBefore) {
  CoreSpeed speed;
  CoreProbe probe = readings(400.0);
  probe.mix.sum = 3 * 1000.0;
  EXPECT_EQ(speed.mix_slowdown(probe), 0.0);
  for (int trial = 0; trial < 3; ++trial) (void)speed.slowdown(probe, 100);
  probe.mix.sum = 3 * 1500.0;
  EXPECT_DOUBLE_EQ(speed.mix_slowdown(probe), 0.5);
}

TEST(CoreSpeed, WhatCountsAsSharedIsHeldAgainstTheLeastMixOfAnyTrial) {
  CoreSpeed speed;
  EXPECT_EQ(speed.probe(7).limit, kNever) << "nothing is known yet";
  (void)speed.slowdown(readings(400.0, 4.0), 100);
  EXPECT_EQ(speed.probe(7).limit, 1792U);
  (void)speed.slowdown(readings(400.0, 2.5), 100);
  (void)speed.slowdown(readings(400.0, 3.0), 100);
  const CoreProbe probe = speed.probe(7);
  EXPECT_EQ(probe.mix_per_chain, 2.5);
  EXPECT_EQ(probe.limit, 1120U);
  EXPECT_EQ(probe.patience, 7U);
}

TEST(CoreSpeed, AllTrialsTogetherWaitOnePatienceAndSoManyTimesTheirWork) {
  CoreSpeed speed;
  CoreProbe trial = readings(400.0);
  trial.waited = 1000;
  EXPECT_EQ(speed.probe(1000).patience, 1000U);
  (void)speed.slowdown(trial, 1010);
  EXPECT_EQ(speed.probe(1000).patience, 40U);
  trial.waited = 40;
  (void)speed.slowdown(trial, 60);
  EXPECT_EQ(speed.probe(1000).patience, 80U);
  trial.waited = 0;
  (void)speed.slowdown(trial, 5000);
  EXPECT_EQ(speed.probe(1000).patience, 1000U) << "of one trial";
}

}  // namespace
}  // namespace pollmark
