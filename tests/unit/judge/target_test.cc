#include "judge/target.h"

#include <gtest/gtest.h>

#include "campaigns.h"

namespace pollmark {
namespace {

Target target_of(double mpps, double loss_ratio) {
  Target target;
  target.rate = {LoadUnit::pps, mpps * 1e6};
  target.loss_ratio = loss_ratio;
  return target;
}

// One cell, offered mpps in every block, of which lost_pkts of frames were lost.
void add(Campaign& campaign, const Levels& cell, double mpps, const std::vector<std::int64_t>& lost,
         std::int64_t frames = 10'000'000) {
  if (campaign.question.cells.empty() || campaign.question.cells.back().cell != cell)
    campaign.plan(cell);
  int block = 0;
  for (const std::int64_t each : lost) {
    TrialResult trial = trial_of(cell, block++, 0);
    trial.order.traffic.intended_pps = mpps * 1e6;
    trial.offered_pps = mpps * 1e6;
    Ledger& ledger = trial.streams.front().ledger;
    ledger = Ledger{};
    ledger.set_offered(frames);
    ledger.add(Fate::received, frames - each);
    ledger.add(Fate::rx_missed, each);
    campaign.trials.push_back(std::move(trial));
  }
}

CellTarget judged(const Campaign& campaign, const Target& target, std::size_t cell = 0) {
  Campaign asked = campaign;
  asked.question.target = target;
  const Summary summary = asked.summary();
  return summary.target.value().cells.at(cell);
}

std::vector<std::int64_t> none(int blocks) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(blocks), 0);
}

TEST(Target, YesWhenSoFewFramesAreLost) {
  Campaign campaign;
  add(campaign, {{"rx_ring", "512"}}, 10.0, none(6));
  const CellTarget cell = judged(campaign, target_of(10.0, 1e-6));
  EXPECT_EQ(cell.verdict, TargetVerdict::yes) << cell.sentence;
  EXPECT_DOUBLE_EQ(cell.target_pps.value(), 10e6);
  EXPECT_NEAR(cell.headroom_low.value(), 0.0, 1e-12);
  EXPECT_FALSE(cell.headroom_high.has_value()) << "nothing above was tried";
}

// 60 million frames without a loss only say that it is below 5e-8.
TEST(Target, NoLossIsNotEnoughWhereTooFewFramesWereSent) {
  Campaign campaign;
  add(campaign, {{"rx_ring", "512"}}, 10.0, none(6));
  const CellTarget cell = judged(campaign, target_of(10.0, 1e-8));
  EXPECT_EQ(cell.verdict, TargetVerdict::cannot_tell);
  EXPECT_NE(cell.sentence.find("frames without a loss would do"), std::string::npos)
      << cell.sentence;
}

TEST(Target, NoWhenMoreIsLostAtItOrBelow) {
  Campaign campaign;
  add(campaign, {{"rx_ring", "64"}}, 8.0, around(500, 100, 6, 1));
  const CellTarget cell = judged(campaign, target_of(10.0, 1e-6));
  EXPECT_EQ(cell.verdict, TargetVerdict::no) << cell.sentence;
  EXPECT_NEAR(cell.headroom_high.value(), -0.2, 1e-12);
  EXPECT_FALSE(cell.headroom_low.has_value());
}

