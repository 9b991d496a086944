#include "judge/shift.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "judge/power.h"

namespace pollmark {
namespace {

const std::vector<double> kPaired{.012, .018, -.004, .009, .021, .015, .007, -.002, .011, .016};

TEST(Shift, GoldenPairedSample) {
  const Shift shift = paired_shift(kPaired);
  EXPECT_NEAR(shift.estimate, .0110, 1e-12);
  ASSERT_TRUE(shift.interval);
  EXPECT_NEAR(shift.interval->low, .0040, 1e-12);
  EXPECT_NEAR(shift.interval->high, .0160, 1e-12);
  EXPECT_NEAR(shift.interval->confidence, .951, 5e-4);
  ASSERT_TRUE(shift.interval_90);
  EXPECT_NEAR(shift.interval_90->low, .0050, 1e-12);
  EXPECT_NEAR(shift.interval_90->high, .0155, 1e-12);
  EXPECT_NEAR(shift.p, .009766, 5e-7);
  EXPECT_EQ(shift.values, 10);
}

TEST(Shift, WalshRanksAndCoverageAreThoseOfTheExactNullDistribution) {
  const std::map<int, std::pair<int, double>> ranks{
      {6, {1, .969}},   {7, {3, .953}},   {8, {4, .961}},   {9, {6, .961}},   {10, {9, .951}},
      {11, {11, .958}}, {12, {14, .958}}, {13, {18, .952}}, {14, {22, .951}}, {15, {26, .952}},
      {16, {30, .956}}, {17, {35, .955}}, {18, {41, .952}}, {19, {47, .951}}, {20, {53, .952}}};
  for (const auto& [n, expected] : ranks) {
    const auto rank = walsh_rank(n);
    ASSERT_TRUE(rank) << n;
    EXPECT_EQ(rank->rank, expected.first) << n;
    EXPECT_NEAR(rank->coverage, expected.second, 6e-4) << n;
  }
  const std::vector<int> ninety{3, 4, 6, 9, 11, 14, 18, 22, 26, 31, 36, 42, 48, 54, 61};
  for (int n = 6; n <= 20; ++n) {
    EXPECT_EQ(walsh_rank(n, 0.90)->rank, ninety[static_cast<std::size_t>(n - 6)]) << n;
  }
}

TEST(Shift, BelowSixPairsNoIntervalIsInvented) {
  for (int n = 0; n <= 5; ++n) EXPECT_FALSE(walsh_rank(n)) << n;
  const Shift shift = paired_shift({1.0, 1.1, 1.2, 1.3, 1.4});
  EXPECT_FALSE(shift.interval);
  EXPECT_DOUBLE_EQ(shift.p, 0.0625);
}

TEST(Shift, TheNormalRanksJoinTheExactOnes) {
  const int exact = walsh_rank(50)->rank;
  const int normal = walsh_rank(51)->rank;
  EXPECT_GT(normal, exact);
  EXPECT_LT(normal - exact, 25);
  std::vector<double> series;
  for (int i = 0; i < 60; ++i) series.push_back(i % 3 == 0 ? -1.0 - i : 1.0 + i);
  const double p60 = paired_shift(series).p;
  series.resize(50);
  const double p50 = paired_shift(series).p;
  EXPECT_GT(p50, p60);
  EXPECT_LT(p50, 8.0 * p60);
}

TEST(Shift, ZerosAreDroppedAndTiesShareTheirRank) {
  EXPECT_EQ(paired_shift(std::vector<double>(12, 0.0)).p, 1.0);
  // Six equal positive differences beside zeros: 2 of the 2^6 sign flips are as extreme.
  EXPECT_DOUBLE_EQ(paired_shift({1, 1, 1, 1, 1, 1, 0, 0, 0}).p, 2.0 / 64.0);
  // |d| = 1 1 1 1: T+ = 7.5 of 10; flips with T+ >= 7.5: 5 of 16.
  EXPECT_DOUBLE_EQ(paired_shift({1, 1, 1, -1}).p, 10.0 / 16.0);
}

TEST(Shift, GoldenUnpairedSample) {
  const std::vector<double> a{9.1, 9.4, 9.0, 9.3, 9.2};
  const std::vector<double> b{9.6, 9.35, 9.7, 9.5, 9.8};
  EXPECT_DOUBLE_EQ(mann_whitney_u(a, b), 1.0);
  const Shift shift = unpaired_shift(a, b);
  EXPECT_NEAR(shift.p, .015873, 5e-7);
  EXPECT_NEAR(shift.estimate, .4, 1e-9);
  ASSERT_TRUE(shift.interval);
  EXPECT_GT(shift.interval->low, 0.0);
}

TEST(Shift, UnpairedTiesAreCountedExactly) {
  EXPECT_EQ(unpaired_shift({1, 1, 1, 1}, {1, 1, 1, 1}).p, 1.0);
  // All of one side above: 2 of the C(8, 4) = 70 divisions, ties or not.
  EXPECT_NEAR(unpaired_shift({1, 1, 2, 2}, {3, 3, 4, 4}).p, 2.0 / 70.0, 1e-12);
  EXPECT_FALSE(unpaired_shift({1, 2, 3}, {4, 5, 6}).interval) << "2 / 20 is above 0.05";
}

TEST(Shift, LargeSamplesUseTheNormalLawWithTies) {
  std::vector<double> a;
  std::vector<double> b;
  for (int i = 0; i < 40; ++i) {
    a.push_back(i / 2);
    b.push_back(i / 2 + 3);
  }
  const Shift shift = unpaired_shift(a, b);
  EXPECT_DOUBLE_EQ(shift.estimate, 3.0);
  EXPECT_GT(shift.p, 0.005);
  EXPECT_LT(shift.p, 0.05);
  ASSERT_TRUE(shift.interval);
  EXPECT_GE(shift.interval->low, 0.0);
  EXPECT_LE(shift.interval->high, 6.0);
}

RC_GTEST_PROP(ShiftProperty, SwappingTheSidesTurnsTheSign, ()) {
  const auto a = *rc::gen::container<std::vector<int>>(9, rc::gen::inRange(-50, 50));
  const auto b = *rc::gen::container<std::vector<int>>(7, rc::gen::inRange(-50, 50));
  const std::vector<double> from(a.begin(), a.end());
  const std::vector<double> to(b.begin(), b.end());
  const Shift there = unpaired_shift(from, to);
  const Shift back = unpaired_shift(to, from);
  RC_ASSERT(std::fabs(there.estimate + back.estimate) < 1e-12);
  RC_ASSERT(std::fabs(there.p - back.p) < 1e-12);
  RC_ASSERT(there.interval->low == -back.interval->high);
  std::vector<double> negated;
  for (const double value : from) negated.push_back(-value);
  RC_ASSERT(std::fabs(paired_shift(from).p - paired_shift(negated).p) < 1e-12);
  RC_ASSERT(paired_shift(from).interval->low == -paired_shift(negated).interval->high);
}

RC_GTEST_PROP(ShiftProperty, TheIntervalsAreNestedAroundTheEstimate, ()) {
  const auto drawn = *rc::gen::container<std::vector<int>>(*rc::gen::inRange<std::size_t>(6, 40),
                                                           rc::gen::inRange(-1000, 1000));
  const Shift shift = paired_shift(std::vector<double>(drawn.begin(), drawn.end()));
  RC_ASSERT(shift.interval->low <= shift.interval_90->low);
  RC_ASSERT(shift.interval_90->low <= shift.estimate);
  RC_ASSERT(shift.estimate <= shift.interval_90->high);
  RC_ASSERT(shift.interval_90->high <= shift.interval->high);
  RC_ASSERT(shift.p > 0.0 && shift.p <= 1.0);
}

// Without ties and zeros the interval and the test are one: zero is outside exactly when p <= 0.05.
RC_GTEST_PROP(ShiftProperty, TheIntervalExcludesZeroExactlyWhenTheTestRejects, ()) {
  const int n = *rc::gen::inRange(6, 30);
  std::vector<double> differences;
  for (int i = 0; i < n; ++i) {
    const int drawn = *rc::gen::inRange(1, 1'000'000);
    differences.push_back((drawn % 4 == 0 ? -1.0 : 1.0) * (drawn + i * 1e-4));
  }
  const Shift shift = paired_shift(differences);
  const bool outside = shift.interval->low > 0.0 || shift.interval->high < 0.0;
  RC_ASSERT(outside == (shift.p <= 0.05));
}

// 5 000 A/A campaigns of 12 blocks, A and B in random order inside each block.
struct Simulated {
  int alarms = 0;
  int covered = 0;
};

template <typename Noise>
Simulated simulate(std::uint64_t seed, Noise noise) {
  constexpr int kCampaigns = 5'000;
  constexpr int kBlocks = 12;
  std::mt19937_64 random(seed);
  Simulated result;
  for (int campaign = 0; campaign < kCampaigns; ++campaign) {
    std::vector<double> differences;
    noise(random, -1);
    for (int block = 0; block < kBlocks; ++block) {
      const double first = noise(random, 2 * block);
      const double second = noise(random, 2 * block + 1);
      differences.push_back(random() % 2 == 0 ? second - first : first - second);
    }
    const Shift shift = paired_shift(differences);
    if (shift.p < kAlpha) ++result.alarms;
    if (shift.interval->low <= 0.0 && shift.interval->high >= 0.0) ++result.covered;
  }
  return result;
}

void expect_promised(const Simulated& simulated) {
  EXPECT_GE(simulated.alarms, 150) << "3 %";
  EXPECT_LE(simulated.alarms, 300) << "6 %";
  EXPECT_GE(simulated.covered, 4'700) << "94 %";
  EXPECT_LE(simulated.covered, 4'850) << "97 %";
  ::testing::Test::RecordProperty("alarms", simulated.alarms);
  ::testing::Test::RecordProperty("covered", simulated.covered);
}

TEST(ShiftSimulation, NormalNoiseRaisesFalseAlarmsAsPromised) {
  std::normal_distribution<double> normal;
  expect_promised(simulate(1, [&](auto& random, int) { return normal(random); }));
}

TEST(ShiftSimulation, HeavyTailsRaiseFalseAlarmsAsPromised) {
  std::student_t_distribution<double> heavy(3.0);
  expect_promised(simulate(2, [&](auto& random, int) { return heavy(random); }));
}

TEST(ShiftSimulation, DriftRaisesFalseAlarmsAsPromised) {
  std::normal_distribution<double> normal;
  double state = 0.0;
  expect_promised(simulate(3, [&](auto& random, int at) {
    if (at < 0) {
      state = normal(random) / std::sqrt(1.0 - 0.95 * 0.95);
      return 0.0;
    }
    state = 0.95 * state + normal(random);
    return state + 0.25 * at + normal(random);
  }));
}

TEST(ShiftSimulation, AShiftOfTheDetectableSizeIsFoundInFourOfFive) {
  std::normal_distribution<double> normal;
  std::mt19937_64 random(4);
  constexpr int kCampaigns = 1'500;
  for (const int n : {6, 8, 10, 12, 16, 20, 30}) {
    int found = 0;
    for (int campaign = 0; campaign < kCampaigns; ++campaign) {
      std::vector<double> differences;
      for (int i = 0; i < n; ++i) differences.push_back(normal(random) + *detectable_units(n));
      if (paired_shift(differences).p < kAlpha) ++found;
    }
    // Three standard errors of 1 500 campaigns are 3.1 %.
    EXPECT_NEAR(found / double{kCampaigns}, 0.80, 0.04) << n;
  }
}

}  // namespace
}  // namespace pollmark
