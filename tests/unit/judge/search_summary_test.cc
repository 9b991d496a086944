#include "judge/search_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "campaigns.h"

namespace pollmark {
namespace {

using ::testing::HasSubstr;

// A complete search whose ndr lies at this rate; not regular when the rate is 0.
SearchResult search_of(const Levels& cell, int block, double ndr_mpps) {
  SearchResult search;
  search.group = "main";
  search.cell = cell;
  search.block = block;
  search.complete = true;
  GoalResult ndr;
  ndr.goal = *preset_goal("ndr");
  ndr.regular = ndr_mpps > 0.0;
  if (ndr.regular) {
    ndr.lower_bound_pps = ndr_mpps * 1e6;
    ndr.upper_bound_pps = ndr_mpps * 1.005e6;
    ndr.throughput_pps = ndr_mpps * 1e6;
    ndr.offered_pkts = 50'000'000;
  } else {
    ndr.lower_bound_pps = 14.88e6;
    ndr.irregular_why = "good up to the highest load, 14.9 Mpps";
  }
  search.goals.push_back(ndr);
  return search;
}

TrialResult search_trial(const Levels& cell, int block, double load_pps, std::int64_t lost_pkts) {
  TrialResult trial = trial_of(cell, block, lost_pkts);
  trial.order.kind = TrialKind::search;
  trial.order.traffic.intended_pps = load_pps;
  return trial;
}

const CellSummary& cell_of(const Summary& summary, const Levels& cell) {
  for (const CellSummary& each : summary.cells) {
    if (each.cell == cell) return each;
  }
  PM_CHECK(false);
}

// Two settings over six blocks, 9.5 and 9.0 Mpps, give or take.
struct SearchedCampaign : Campaign {
  const Levels small{{"rx_ring", "64"}};
  const Levels large{{"rx_ring", "1024"}};
  std::vector<SearchResult> searches;
  SearchedCampaign() {
    question.metric = "ndr_mpps";
    question.baseline = small;
    for (const Levels& cell : {small, large}) {
      plan(cell);
      for (int block = 0; block < 6; ++block) {
        const double mpps = (cell == small ? 9.0 : 9.5) + 0.01 * block;
        searches.push_back(search_of(cell, block, mpps));
        trials.push_back(search_trial(cell, block, mpps * 1e6, 0));
        trials.push_back(search_trial(cell, block, mpps * 1.005e6, 500));
        trials.push_back(search_trial(cell, block, 37e6, 700'000));
        trials.back().limited_by = "core";
      }
    }
  }
  [[nodiscard]] Summary summary() const { return summarise(question, trials, searches); }
};

TEST(SearchSummary, ASearchGivesOneValueForEachBlock) {
  const Summary summary = SearchedCampaign().summary();
  const CellSummary& large = cell_of(summary, {{"rx_ring", "1024"}});
  const Estimate& ndr = large.metrics.at("ndr_mpps");
  EXPECT_EQ(ndr.values, 6);
  EXPECT_NEAR(ndr.median, 9.525, 1e-9);
  EXPECT_NEAR(large.ratio_to_baseline.at("ndr_mpps"), 9.5 / 9.0, 1e-3);
  EXPECT_EQ(large.metrics.count("loss_ratio"), 0U) << "the loads were the search's choice";
  EXPECT_FALSE(large.not_measured.has_value());
  EXPECT_EQ(large.trials, 18);
}

TEST(SearchSummary, FactorsAreJudgedByTheSearchedThroughput) {
  const Summary summary = SearchedCampaign().summary();
  ASSERT_EQ(summary.effects.size(), 1U);
  EXPECT_EQ(summary.effects[0].metric, "ndr_mpps");
  EXPECT_EQ(summary.effects[0].best_level, "1024");
  EXPECT_EQ(summary.effects[0].blocks, 6);
  EXPECT_THAT(summary.effects[0].sentence, HasSubstr("NDR"));
}

TEST(SearchSummary, WhatLimitsIsSeenAtTheUpperBound) {
  const Summary summary = SearchedCampaign().summary();
  EXPECT_EQ(summary.cells[0].limited_by, "ring") << "not the core, at four times the load";
}

TEST(SearchSummary, FramesAreSummedAndLimitTheTrueLoss) {
  const Summary summary = SearchedCampaign().summary();
  const GoalSummary& ndr = summary.cells[0].goals.at(0);
  EXPECT_EQ(ndr.searches, 6);
  EXPECT_EQ(ndr.regular, 6);
  EXPECT_EQ(ndr.offered_pkts, 300'000'000);
  EXPECT_NEAR(ndr.loss_ratio_limit.value(), 1e-8, 1e-10);
}

TEST(SearchSummary, AnIrregularResultIsNoNumberAndSaysWhy) {
  Campaign campaign;
  const Levels cell{{"rx_ring", "64"}};
  campaign.question.metric = "ndr_mpps";
  campaign.plan(cell);
  campaign.trials.push_back(search_trial(cell, 0, 14.88e6, 0));
  const std::vector<SearchResult> searches{search_of(cell, 0, 0.0)};
  const Summary summary = summarise(campaign.question, campaign.trials, searches);
  const CellSummary& only = summary.cells[0];
  EXPECT_TRUE(only.metrics.empty());
  EXPECT_EQ(only.goals.at(0).regular, 0);
  EXPECT_NEAR(only.goals.at(0).at_least_mpps.value(), 14.88, 1e-9);
  EXPECT_THAT(only.not_measured.value(), HasSubstr("ndr: good up to the highest load"));
}

TEST(SearchSummary, LatencyStandsByItsLoad) {
  Campaign campaign;
  const Levels cell{{"rx_ring", "64"}};
  campaign.question.metric = "latency_p99_at_50_ns";
  campaign.plan(cell);
  for (const double percent : {50.0, 10.0}) {
    TrialResult trial = trial_of(cell, 0, 0);
    trial.order.kind = TrialKind::latency;
    trial.order.pdr_percent = percent;
    trial.latency_ns.rx.emplace().record(static_cast<std::int64_t>(percent) * 100, 20);
    campaign.trials.push_back(trial);
  }
  const Summary summary = summarise(campaign.question, campaign.trials, {search_of(cell, 0, 9.0)});
  const CellSummary& only = summary.cells[0];
  ASSERT_EQ(only.latency_at.size(), 2U);
  EXPECT_EQ(only.latency_at[0].pdr_percent, 10.0);
  EXPECT_NEAR(only.latency_at[1].p99_ns->median, 5000, 5);
  EXPECT_NEAR(only.metrics.at("latency_p99_at_50_ns").median, 5000, 5);
  EXPECT_NEAR(only.metrics.at("latency_p99_at_10_ns").median, 1000, 2);
  EXPECT_EQ(only.metrics.count("latency_p99_ns"), 0U);
}

}  // namespace
}  // namespace pollmark