// A loss far above the target's load says nothing of it.
TEST(Target, LossAboveTheTargetsLoadIsNoReason) {
  Campaign campaign;
  add(campaign, {{"rx_ring", "64"}}, 20.0, around(500'000, 100, 6, 1));
  const CellTarget cell = judged(campaign, target_of(10.0, 1e-6));
  EXPECT_EQ(cell.verdict, TargetVerdict::cannot_tell) << cell.sentence;
  EXPECT_NE(cell.sentence.find("no load nearer to the target was tried"), std::string::npos);
}

TEST(Target, AHigherLoadWithoutLossSpeaksForIt) {
  Campaign campaign;
  add(campaign, {{"rx_ring", "4096"}}, 15.0, none(6));
  const CellTarget cell = judged(campaign, target_of(10.0, 1e-6));
  EXPECT_EQ(cell.verdict, TargetVerdict::yes) << cell.sentence;
  EXPECT_NEAR(cell.headroom_low.value(), 0.5, 1e-12);
}

TEST(Target, CannotTellAboveWhatWasTried) {
  Campaign campaign;
  add(campaign, {{"rx_ring", "4096"}}, 5.0, none(6));
  const CellTarget cell = judged(campaign, target_of(10.0, 1e-6));
  EXPECT_EQ(cell.verdict, TargetVerdict::cannot_tell);
  EXPECT_NE(cell.sentence.find("the highest load tried is 5.00 Mpps, of 10.0 Mpps"),
            std::string::npos)
      << cell.sentence;
}

// Of several loads those next to the target speak, whatever was lost elsewhere.
TEST(Target, TheNearestLoadsSpeak) {
  Campaign campaign;
  const Levels cell{{"rx_ring", "512"}};
  add(campaign, cell, 5.0, around(500'000, 100, 6, 1));
  add(campaign, cell, 9.0, none(6));
  add(campaign, cell, 11.0, none(6));
  add(campaign, cell, 20.0, around(500'000, 100, 6, 1));
  EXPECT_EQ(judged(campaign, target_of(10.0, 1e-6)).verdict, TargetVerdict::yes);
}

TEST(Target, FewerThanSixBlocksAreNoVerdict) {
  Campaign campaign;
  add(campaign, {}, 10.0, none(5));
  const CellTarget yes = judged(campaign, target_of(10.0, 1e-6));
  EXPECT_EQ(yes.verdict, TargetVerdict::cannot_tell);
  EXPECT_NE(yes.sentence.find("5 blocks: an interval needs 6"), std::string::npos) << yes.sentence;
  Campaign lossy;
  add(lossy, {}, 10.0, around(50'000, 100, 5, 1));
  EXPECT_EQ(judged(lossy, target_of(10.0, 1e-6)).verdict, TargetVerdict::cannot_tell);
  Campaign quick = campaign;
  add(quick, {}, 10.0, none(12));
  quick.question.quick = true;
  EXPECT_EQ(judged(quick, target_of(10.0, 1e-6)).verdict, TargetVerdict::cannot_tell);
}

// Losses in one block of seven: the median says nothing was lost, the frames say that too much was.
TEST(Target, ABurstInOneBlockIsNotHiddenByTheMedian) {
  Campaign campaign;
  std::vector<std::int64_t> lost = none(9);
  lost[4] = 50'000;
  add(campaign, {}, 10.0, lost);
  EXPECT_EQ(judged(campaign, target_of(10.0, 1e-6)).verdict, TargetVerdict::cannot_tell);
}

TEST(Target, RateIsOfTheCellsFramesWhereNoneAreNamed) {
  Campaign campaign;
  add(campaign, {}, 10.0, none(6));
  for (TrialResult& trial : campaign.trials) trial.order.traffic.frame_bytes = {1250};
  Target target = target_of(10.0, 1e-6);
  target.rate = {LoadUnit::l2_bps, 50e9};
  EXPECT_DOUBLE_EQ(judged(campaign, target).target_pps.value(), 5e6);
  target.frame = "64";
  target.frame_bytes = {64};
  const CellTarget other = judged(campaign, target);
  EXPECT_EQ(other.verdict, TargetVerdict::cannot_tell);
  EXPECT_FALSE(other.target_pps.has_value());
  EXPECT_NE(other.sentence.find("measured with frames of 1250 bytes, not with 64"),
            std::string::npos)
      << other.sentence;
  target.frame = "imix";
  target.frame_bytes = {64, 1518, 570};
  for (TrialResult& trial : campaign.trials) trial.order.traffic.frame_bytes = {570, 64, 1518};
  EXPECT_TRUE(judged(campaign, target).target_pps.has_value()) << "the order is no other mix";
}

TEST(Target, BothDirectionsAreWanted) {
  Campaign campaign;
  add(campaign, {}, 10.0, none(6));
  for (TrialResult& trial : campaign.trials) trial.order.traffic.direction = Direction::both;
  const CellTarget cell = judged(campaign, target_of(10.0, 1e-6));
  EXPECT_DOUBLE_EQ(cell.target_pps.value(), 20e6);
  EXPECT_EQ(cell.verdict, TargetVerdict::yes) << cell.sentence;
}

LatencyHistogram latency(std::int64_t ns) {
  LatencyHistogram histogram({1, 1'000'000'000, 3});
  histogram.record(ns, 1000);
  return histogram;
}

TEST(Target, LatencyDecidesToo) {
  Campaign campaign;
  add(campaign, {}, 10.0, none(6));
  Target target = target_of(10.0, 1e-6);
  target.p99_ns = 200'000;
  const CellTarget untold = judged(campaign, target);
  EXPECT_EQ(untold.verdict, TargetVerdict::cannot_tell);
  EXPECT_NE(untold.sentence.find("latency was not measured"), std::string::npos);
  for (TrialResult& trial : campaign.trials) trial.latency_ns.rx = latency(150'000);
  EXPECT_EQ(judged(campaign, target).verdict, TargetVerdict::yes);
  for (TrialResult& trial : campaign.trials) trial.latency_ns.rx = latency(250'000);
  const CellTarget late = judged(campaign, target);
  EXPECT_EQ(late.verdict, TargetVerdict::no) << late.sentence;
}

TEST(Target, CoresDecideToo) {
  Campaign campaign;
  add(campaign, {}, 10.0, none(6));
  Target target = target_of(10.0, 1e-6);
  target.cores = 1;
  EXPECT_EQ(judged(campaign, target).verdict, TargetVerdict::cannot_tell) << "nobody told";
  for (TrialResult& trial : campaign.trials) {
    trial.lcores.resize(3);
    trial.lcores[0].role = "generator";
    trial.lcores[1].role = "receiver q0";
    trial.lcores[2].role = "receiver q1";
  }
  EXPECT_EQ(judged(campaign, target).verdict, TargetVerdict::no);
  target.cores = 2;
  EXPECT_EQ(judged(campaign, target).verdict, TargetVerdict::yes);
  // A receiver that blocks leaves its core to others.
  for (TrialResult& trial : campaign.trials) {
    trial.lcores[1].polling = false;
    trial.cpu_cores_used = 0.4;
  }
  target.cores = 1;
  EXPECT_EQ(judged(campaign, target).verdict, TargetVerdict::yes);
}

TEST(Target, ACellWithoutAValidTrialSaysWhy) {
  Campaign campaign;
  add(campaign, {}, 10.0, none(1));
  campaign.trials[0] = invalid(campaign.trials[0], "too_disturbed: noise");
  const CellTarget cell = judged(campaign, target_of(10.0, 1e-6));
  EXPECT_EQ(cell.verdict, TargetVerdict::cannot_tell);
  EXPECT_NE(cell.sentence.find("too_disturbed"), std::string::npos) << cell.sentence;
}

TEST(Target, OneSentenceForAllCells) {
  Campaign campaign;
  add(campaign, {{"rx_ring", "64"}}, 10.0, around(500'000, 100, 6, 1));
  add(campaign, {{"rx_ring", "512"}}, 10.0, none(6));
  campaign.question.target = target_of(10.0, 1e-6);
  const Summary summary = campaign.summary();
  EXPECT_EQ(summary.target->sentence,
            "10 Mpps, loss up to 1.0e-06, on a model, not a NIC: yes with rx_ring=512; no with "
            "rx_ring=64");
  campaign.question.cells.push_back({"other", {}, Path::model, "no such port"});
  EXPECT_NE(campaign.summary().target->sentence.find("yes with main rx_ring=512; "),
            std::string::npos)
      << "groups are told apart";
}

// What a search found at its bounds is the headroom.
TEST(Target, HeadroomOfASearchIsItsThroughput) {
  Campaign campaign;
  const Levels cell{{"rx_ring", "512"}};
  add(campaign, cell, 12.0, none(6));
  for (TrialResult& trial : campaign.trials) trial.order.kind = TrialKind::search;
  std::vector<SearchResult> searches;
  for (int block = 0; block < 6; ++block) {
    SearchResult search;
    search.group = "main";
    search.cell = cell;
    search.block = block;
    search.complete = true;
    for (const char* name : {"ndr", "pdr"}) {
      GoalResult goal;
      goal.goal = *preset_goal(name);
      goal.regular = true;
      goal.throughput_pps = (goal.goal.name == "ndr" ? 12e6 : 15e6) + 1e4 * block;
      search.goals.push_back(goal);
    }
    searches.push_back(search);
  }
  campaign.question.target = target_of(10.0, 1e-6);
  const Summary summary = summarise(campaign.question, campaign.trials, searches);
  const CellTarget& answer = summary.target->cells.front();
  EXPECT_EQ(answer.verdict, TargetVerdict::yes) << answer.sentence;
  EXPECT_NEAR(answer.headroom_low.value(), 0.200, 1e-9);
  EXPECT_NEAR(answer.headroom_high.value(), 0.205, 1e-9);
}

}  // namespace
}  // namespace pollmark
