#include "judge/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <random>

#include "judge/paired.h"
#include "judge/power.h"

namespace pollmark {
namespace {

using testing::HasSubstr;
using testing::Not;

// n blocks: the second is `ratio` times the first, give or take `spread`, in a fixed pattern.
struct Sides {
  BlockValues from;
  BlockValues to;
};
Sides sides(int n, double ratio, double spread) {
  Sides made;
  for (int block = 0; block < n; ++block) {
    const double step = 2.0 * ((block * 5) % n) / (n - 1.0) - 1.0;
    made.from[block] = 8.0 + 0.01 * block;
    made.to[block] = made.from[block] * ratio * std::exp(spread * step);
  }
  return made;
}

Comparison judged(const std::string& metric, const Sides& made, double matters = 0.01,
                  Rigour rigour = Rigour::verdicts) {
  std::vector<Comparison> family{compare_paired(metric, matters, made.from, made.to)};
  family.front().factor = "rx_ring";
  family.front().level = "4096";
  family.front().baseline = "512";
  give_verdicts(family, rigour);
  return family.front();
}

TEST(Comparison, AClearDifferenceThatMattersIsBetterOrWorseByTheMetric) {
  const Comparison more = judged("received_mpps", sides(12, 1.031, 0.008));
  EXPECT_EQ(more.verdict, Verdict::better);
  EXPECT_THAT(more.sentence, HasSubstr("rx_ring 4096 carries 3.1 % more than 512 [2."));
  EXPECT_THAT(more.sentence, HasSubstr(": better; detectable from "));
  EXPECT_EQ(judged("cycles_per_pkt", sides(12, 1.031, 0.008)).verdict, Verdict::worse);
  EXPECT_THAT(judged("cycles_per_pkt", sides(12, 1.031, 0.008)).sentence,
              HasSubstr("takes 3.1 % more cycles per packet than 512"));
  EXPECT_THAT(judged("latency_p99_ns", sides(12, 0.9, 0.008)).sentence,
              HasSubstr("has a p99 10.0 % shorter than 512"));
  EXPECT_THAT(judged("sender_segment_bytes", sides(12, 0.9, 0.008)).sentence,
              HasSubstr("has a segment at the sender 10.0 % smaller than 512"));
}

TEST(Comparison, AClearDifferenceBelowTheMarginIsTiny) {
  const Comparison tiny = judged("received_mpps", sides(12, 1.004, 0.001));
  EXPECT_EQ(tiny.verdict, Verdict::tiny);
  EXPECT_TRUE(tiny.equivalent);
  EXPECT_LT(*tiny.adjusted_p, 0.05);
  EXPECT_THAT(tiny.sentence, HasSubstr("equivalent, tiny: less than the 1.0 % that matters"));
}

TEST(Comparison, NoDifferenceWithinTheMarginIsEquivalent) {
  const Comparison same = judged("received_mpps", sides(12, 1.0, 0.004));
  EXPECT_EQ(same.verdict, Verdict::equivalent);
  EXPECT_THAT(same.sentence, HasSubstr("equivalent within 1.0 %"));
}

TEST(Comparison, NoiseIsCannotTellWithTheBlocksThatWouldTell) {
  const Comparison open = judged("received_mpps", sides(12, 1.004, 0.05));
  EXPECT_EQ(open.verdict, Verdict::cannot_tell);
  ASSERT_TRUE(open.blocks_needed);
  EXPECT_EQ(*open.blocks_needed, blocks_needed(*open.spread, open.margin));
  EXPECT_GT(*open.blocks_needed, 50);
  EXPECT_THAT(open.sentence, HasSubstr("cannot tell; about "));
  EXPECT_THAT(open.sentence, HasSubstr(" blocks would tell 1.0 % apart"));
}

TEST(Comparison, FewerThanSixBlocksOrQuickRankOnly) {
  const Comparison few = judged("received_mpps", sides(5, 2.0, 0.001));
  EXPECT_EQ(few.verdict, Verdict::ranking_only);
  EXPECT_FALSE(few.interval);
  EXPECT_THAT(few.sentence,
              HasSubstr("carries 99.8 % more than 512: a ranking, not a verdict (5 blocks)"));
  EXPECT_EQ(judged("received_mpps", sides(12, 2.0, 0.001), 0.01, Rigour::ranking).verdict,
            Verdict::ranking_only);
}

TEST(Comparison, WhatShowedNoEvidenceOrWasConfoundedGetsNoVerdict) {
  const Sides made = sides(12, 1.5, 0.001);
  std::vector<Comparison> family(2, compare_paired("received_mpps", 0.01, made.from, made.to));
  family[0].idle = "rx_ring = 512";
  family[1].confounded_by = "kernel";
  give_verdicts(family, Rigour::verdicts);
  EXPECT_EQ(family[0].verdict, Verdict::not_exercised);
  EXPECT_THAT(family[0].sentence, HasSubstr("nothing shows that rx_ring = 512 acted"));
  EXPECT_EQ(family[1].verdict, Verdict::confounded);
  EXPECT_THAT(family[1].sentence, HasSubstr("confounded by kernel"));
}

TEST(Comparison, SidesThatShareNoBlockAreNotCompared) {
  const Comparison none = judged("received_mpps", {{{0, 1.0}, {1, 1.0}}, {{2, 1.0}, {3, 1.0}}});
  EXPECT_EQ(none.verdict, Verdict::cannot_tell);
  EXPECT_FALSE(none.difference);
  EXPECT_THAT(none.sentence, HasSubstr("they share no block"));
}

TEST(Comparison, LossesAreSubtractedAndMayBeZero) {
  Sides made;
  for (int block = 0; block < 12; ++block) {
    made.from[block] = 0.0;
    made.to[block] = 0.02 + 0.0001 * block;
  }
  const Comparison lossy = judged("loss_ratio", made);
  EXPECT_EQ(lossy.scale, Scale::absolute);
  EXPECT_EQ(lossy.verdict, Verdict::worse);
  EXPECT_THAT(lossy.sentence, HasSubstr("loses 2.1 % of all frames more than 512"));
  const Comparison none = judged("loss_ratio", {made.from, made.from});
  EXPECT_EQ(none.verdict, Verdict::equivalent);
  EXPECT_THAT(none.sentence, HasSubstr("has the same loss as 512 [0, 0]"));
}

TEST(Comparison, AMetricThatFellToZeroIsSubtractedNotLogged) {
  Sides made = sides(12, 1.0, 0.001);
  for (auto& [block, value] : made.to) value = 0.0;
  const Comparison dead = judged("received_mpps", made);
  EXPECT_EQ(dead.scale, Scale::absolute);
  EXPECT_EQ(dead.verdict, Verdict::worse);
  EXPECT_NEAR(*dead.difference, -8.055, 0.01);
  EXPECT_THAT(dead.sentence, HasSubstr("carries 8.05 Mpps less than 512"));
}

TEST(Comparison, TheDeclaredFamilyIsHeldToHolm) {
  // Six blocks can reach p = 1 / 32: enough for one comparison, not for two.
  const Sides made = sides(6, 1.1, 0.001);
  std::vector<Comparison> alone(1, compare_paired("received_mpps", 0.01, made.from, made.to));
  give_verdicts(alone, Rigour::verdicts);
  EXPECT_EQ(alone[0].verdict, Verdict::better);
  std::vector<Comparison> family(2, compare_paired("received_mpps", 0.01, made.from, made.to));
  give_verdicts(family, Rigour::verdicts);
  EXPECT_EQ(family[0].verdict, Verdict::cannot_tell);
  EXPECT_DOUBLE_EQ(*family[0].adjusted_p, 2.0 / 32.0);
  EXPECT_FALSE(family[0].detectable) << "no outcome of six blocks reaches 0.025";
  EXPECT_GE(*family[0].blocks_needed, 8);
  // Exploratory metrics do not cost the declared one anything.
  std::vector<Comparison> mixed(5, compare_paired("received_mpps", 0.01, made.from, made.to));
  for (std::size_t i = 1; i < mixed.size(); ++i) mixed[i].family = Family::exploratory;
  give_verdicts(mixed, Rigour::verdicts);
  EXPECT_DOUBLE_EQ(*mixed[0].adjusted_p, 1.0 / 32.0);
}

TEST(Comparison, OverSeveralCombinationsABlockIsOneValue) {
  Sides a = sides(12, 1.02, 0.0);
  Sides b = sides(12, 1.04, 0.0);
  b.to.erase(3);
  const Comparison both =
      compare_paired("received_mpps", 0.01, {{&a.from, &a.to}, {&b.from, &b.to}});
  EXPECT_EQ(both.values, 11);
  EXPECT_EQ(both.combinations, 2);
  EXPECT_NEAR(*both.difference, (std::log(1.02) + std::log(1.04)) / 2.0, 1e-9);
}

TEST(Comparison, ACombinationWithFewBlocksDoesNotTakeTheVerdictFromTheOthers) {
  const Sides a = sides(12, 1.02, 0.001);
  const Sides b = sides(5, 1.5, 0.001);
  std::vector<Comparison> family{
      compare_paired("received_mpps", 0.01, {{&a.from, &a.to}, {&b.from, &b.to}})};
  give_verdicts(family, Rigour::verdicts);
  EXPECT_EQ(family[0].values, 12);
  EXPECT_EQ(family[0].left_out, 1);
  EXPECT_NEAR(*family[0].difference, std::log(1.02), 1e-3);
  EXPECT_THAT(family[0].sentence, HasSubstr("mean of 1 of 2 combinations"));
}

TEST(Comparison, WhereNoCombinationHasEnoughBlocksAllOfThemCount) {
  const Sides a = sides(3, 1.02, 0.0);
  const Sides b = sides(3, 1.04, 0.0);
  const Comparison both =
      compare_paired("received_mpps", 0.01, {{&a.from, &a.to}, {&b.from, &b.to}});
  EXPECT_EQ(both.values, 3);
  EXPECT_EQ(both.left_out, 0);
  EXPECT_NEAR(*both.difference, (std::log(1.02) + std::log(1.04)) / 2.0, 1e-9);
}

TEST(Comparison, DriftingDifferencesAreWarnedOf) {
  Sides made = sides(12, 1.0, 0.0);
  for (auto& [block, value] : made.to) value *= 1.0 + 0.01 * block;
  EXPECT_THAT(judged("received_mpps", made).sentence, HasSubstr("drifts over the blocks"));
  EXPECT_THAT(judged("received_mpps", sides(12, 1.0, 0.004)).sentence, Not(HasSubstr("drifts")));
}

TEST(Comparison, WildBlocksAreNoReasonToPromiseMore) {
  Sides made = sides(12, 1.0, 0.0);
  for (const int wild : {1, 4, 6, 9}) made.to[wild] *= 1.05;
  const Comparison noisy = judged("received_mpps", made);
  EXPECT_GE(*noisy.detectable, (noisy.interval->high - noisy.interval->low) / 2.0);
  EXPECT_GT(*noisy.detectable, 0.005) << "eight of twelve differences are zero";
}

TEST(Comparison, TwoRunsAreComparedWithoutPairs) {
  std::vector<double> from;
  std::vector<double> to;
  for (int i = 0; i < 12; ++i) {
    from.push_back(100.0 + i % 4);
    to.push_back(110.0 + i % 5);
  }
  std::vector<Comparison> family{compare_unpaired("cycles_per_pkt", 0.01, from, to)};
  give_verdicts(family, Rigour::verdicts);
  EXPECT_EQ(family[0].pairing, Pairing::unpaired);
  EXPECT_EQ(family[0].verdict, Verdict::worse);
  EXPECT_FALSE(family[0].detectable) << "the variance from run to run is not known";
}

RC_GTEST_PROP(ComparisonProperty, SwappingTheSidesSwapsBetterAndWorse, ()) {
  const auto n = *rc::gen::inRange(6, 20);
  Sides made;
  for (int block = 0; block < n; ++block) {
    made.from[block] = *rc::gen::inRange(900, 1100);
    made.to[block] = *rc::gen::inRange(950, 1150);
  }
  const Verdict there = judged("received_mpps", made).verdict;
  const Verdict back = judged("received_mpps", {made.to, made.from}).verdict;
  if (there == Verdict::better) RC_ASSERT(back == Verdict::worse);
  if (there == Verdict::worse) RC_ASSERT(back == Verdict::better);
  if (there == Verdict::cannot_tell) RC_ASSERT(back == Verdict::cannot_tell);
}

RC_GTEST_PROP(ComparisonProperty, AVerdictIsNeverBetterAndEquivalentAtOnce, ()) {
  const auto n = *rc::gen::inRange(6, 16);
  Sides made;
  for (int block = 0; block < n; ++block) {
    made.from[block] = *rc::gen::inRange(990, 1010);
    made.to[block] = *rc::gen::inRange(990, 1025);
  }
  const Comparison comparison = judged("received_mpps", made);
  if (comparison.verdict == Verdict::better || comparison.verdict == Verdict::worse) {
    RC_ASSERT(!comparison.equivalent);
    RC_ASSERT(std::fabs(*comparison.difference) >= comparison.margin);
  }
}

// Two settings that differ in nothing, in an outer plot that is set up once a block: what the
// set-up does to a plot is shared by its four combinations, and is no evidence.
TEST(ComparisonSimulation, OuterPlotsRaiseNoMoreFalseAlarmsThanInnerOnes) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  constexpr int kCampaigns = 2'000;
  int alarms = 0;
  int alarms_of_pooled = 0;
  for (int campaign = 0; campaign < kCampaigns; ++campaign) {
    std::vector<Sides> combinations(4);
    Sides pooled;
    for (int block = 0; block < 12; ++block) {
      const double from_plot = 0.01 * normal(random);
      const double to_plot = 0.01 * normal(random);
      for (int c = 0; c < 4; ++c) {
        const double from = std::exp(from_plot + 0.002 * normal(random));
        const double to = std::exp(to_plot + 0.002 * normal(random));
        combinations[static_cast<std::size_t>(c)].from[block] = from;
        combinations[static_cast<std::size_t>(c)].to[block] = to;
        pooled.from[4 * block + c] = from;
        pooled.to[4 * block + c] = to;
      }
    }
    std::vector<SettingPair> pairs;
    for (const Sides& made : combinations) pairs.push_back({&made.from, &made.to});
    if (*compare_paired("received_mpps", 0.01, pairs).p < kAlpha) ++alarms;
    if (*compare_paired("received_mpps", 0.01, pooled.from, pooled.to).p < kAlpha)
      ++alarms_of_pooled;
  }
  EXPECT_LE(alarms, kCampaigns * 6 / 100);
  EXPECT_GE(alarms_of_pooled, kCampaigns * 25 / 100) << "what treating each trial as a value does";
}

}  // namespace
}  // namespace pollmark
