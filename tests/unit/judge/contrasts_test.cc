#include "judge/contrasts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "campaigns.h"
#include "judge/noise_floor.h"

namespace pollmark {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Campaign rings_matter_with_one_queue(int blocks) {
  Campaign campaign;
  campaign.add({{"queues", "1"}, {"rx_ring", "128"}}, around(20'000, 550, blocks, 0));
  campaign.add({{"queues", "1"}, {"rx_ring", "512"}}, around(2'000, 50, blocks, 1));
  campaign.add({{"queues", "4"}, {"rx_ring", "128"}}, around(2'000, 50, blocks, 2));
  campaign.add({{"queues", "4"}, {"rx_ring", "512"}}, around(2'000, 50, blocks, 3));
  campaign.question.baseline = {{"rx_ring", "512"}};
  return campaign;
}

std::vector<Comparison> of_metric(const Summary& summary, const std::string& metric) {
  std::vector<Comparison> found;
  for (const Comparison& comparison : summary.comparisons) {
    if (comparison.metric == metric) found.push_back(comparison);
  }
  return found;
}

TEST(Contrasts, EveryLevelStandsAgainstTheDeclaredBaselineElseTheFirst) {
  const auto contrasts = of_metric(rings_matter_with_one_queue(12).summary(), "loss_ratio");
  ASSERT_THAT(contrasts, SizeIs(2));
  EXPECT_EQ(contrasts[0].factor, "queues");
  EXPECT_EQ(contrasts[0].baseline, "1");
  EXPECT_EQ(contrasts[0].level, "4");
  EXPECT_EQ(contrasts[1].factor, "rx_ring");
  EXPECT_EQ(contrasts[1].baseline, "512");
  EXPECT_EQ(contrasts[1].level, "128");
  EXPECT_EQ(contrasts[1].combinations, 2);
  EXPECT_EQ(contrasts[1].family, Family::declared);
  EXPECT_EQ(contrasts[1].verdict, Verdict::worse);
  EXPECT_NEAR(*contrasts[1].difference, 0.009, 0.0003) << "the mean of 0.018 and 0";
}

TEST(Contrasts, OtherMetricsAreExploratory) {
  const Summary summary = rings_matter_with_one_queue(12).summary();
  EXPECT_THAT(of_metric(summary, "received_mpps"), SizeIs(2));
  for (const Comparison& comparison : summary.comparisons) {
    EXPECT_EQ(comparison.family,
              comparison.metric == "loss_ratio" ? Family::declared : Family::exploratory);
  }
  EXPECT_THAT(of_metric(summary, "cycles_per_pkt"), IsEmpty()) << "not measured";
}

TEST(Contrasts, AnEffectThatDependsOnAnotherFactorIsAnInteraction) {
  const Summary summary = rings_matter_with_one_queue(12).summary();
  ASSERT_THAT(summary.interactions, SizeIs(1));
  const Interaction& found = summary.interactions.front();
  EXPECT_TRUE(found.shown);
  EXPECT_EQ(found.factor, "queues");
  EXPECT_EQ(found.with_factor, "rx_ring");
  EXPECT_EQ(found.with_baseline, "512");
  EXPECT_NEAR(found.difference, -0.018, 0.0005);
  EXPECT_THAT(found.sentence, HasSubstr("queues 4 against 1: the effect on loss is 1.80 % of all "
                                        "frames lower with rx_ring 128 than with 512"));
}

TEST(Contrasts, EffectsThatAddUpAreNoInteraction) {
  Campaign campaign;
  int phase = 0;
  for (const char* queues : {"1", "4"}) {
    for (const char* ring : {"128", "512"}) {
      const std::int64_t middle = 10'000 + (std::string(queues) == "1" ? 5'000 : 0) +
                                  (std::string(ring) == "128" ? 3'000 : 0);
      campaign.add({{"queues", queues}, {"rx_ring", ring}}, around(middle, 300, 12, phase++));
    }
  }
  const Summary summary = campaign.summary();
  ASSERT_THAT(summary.interactions, SizeIs(1));
  EXPECT_FALSE(summary.interactions.front().shown);
}

TEST(Contrasts, QuickCampaignsShowNoInteractionAndNoVerdict) {
  Campaign campaign = rings_matter_with_one_queue(12);
  campaign.question.quick = true;
  const Summary summary = campaign.summary();
  EXPECT_FALSE(summary.interactions.front().shown);
  for (const Comparison& comparison : summary.comparisons)
    EXPECT_EQ(comparison.verdict, Verdict::ranking_only);
}

TEST(Contrasts, ALevelWithoutEvidenceTaintsOnlyItsOwnContrasts) {
  Campaign campaign = rings_matter_with_one_queue(12);
  campaign.add({{"queues", "1"}, {"rx_ring", "2048"}}, around(2'000, 50, 12, 4));
  for (TrialResult& trial : campaign.trials) {
    if (trial.order.cell.at("rx_ring") == "2048") trial.knobs["rx_ring"].exercised = false;
  }
  for (const Comparison& comparison : of_metric(campaign.summary(), "loss_ratio")) {
    EXPECT_EQ(comparison.verdict == Verdict::not_exercised, comparison.level == "2048");
  }
}

TEST(Contrasts, ASingleDeclaredComparisonIsTheAnswer) {
  Campaign campaign;
  campaign.question.baseline = {{"rx_ring", "512"}};
  campaign.add({{"rx_ring", "512"}}, around(2'000, 50, 12, 0));
  campaign.add({{"rx_ring", "4096"}}, around(20'000, 500, 12, 1));
  const Summary summary = campaign.summary();
  EXPECT_THAT(summary.answer,
              HasSubstr("On a model, not a NIC: rx_ring 4096 loses 1.8 % of all frames more than "
                        "512 [1."));
  EXPECT_THAT(summary.answer, HasSubstr(": worse; detectable from "));
}

// The gate's trials beside a campaign's.
void add_gate(Campaign& campaign, const std::vector<std::int64_t>& first,
              const std::vector<std::int64_t>& second) {
  for (std::size_t block = 0; block < first.size(); ++block) {
    for (const char* side : {"1", "2"}) {
      TrialResult trial = trial_of({{"rx_ring", "512"}, {"aa", side}}, static_cast<int>(block),
                                   side == std::string("1") ? first[block] : second[block]);
      trial.order.kind = TrialKind::probe;
      campaign.trials.push_back(trial);
    }
  }
}

TEST(NoiseFloors, AreHalfTheWidthOfTheIntervalBetweenEqualSettings) {
  Campaign campaign = rings_matter_with_one_queue(12);
  add_gate(campaign, around(2'000, 50, 12, 0), around(2'000, 50, 12, 5));
  const Summary summary = campaign.summary();
  ASSERT_THAT(summary.noise_floors, SizeIs(1));
  const NoiseFloor& floor = summary.noise_floors.front();
  EXPECT_TRUE(floor.passed) << floor.sentence;
  EXPECT_EQ(floor.cell, (Levels{{"rx_ring", "512"}}));
  EXPECT_EQ(floor.blocks, 12);
  EXPECT_DOUBLE_EQ(*floor.floor, (floor.interval->high - floor.interval->low) / 2.0);
  EXPECT_GT(*floor.floor, 1e-6);
  EXPECT_LT(*floor.floor, 1e-4);
  EXPECT_EQ(summary.trials, 48) << "the gate's trials are no results";
  EXPECT_EQ(of_metric(summary, "loss_ratio").front().noise_floor, floor.floor);
}

TEST(NoiseFloors, AGateThatSeesADifferenceOrTooMuchNoiseFails) {
  Campaign apart = rings_matter_with_one_queue(12);
  add_gate(apart, around(2'000, 50, 12, 0), around(3'000, 50, 12, 5));
  EXPECT_FALSE(apart.summary().noise_floors.front().passed);
  EXPECT_THAT(apart.summary().noise_floors.front().sentence,
              HasSubstr("two equal settings look different"));
  Campaign noisy = rings_matter_with_one_queue(12);
  add_gate(noisy, around(20'000, 19'000, 12, 0), around(20'000, 19'000, 12, 6));
  EXPECT_FALSE(noisy.summary().noise_floors.front().passed);
  EXPECT_THAT(noisy.summary().noise_floors.front().sentence,
              HasSubstr("the noise is larger than what matters"));
  Campaign short_gate = rings_matter_with_one_queue(12);
  add_gate(short_gate, {1, 2, 3}, {1, 2, 3});
  EXPECT_FALSE(short_gate.summary().noise_floors.front().floor);
}

// design = "one_at_a_time": nothing is set against anything but the baseline.
TEST(Contrasts, OneAtATimeIsSetAgainstTheBaselineAlone) {
  Campaign campaign;
  campaign.add({{"burst", "8"}, {"rx_ring", "512"}}, around(2'000, 50, 8, 0));
  campaign.add({{"burst", "8"}, {"rx_ring", "64"}}, around(9'000, 50, 8, 1));
  campaign.add({{"burst", "16"}, {"rx_ring", "512"}}, around(2'000, 50, 8, 2));
  campaign.question.baseline = {{"burst", "8"}, {"rx_ring", "512"}};
  const Summary summary = campaign.summary();
  const std::vector<Comparison> compared = of_metric(summary, "loss_ratio");
  ASSERT_THAT(compared, SizeIs(2));
  for (const Comparison& comparison : compared) {
    EXPECT_EQ(comparison.baseline, comparison.factor == "burst" ? "8" : "512");
    EXPECT_EQ(comparison.combinations, 1);
  }
  EXPECT_THAT(summary.interactions, IsEmpty());
}

TEST(NoiseFloors, ADifferenceBelowTheFloorIsSaidToBe) {
  Campaign campaign;
  campaign.question.baseline = {{"rx_ring", "512"}};
  campaign.add({{"rx_ring", "512"}}, around(2'000, 50, 12, 0));
  campaign.add({{"rx_ring", "4096"}}, around(2'030, 50, 12, 1));
  add_gate(campaign, around(2'000, 900, 12, 0), around(2'000, 900, 12, 6));
  EXPECT_THAT(campaign.summary().comparisons.front().sentence,
              HasSubstr("below the noise floor of 0.0"));
}

TEST(UnsettledBlocks, AreNamedWhereTheMachineHadNotWarmedUp) {
  Campaign campaign;
  std::vector<std::int64_t> losses = around(2'000, 50, 24, 0);
  campaign.add({{"rx_ring", "512"}}, losses);
  EXPECT_THAT(campaign.summary().warnings, IsEmpty());
  for (int block = 0; block < 6; ++block)
    campaign.trials[static_cast<std::size_t>(block)] =
        trial_of({{"rx_ring", "512"}}, block, 9'000 + block);
  ASSERT_THAT(campaign.summary().warnings, SizeIs(1));
  EXPECT_THAT(campaign.summary().warnings.front(),
              HasSubstr("the first 6 of 24 blocks differ from the rest in loss"));
}

}  // namespace
}  // namespace pollmark
