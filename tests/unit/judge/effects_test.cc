#include "judge/effects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "campaigns.h"

namespace pollmark {
namespace {

using testing::HasSubstr;
using testing::Not;

// Ring x queues: a small ring loses 2 % with one queue, 0.4 % with four; a large one 0.02 %.
Campaign rings_and_queues(int blocks) {
  Campaign campaign;
  campaign.add({{"queues", "1"}, {"rx_ring", "128"}}, around(20'000, 550, blocks, 0));
  campaign.add({{"queues", "1"}, {"rx_ring", "512"}}, around(200, 50, blocks, 1));
  campaign.add({{"queues", "4"}, {"rx_ring", "128"}}, around(4'000, 110, blocks, 2));
  campaign.add({{"queues", "4"}, {"rx_ring", "512"}}, around(200, 50, blocks, 3));
  for (TrialResult& trial : campaign.trials) {
    if (trial.order.cell.at("rx_ring") != "128") continue;
    trial.limited_why =
        "rx_missed during stalls: 20.0 us x 8.50 Mpps = 170 frames outrun 128 descriptors";
  }
  return campaign;
}

FactorEffect effect_of(const Campaign& campaign, const std::string& factor) {
  for (const FactorEffect& effect : campaign.summary().effects) {
    if (effect.factor == factor) return effect;
  }
  ADD_FAILURE() << "no effect of " << factor;
  return {};
}

TEST(Effects, NameWorstAndBestLevelWithNumbersAndReason) {
  const FactorEffect effect = effect_of(rings_and_queues(12), "rx_ring");
  EXPECT_EQ(effect.worst_level, "128");
  EXPECT_EQ(effect.best_level, "512");
  EXPECT_NEAR(effect.worst, 0.012, 1e-4);
  EXPECT_NEAR(effect.best, 0.0002, 1e-5);
  EXPECT_EQ(effect.combinations, 2);
  EXPECT_EQ(effect.blocks, 12);
  EXPECT_EQ(effect.verdict, "differs");
  ASSERT_TRUE(effect.difference);
  EXPECT_LT(effect.difference->high, 0.0) << "worst to best lowers the loss";
  EXPECT_TRUE(effect.exercised);
  EXPECT_THAT(effect.sentence, HasSubstr("rx_ring 128 -> 512: loss 1.20 % -> 0.02 %"));
  EXPECT_THAT(effect.sentence, HasSubstr("most with queues=1: 2.00 % -> 0.02 %"));
  EXPECT_THAT(effect.sentence,
              HasSubstr("20.0 us x 8.50 Mpps = 170 frames outrun 128 descriptors"));
  EXPECT_THAT(effect.sentence, HasSubstr("%] of all frames over 12 blocks"));
}

TEST(Effects, FewerThanSixBlocksOrQuickRankOnly) {
  EXPECT_EQ(effect_of(rings_and_queues(5), "rx_ring").verdict, "ranking only");
  EXPECT_FALSE(effect_of(rings_and_queues(5), "rx_ring").difference);
  Campaign quick = rings_and_queues(12);
  quick.question.quick = true;
  EXPECT_EQ(effect_of(quick, "rx_ring").verdict, "ranking only");
  EXPECT_THAT(effect_of(quick, "rx_ring").sentence, HasSubstr("ranking only"));
}

TEST(Effects, NoiseIsNoEffect) {
  Campaign campaign;
  campaign.add({{"rx_ring", "128"}}, around(20'000, 9'000, 12, 0));
  campaign.add({{"rx_ring", "512"}}, around(20'300, 9'000, 12, 6));
  const FactorEffect effect = effect_of(campaign, "rx_ring");
  EXPECT_EQ(effect.verdict, "cannot tell");
  EXPECT_THAT(effect.sentence, HasSubstr("cannot tell: the difference is ["));
}

TEST(Effects, ADifferenceWithinTheMarginIsEquivalent) {
  Campaign campaign;
  campaign.add({{"rx_ring", "128"}}, around(700, 100, 12, 0));
  campaign.add({{"rx_ring", "512"}}, around(200, 100, 12, 6));
  EXPECT_EQ(effect_of(campaign, "rx_ring").verdict, "equivalent");
  campaign.question.matters = 0.0001;
  EXPECT_EQ(effect_of(campaign, "rx_ring").verdict, "differs");
}

TEST(Effects, AnEffectInOneCombinationIsNotSpreadOverAll) {
  Campaign campaign;
  for (const char* queues : {"1", "2", "4"}) {
    const bool acts = std::string(queues) == "1";
    campaign.add({{"queues", queues}, {"rx_ring", "128"}},
                 acts ? around(20'000, 500, 12, 0) : std::vector<std::int64_t>(12, 0));
    campaign.add({{"queues", queues}, {"rx_ring", "512"}}, std::vector<std::int64_t>(12, 0));
  }
  const FactorEffect effect = effect_of(campaign, "rx_ring");
  EXPECT_EQ(effect.verdict, "differs in some combinations");
  EXPECT_THAT(effect.sentence, HasSubstr("most with queues=1: 2.00 % -> 0"));
}

TEST(Effects, EqualEverywhereIsNoDifference) {
  Campaign campaign;
  campaign.add({{"rx_ring", "128"}}, std::vector<std::int64_t>(12, 0));
  campaign.add({{"rx_ring", "512"}}, std::vector<std::int64_t>(12, 0));
  const FactorEffect effect = effect_of(campaign, "rx_ring");
  EXPECT_EQ(effect.verdict, "no difference");
  EXPECT_EQ(effect.sentence, "rx_ring: loss 0 at every level: no difference");
}

TEST(Effects, HigherIsBetterWhereTheMetricSaysSo) {
  Campaign campaign = rings_and_queues(12);
  campaign.question.metric = "received_mpps";
  const FactorEffect effect = effect_of(campaign, "rx_ring");
  EXPECT_EQ(effect.best_level, "512");
  EXPECT_GT(effect.best, effect.worst);
  EXPECT_GT(effect.difference.value().low, 0.0);
}

TEST(Effects, ALevelWithoutEvidenceGetsNoVerdict) {
  Campaign campaign = rings_and_queues(12);
  for (TrialResult& trial : campaign.trials) {
    if (trial.order.block == 7 && trial.order.cell.at("rx_ring") == "512") {
      trial.knobs["rx_ring"].exercised = false;
    }
  }
  FactorEffect effect = effect_of(campaign, "rx_ring");
  EXPECT_FALSE(effect.exercised);
  EXPECT_EQ(effect.verdict, "not exercised");
  EXPECT_THAT(effect.sentence, HasSubstr("nothing shows that rx_ring = 512 acted"));
  EXPECT_TRUE(effect_of(campaign, "queues").exercised);

  for (TrialResult& trial : campaign.trials) trial.knobs.erase("rx_ring");
  EXPECT_FALSE(effect_of(campaign, "rx_ring").exercised) << "an absent knob is no evidence";
}

// dma = "llc" on a CPU without cldemote is "hot": the comparison would be of hot with hot.
TEST(Effects, APlacementThatThisCpuCannotGiveGetsNoVerdict) {
  Campaign campaign;
  campaign.add({{"dma", "llc"}}, around(200, 50, 12, 0));
  campaign.add({{"dma", "hot"}}, around(200, 50, 12, 1));
  EXPECT_TRUE(effect_of(campaign, "dma").exercised);
  for (TrialResult& trial : campaign.trials) {
    if (trial.order.cell.at("dma") != "llc") continue;
    trial.knobs["dma"] = Knob{"llc", "hot", KnobState::unverifiable, "no cldemote", false};
  }
  EXPECT_EQ(effect_of(campaign, "dma").verdict, "not exercised");
}

TEST(Effects, AskingForNothingNeedsNoEvidenceNorDoesThePath) {
  Campaign campaign;
  campaign.add({{"rx_offloads", "none"}}, {1, 2, 3});
  campaign.add({{"rx_offloads", "checksum"}}, {4, 5, 6});
  for (TrialResult& trial : campaign.trials) {
    if (trial.order.cell.at("rx_offloads") == "none") trial.knobs.clear();
  }
  EXPECT_TRUE(effect_of(campaign, "rx_offloads").exercised);

  Campaign paths;
  paths.add({{"path", "dpdk"}}, {1, 2}, Path::dpdk);
  paths.add({{"path", "udp_socket"}}, {3, 4}, Path::udp_socket);
  for (TrialResult& trial : paths.trials) trial.knobs.clear();
  EXPECT_TRUE(effect_of(paths, "path").exercised);
}

TEST(Effects, OnlyCombinationsWithANumberAtEveryLevelAreCompared) {
  Campaign campaign = rings_and_queues(12);
  for (TrialResult& trial : campaign.trials) {
    if (trial.order.cell == Levels{{"queues", "1"}, {"rx_ring", "512"}}) trial.valid = false;
  }
  const FactorEffect effect = effect_of(campaign, "rx_ring");
  EXPECT_EQ(effect.combinations, 1);
  EXPECT_NEAR(effect.worst, 0.004, 1e-4) << "not the 2 % that has no partner";
  for (TrialResult& trial : campaign.trials) {
    if (trial.order.cell == Levels{{"queues", "4"}, {"rx_ring", "128"}}) trial.valid = false;
  }
  const FactorEffect none = effect_of(campaign, "rx_ring");
  EXPECT_EQ(none.combinations, 0);
  EXPECT_EQ(none.verdict, "cannot tell");
}

TEST(Effects, AFactorOfOneLevelHasNone) {
  Campaign campaign;
  campaign.add({{"rx_ring", "128"}}, {1, 2});
  EXPECT_TRUE(campaign.summary().effects.empty());
}

TEST(Effects, TheLargestLossIsNamedWhereNothingLimited) {
  Campaign campaign = rings_and_queues(12);
  for (TrialResult& trial : campaign.trials) trial.limited_by.clear();
  EXPECT_THAT(effect_of(campaign, "rx_ring").sentence,
              HasSubstr("at 128 rx_missed 240 000 of 12 000 000 frames"));
  EXPECT_EQ(largest_loss_text(Ledger{}), "");
}

}  // namespace
}  // namespace pollmark
