#include "judge/load_class.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>

namespace pollmark {
namespace {

SearchGoal goal_of(double final_trial_seconds, double duration_sum_seconds, double loss_ratio,
                   double exceed_ratio) {
  SearchGoal goal;
  goal.name = "goal";
  goal.final_trial_seconds = final_trial_seconds;
  goal.duration_sum_seconds = duration_sum_seconds;
  goal.loss_ratio = loss_ratio;
  goal.exceed_ratio = exceed_ratio;
  return goal;
}

std::vector<Evidence> times(int count, double seconds, double loss_ratio) {
  return std::vector<Evidence>(static_cast<std::size_t>(count),
                               Evidence{ns_of(seconds), loss_ratio});
}

std::vector<Evidence> joined(std::vector<Evidence> first, const std::vector<Evidence>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// The six points of RFC 9971's worked table, as sets of trials.
std::vector<std::vector<Evidence>> points() {
  std::vector<std::vector<Evidence>> sets;
  sets.push_back(times(59, 1.0, 0.0));
  sets.push_back(joined(sets[0], times(1, 1.0, 0.01)));
  sets.push_back(joined(sets[0], times(60, 1.0, 0.01)));
  sets.push_back(joined(times(60, 1.0, 0.0), times(60, 1.0, 0.01)));
  sets.push_back(joined(sets[3], times(1, 60.0, 0.001)));
  sets.push_back(joined(sets[4], times(1, 60.0, 0.0)));
  return sets;
}

std::string row_of(const SearchGoal& goal) {
  std::string row;
  for (const std::vector<Evidence>& trials : points()) {
    switch (classify(goal, trials)) {
      case LoadClass::undecided:
        row += '?';
        break;
      case LoadClass::lower_bound:
        row += 'L';
        break;
      case LoadClass::upper_bound:
        row += 'U';
        break;
    }
  }
  return row;
}

TEST(Classification, WorkedTableOfRfc9971) {
  EXPECT_EQ(row_of(goal_of(60, 60, 0.0, 0.0)), "?UUUUU") << "RFC 2544";
  EXPECT_EQ(row_of(goal_of(60, 120, 0.0, 0.5)), "?????L") << "TST 009";
  EXPECT_EQ(row_of(goal_of(1, 120, 0.005, 0.5)), "???LLL") << "1 s final";
  // Two cells of the RFC's table contradict its own code, and are left out.
  EXPECT_EQ(row_of(goal_of(60, 60, 0.005, 0.2)).substr(0, 4), "??UU") << "20 % exceed";
}

TEST(Classification, HalfOfTheTimeExactlyIsStillGood) {
  const SearchGoal goal = goal_of(1, 20, 0.0, 0.5);
  EXPECT_EQ(classify(goal, joined(times(10, 1, 0.0), times(10, 1, 0.1))), LoadClass::lower_bound);
  EXPECT_EQ(classify(goal, joined(times(9, 1, 0.0), times(11, 1, 0.1))), LoadClass::upper_bound);
  EXPECT_EQ(classify(goal, times(9, 1, 0.0)), LoadClass::undecided);
  EXPECT_EQ(classify(goal, times(10, 1, 0.0)), LoadClass::lower_bound);
}

TEST(Classification, LossEqualToTheGoalIsGood) {
  const SearchGoal goal = goal_of(1, 1, 0.005, 0.0);
  EXPECT_EQ(classify(goal, times(1, 1, 0.005)), LoadClass::lower_bound);
  EXPECT_EQ(classify(goal, times(1, 1, 0.00501)), LoadClass::upper_bound);
}

TEST(Classification, NothingTriedIsUndecided) {
  EXPECT_EQ(classify(goal_of(1, 21, 0.0, 0.5), {}), LoadClass::undecided);
}

RC_GTEST_PROP(Classification, AFullDurationSumAlwaysDecides, ()) {
  const SearchGoal goal =
      goal_of(1, *rc::gen::inRange(1, 30), 0.0, *rc::gen::inRange(0, 99) / 100.0);
  const int good = *rc::gen::inRange(0, 40);
  const int bad = *rc::gen::inRange(0, 40);
  const LoadClass load_class = classify(goal, joined(times(good, 1, 0.0), times(bad, 1, 0.5)));
  if (good + bad >= goal.duration_sum_seconds) RC_ASSERT(load_class != LoadClass::undecided);
  // A decision never turns while its duration sum fills up.
  if (load_class == LoadClass::lower_bound && good + bad < goal.duration_sum_seconds) {
    RC_ASSERT(classify(goal, joined(times(good + 1, 1, 0.0), times(bad, 1, 0.5))) == load_class);
  }
}

RC_GTEST_PROP(Classification, OrderOfTrialsDoesNotMatter, ()) {
  auto losses = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 3)));
  std::vector<Evidence> trials;
  for (const int loss : losses) trials.push_back({ns_of(1.0 + loss % 2), loss / 100.0});
  const SearchGoal goal = goal_of(2, 10, 0.0, 0.5);
  const LoadClass forwards = classify(goal, trials);
  std::reverse(trials.begin(), trials.end());
  RC_ASSERT(classify(goal, trials) == forwards);
}

