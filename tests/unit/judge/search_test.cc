#include "judge/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "support/simulated_device.h"

namespace pollmark {
namespace {

using ::testing::HasSubstr;

struct Spread {
  double median_trials = 0.0;
  double mean_ndr_pps = 0.0;
  double ndr_spread = 0.0;  // standard deviation, relative
};

constexpr int kSearches = 200;

Spread spread_of(double stall_chance) {
  std::vector<double> trials;
  std::vector<double> ndr;
  for (int seed = 1; seed <= kSearches; ++seed) {
    SimulatedDevice device;
    device.stall_chance = stall_chance;
    device.random.seed(static_cast<std::uint64_t>(seed));
    const Searched searched = search(device, order_of_presets({"ndr", "pdr"}));
    EXPECT_TRUE(searched.goals[0].regular) << searched.goals[0].irregular_why;
    EXPECT_TRUE(searched.goals[1].regular) << searched.goals[1].irregular_why;
    trials.push_back(static_cast<double>(searched.trials.size()));
    ndr.push_back(searched.goals[0].throughput_pps.value_or(0.0));
  }
  Spread spread;
  std::sort(trials.begin(), trials.end());
  spread.median_trials = (trials[kSearches / 2 - 1] + trials[kSearches / 2]) / 2.0;
  for (const double each : ndr) spread.mean_ndr_pps += each / kSearches;
  double squares = 0.0;
  for (const double each : ndr) squares += std::pow(each - spread.mean_ndr_pps, 2.0);
  spread.ndr_spread = std::sqrt(squares / (kSearches - 1)) / spread.mean_ndr_pps;
  std::printf("stalls in %.0f %% of seconds: median of %.1f trials, NDR %.4f Mpps, sd %.3f %%\n",
              stall_chance * 100.0, spread.median_trials, spread.mean_ndr_pps / 1e6,
              spread.ndr_spread * 100.0);
  return spread;
}

TEST(SearchFigures, QuietDevice) {
  const Spread spread = spread_of(0.0);
  EXPECT_LE(spread.median_trials, 40.0);
  EXPECT_LE(spread.ndr_spread, 0.0015);
  EXPECT_NEAR(spread.mean_ndr_pps, 10e6, 0.005 * 10e6);
}

TEST(SearchFigures, StallsInFivePercentOfSeconds) {
  const Spread spread = spread_of(0.05);
  EXPECT_LE(spread.median_trials, 45.0);
  EXPECT_LE(spread.ndr_spread, 0.002);
  EXPECT_NEAR(spread.mean_ndr_pps, 10e6, 0.005 * 10e6);
}

TEST(SearchFigures, StallsInThirtyPercentOfSeconds) {
  const Spread spread = spread_of(0.3);
  EXPECT_LE(spread.median_trials, 60.0);
  EXPECT_LE(spread.ndr_spread, 0.006);
  EXPECT_NEAR(spread.mean_ndr_pps, 10e6, 0.01 * 10e6);
}

TEST(SearchFigures, Rfc2544TakesOneLongTrialOnAQuietDevice) {
  SimulatedDevice device;
  const SearchOrder order = order_of_presets({"rfc2544"});
  const Searched searched = search(device, order);
  EXPECT_TRUE(searched.goals[0].regular);
  EXPECT_EQ(std::count_if(searched.trials.begin(), searched.trials.end(),
                          [](const SearchTrial& trial) { return trial.duration_ns >= ns_of(60); }),
            1);
  EXPECT_LE(searched.trials.size(), 8U);
}

// What a device may be: any capacity, noise, stalls, behaviour in overload.
SimulatedDevice any_device() {
  SimulatedDevice device;
  device.capacity_pps = std::exp(*rc::gen::inRange(0, 1000) / 1000.0 * std::log(1e4)) * 1e4;
  device.capacity_spread = *rc::gen::element(0.0, 0.0005, 0.01);
  device.stall_chance = *rc::gen::element(0.0, 0.05, 0.3, 0.9);
  device.overload_change = *rc::gen::element(-0.5, -0.1, 0.0, 0.2);
  device.random.seed(*rc::gen::arbitrary<std::uint64_t>());
  return device;
}

SearchOrder any_order() {
  static const std::vector<std::vector<std::string>> kGoals = {
      {"ndr"}, {"pdr"}, {"ndr", "pdr"}, {"pdr", "ndr", "mrr"}, {"mrr"}, {"rfc2544"}};
  return order_of_presets(kGoals[*rc::gen::inRange<std::size_t>(0, kGoals.size())]);
}

RC_GTEST_PROP(Search, EndsWithEveryGoalSettledAndItsBoundsAroundIt, ()) {
  SimulatedDevice device = any_device();
  const SearchOrder order = any_order();
  const Searched searched = search(device, order);
  RC_ASSERT(searched.last.kind == SearchStep::Kind::done);
  for (const GoalResult& result : searched.goals) {
    if (result.goal.kind == GoalKind::max_rate) {
      RC_ASSERT(result.regular);
      continue;
    }
    if (result.regular) {
      RC_ASSERT(*result.lower_bound_pps < *result.upper_bound_pps);
      RC_ASSERT((*result.upper_bound_pps - *result.lower_bound_pps) / *result.upper_bound_pps <=
                result.goal.width * (1.0 + 1e-6));
      RC_ASSERT(*result.throughput_pps <= *result.lower_bound_pps);
      RC_ASSERT(*result.throughput_pps >=
                *result.lower_bound_pps * (1.0 - result.goal.loss_ratio) - 1e-6);
    } else {
      RC_ASSERT(!result.irregular_why.empty());
      RC_ASSERT(result.irregular_why.find("ended before") == std::string::npos);
    }
  }
}

RC_GTEST_PROP(Search, EveryProposalIsAWidthAwayFromTheOthersOrOneOfThem, ()) {
  SimulatedDevice device = any_device();
  const SearchOrder order = any_order();
  std::set<double> loads;
  for (const SearchTrial& trial : search(device, order).trials) loads.insert(trial.load_pps);
  double before = 0.0;
  for (const double load : loads) {
    RC_ASSERT(load >= order.min_load_pps * (1.0 - 1e-9));
    RC_ASSERT(load <= order.max_load_pps);
    // The outermost steps of the range are cut in two where they are wider than a goal's width.
    const bool outermost = before < order.min_load_pps * 1.011 || load > order.max_load_pps * 0.989;
    const double width = outermost ? 0.0025 : 0.005;
    if (before > 0.0) RC_ASSERT((load - before) / load >= width * (1.0 - 1e-6));
    before = load;
  }
}

RC_GTEST_PROP(Search, InvalidTrialsChangeNothing, ()) {
  SimulatedDevice device = any_device();
  const SearchOrder order = any_order();
  const Searched searched = search(device, order);
  std::vector<SearchTrial> disturbed;
  for (const SearchTrial& trial : searched.trials) {
    if (*rc::gen::inRange(0, 4) == 0) {
      SearchTrial invalid = trial;
      invalid.outcome = SearchOutcome::invalid;
      invalid.lost_pkts = invalid.offered_pkts;
      disturbed.push_back(invalid);
      const SearchStep again = next_step(order, disturbed);
      RC_ASSERT(again.kind == SearchStep::Kind::trial);
      RC_ASSERT(again.load_pps == trial.load_pps);
      RC_ASSERT(again.duration_ns == trial.duration_ns);
    }
    disturbed.push_back(trial);
  }
  const std::vector<GoalResult> results = goal_results(order, disturbed);
  for (std::size_t i = 0; i < results.size(); ++i) {
    RC_ASSERT(results[i].lower_bound_pps == searched.goals[i].lower_bound_pps);
    RC_ASSERT(results[i].upper_bound_pps == searched.goals[i].upper_bound_pps);
    RC_ASSERT(results[i].offered_pkts == searched.goals[i].offered_pkts);
  }
}

TEST(Search, GivesUpWhenALoadHasNoValidTrial) {
  SearchOrder order = order_of_presets({"ndr"});
  order.retries = 2;
  std::vector<SearchTrial> trials;
  for (int i = 0; i < 3; ++i) {
    const SearchStep step = next_step(order, trials);
    ASSERT_EQ(step.kind, SearchStep::Kind::trial);
    trials.push_back({step.load_pps, step.duration_ns, SearchOutcome::invalid, 10, 0, 0.0});
  }
  const SearchStep last = next_step(order, trials);
  EXPECT_EQ(last.kind, SearchStep::Kind::given_up);
  EXPECT_THAT(last.why, HasSubstr("no valid trial at 37.2 Mpps in 3 attempts"));
}

// The generator reaches 8 Mpps; the device would carry 10.
TEST(Search, WhatTheGeneratorCannotOfferIsNoLossOfTheDevice) {
  const SearchOrder order = order_of_presets({"ndr", "mrr"});
  SimulatedDevice device;
  std::vector<SearchTrial> trials;
  SearchStep step;
  while ((step = next_step(order, trials)).kind == SearchStep::Kind::trial) {
    SearchTrial trial = device.run(step.load_pps, step.duration_ns);
    if (step.load_pps > 8e6) {
      trial.outcome = SearchOutcome::not_reachable;
      trial.offered_pps = 8e6;
      trial.lost_pkts = trial.offered_pkts / 2;
    }
    trials.push_back(trial);
    ASSERT_LT(trials.size(), 100U);
  }
  const std::vector<GoalResult> goals = goal_results(order, trials);
  EXPECT_FALSE(goals[0].regular);
  EXPECT_FALSE(goals[0].upper_bound_pps.has_value());
  EXPECT_NEAR(goals[0].throughput_pps.value(), 8e6, 0.01 * 8e6);
  EXPECT_THAT(goals[0].irregular_why, HasSubstr("the generator does not reach"));
  EXPECT_TRUE(goals[1].regular);
  EXPECT_NEAR(goals[1].throughput_pps.value(), 8e6, 0.01 * 8e6);
}

TEST(Search, ADeviceThatCarriesEverythingIsIrregularAtTheHighestLoad) {
  SimulatedDevice device;
  device.capacity_pps = 100e6;
  const Searched searched = search(device, order_of_presets({"ndr", "pdr"}));
  EXPECT_EQ(searched.trials.size(), 11U);
  EXPECT_FALSE(searched.goals[0].regular);
  EXPECT_EQ(searched.goals[0].lower_bound_pps, 37202381.0);
  EXPECT_THAT(searched.goals[0].irregular_why, HasSubstr("good up to the highest load"));
}

TEST(Search, ADeviceThatCarriesNothingIsIrregularAtTheLowestLoad) {
  SimulatedDevice device;
  device.stall_chance = 1.0;
  const Searched searched = search(device, order_of_presets({"ndr"}));
  EXPECT_FALSE(searched.goals[0].regular);
  EXPECT_FALSE(searched.goals[0].throughput_pps.has_value());
  EXPECT_THAT(searched.goals[0].irregular_why, HasSubstr("bad even at the lowest load"));
}

TEST(Search, ANumberCarriesWhatItRestsOn) {
  SimulatedDevice device;
  const Searched searched = search(device, order_of_presets({"ndr"}));
  const GoalResult& ndr = searched.goals[0];
  EXPECT_GE(ndr.bound_trials, 11);
  EXPECT_NEAR(static_cast<double>(ndr.offered_pkts), ndr.bound_trials * *ndr.lower_bound_pps, 1e3);
  EXPECT_NEAR(ndr.loss_ratio_limit.value(), 3.0 / static_cast<double>(ndr.offered_pkts), 1e-10);
}

TEST(Search, ExpectedCostIsThatOfASteadyDevice) {
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{"ndr", "pdr"}, {"ndr"}, {"pdr", "mrr"}, {"rfc2544"}}) {
    SimulatedDevice device;
    const SearchOrder order = order_of_presets(names);
    const Searched searched = search(device, order);
    const SearchCost cost = expected_cost(order.goals);
    EXPECT_NEAR(static_cast<double>(searched.trials.size()), cost.trials, 4.0) << names.front();
    double seconds = 0.0;
    for (const SearchTrial& trial : searched.trials)
      seconds += 1e-9 * static_cast<double>(trial.duration_ns);
    EXPECT_NEAR(seconds, cost.seconds, 6.0) << names.front();
  }
}

}  // namespace
}  // namespace pollmark
