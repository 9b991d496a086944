#include "record/search_goal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollmark {
namespace {

using ::testing::HasSubstr;

TEST(SearchGoals, PresetsAgreeWithEachOther) {
  EXPECT_TRUE(
      goal_mistakes({*preset_goal("ndr"), *preset_goal("pdr"), *preset_goal("mrr")}).empty());
  EXPECT_TRUE(goal_mistakes({*preset_goal("rfc2544")}).empty());
}

std::string only_mistake(const std::vector<SearchGoal>& goals) {
  const std::vector<std::string> mistakes = goal_mistakes(goals);
  EXPECT_EQ(mistakes.size(), 1U);
  return mistakes.empty() ? std::string() : mistakes.front();
}

TEST(SearchGoals, ContradictionsAreRefusedWithTheirReason) {
  SearchGoal goal = *preset_goal("ndr");
  EXPECT_THAT(only_mistake({}), HasSubstr("no goal"));
  EXPECT_THAT(only_mistake({goal, goal}), HasSubstr("stands twice"));
  EXPECT_THAT(only_mistake({goal, *preset_goal("rfc2544")}), HasSubstr("contradict each other"));
  SearchGoal same = goal;
  same.name = "other";
  EXPECT_THAT(only_mistake({goal, same}), HasSubstr("the same attributes"));
  goal.loss_ratio = 0.01;
  EXPECT_THAT(only_mistake({goal}), HasSubstr("contradicts \"no drop\""));
  goal = *preset_goal("pdr");
  goal.loss_ratio = 0.0;
  EXPECT_THAT(only_mistake({goal}), HasSubstr("contradicts \"partial drop\""));
  goal = *preset_goal("rfc2544");
  goal.final_trial_seconds = goal.initial_trial_seconds;
  EXPECT_THAT(only_mistake({goal}), HasSubstr("RFC 2544 fixes"));
  goal = *preset_goal("ndr");
  goal.duration_sum_seconds = 0.5;
  EXPECT_THAT(only_mistake({goal}), HasSubstr("duration_sum_seconds 0.5 is below"));
  goal = *preset_goal("ndr");
  goal.exceed_ratio = 1.0;
  EXPECT_THAT(only_mistake({goal}), HasSubstr("exceed_ratio 1 is out of range"));
  goal = *preset_goal("ndr");
  goal.name = "No Drop";
  EXPECT_THAT(only_mistake({goal}), HasSubstr("no name for a metric"));
}

TEST(SearchGoals, ANumberIsPrintedWithItsAttributes) {
  EXPECT_EQ(attributes_text(*preset_goal("ndr")),
            "no loss in trials of 1.00 s, exceeded in up to 50.00 % of 21.0 s");
  EXPECT_THAT(attributes_text(*preset_goal("pdr")), HasSubstr("loss up to 0.50 %"));
  EXPECT_EQ(attributes_text(*preset_goal("rfc2544")),
            "no loss in trials of 60.0 s, exceeded in none of 60.0 s");
  EXPECT_EQ(attributes_text(*preset_goal("mrr")),
            "at the highest load, 10.0 s in trials of 1.00 s");
}

}  // namespace
}  // namespace pollmark