TEST(ConditionalThroughput, IsTheQuantileOfTheForwardingRate) {
  const SearchGoal goal = goal_of(1, 21, 0.0, 0.5);
  // 10.5 s of good trials are wanted: the 11th is the last that counts.
  EXPECT_DOUBLE_EQ(conditional_throughput_pps(goal, 1e6, times(11, 1, 0.0)), 1e6);
  EXPECT_DOUBLE_EQ(
      conditional_throughput_pps(goal, 1e6, joined(times(10, 1, 0.0), times(11, 1, 0.2))), 0.8e6);
  EXPECT_DOUBLE_EQ(
      conditional_throughput_pps(goal, 1e6, joined(times(11, 1, 0.001), times(10, 1, 0.5))),
      0.999e6);
}

TEST(ConditionalThroughput, MissingTimeCountsAsLost) {
  EXPECT_DOUBLE_EQ(conditional_throughput_pps(goal_of(1, 21, 0.0, 0.5), 1e6, times(10, 1, 0.0)),
                   0.0);
  // Short trials are not part of it.
  EXPECT_DOUBLE_EQ(conditional_throughput_pps(goal_of(2, 2, 0.0, 0.0), 1e6, times(5, 1, 0.0)), 0.0);
}

TEST(RelevantBounds, ALowerBoundAboveAnUpperOneDoesNotCount) {
  const SearchGoal goal = goal_of(1, 1, 0.0, 0.0);
  const LoadEvidence loads = {{1e6, times(1, 1, 0.0)},
                              {2e6, times(1, 1, 0.1)},
                              {3e6, times(1, 1, 0.0)},
                              {4e6, times(1, 1, 0.1)}};
  const RelevantBounds bounds = relevant_bounds(goal, loads);
  EXPECT_EQ(bounds.lower_pps, 1e6);
  EXPECT_EQ(bounds.upper_pps, 2e6);
  EXPECT_FALSE(bounds.regular(goal));
}

TEST(RelevantBounds, RegularFromTheGoalsWidthOn) {
  SearchGoal goal = goal_of(1, 1, 0.0, 0.0);
  goal.width = 0.1;
  EXPECT_TRUE((RelevantBounds{0.9e6, 1e6}.regular(goal)));
  EXPECT_FALSE((RelevantBounds{0.89e6, 1e6}.regular(goal)));
  EXPECT_FALSE((RelevantBounds{std::nullopt, 1e6}.regular(goal)));
  EXPECT_FALSE((RelevantBounds{1e6, std::nullopt}.regular(goal)));
}

}  // namespace
}  // namespace pollmark
