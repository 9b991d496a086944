#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment_text.h"
#include "plan/experiment.h"
#include "plan/print.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// kSmall with this [search] in place of its load.
std::string searching(std::string_view search, std::string_view judge = "") {
  std::string text = small_with("load = \"2 Mpps\"\n", "");
  text += "[search]\n" + std::string(search) + "\n";
  if (!judge.empty()) text += "[judge]\n" + std::string(judge) + "\n";
  return text;
}

TEST(SearchKeys, GoalsByName) {
  const Experiment read = sound(searching(R"(goals = ["ndr", "pdr", "mrr"])"));
  ASSERT_TRUE(read.search);
  EXPECT_THAT(read.search->goals,
              ElementsAre(*preset_goal("ndr"), *preset_goal("pdr"), *preset_goal("mrr")));
  EXPECT_THAT(read.search->latency_at, ElementsAre(1.0, 10.0, 50.0, 90.0));
  EXPECT_EQ(read.judge.metric, "ndr_mpps");
}

TEST(SearchKeys, GoalsByAttributes) {
  const Experiment read = sound(searching(R"(
width = "1 %"
goals = [{ name = "loss_1e3", loss_ratio = 0.001, exceed_ratio = 0.25, duration_sum_seconds = 10, final_trial_seconds = "500 ms", initial_trial_seconds = 0.1 },
         { name = "pdr", loss_ratio = "1 %", width = 0.02, final_trial_seconds = 0.5 }])",
                                          "metric = \"loss_1e3_mpps\""));
  const SearchGoal& own = read.search->goals.at(0);
  EXPECT_EQ(own.name, "loss_1e3");
  EXPECT_DOUBLE_EQ(own.loss_ratio, 0.001);
  EXPECT_DOUBLE_EQ(own.exceed_ratio, 0.25);
  EXPECT_DOUBLE_EQ(own.width, 0.01);
  EXPECT_DOUBLE_EQ(own.duration_sum_seconds, 10.0);
  EXPECT_DOUBLE_EQ(own.final_trial_seconds, 0.5);
  EXPECT_DOUBLE_EQ(own.initial_trial_seconds, 0.1);
  const SearchGoal& pdr = read.search->goals.at(1);
  EXPECT_DOUBLE_EQ(pdr.loss_ratio, 0.01);
  EXPECT_DOUBLE_EQ(pdr.width, 0.02);
  EXPECT_EQ(read.judge.metric, "loss_1e3_mpps");
}

TEST(SearchKeys, ShorterTrialsKeepTheNumberOfThem) {
  const Experiment read = sound(searching("final_trial_seconds = \"20 ms\"\ngoals = [\"ndr\"]"));
  const SearchGoal& ndr = read.search->goals.front();
  EXPECT_DOUBLE_EQ(ndr.final_trial_seconds, 0.02);
  EXPECT_DOUBLE_EQ(ndr.duration_sum_seconds, 0.42);
  EXPECT_DOUBLE_EQ(ndr.initial_trial_seconds, 0.02);
  EXPECT_THAT(read.search->latency_at, IsEmpty()) << "a share of the PDR needs one";
}

TEST(SearchKeys, ASearchTakesThePlaceOfTheLoad) {
  const std::string beside = std::string(kSmall) + "[search]\ngoals = [\"ndr\"]\n";
  EXPECT_THAT(mistakes(beside), ElementsAre(HasSubstr("exp.toml:8:1: load beside [search]")));
  EXPECT_THAT(mistakes(small_with("load = \"2 Mpps\"\n", "") + "[search]\ngoals = [\"ndr\"]\n",
                       {"factors.load=[\"1 Mpps\", \"2 Mpps\"]"}),
              ElementsAre(HasSubstr("load beside [search]")));
  EXPECT_THAT(mistakes(searching("goals = [\"ndr\"]"), {"trial.packets=1000"}),
              ElementsAre(HasSubstr("packets beside [search]")));
  EXPECT_THAT(mistakes(searching("goals = [\"ndr\"]"), {"trial.aa_blocks=6"}),
              ElementsAre(HasSubstr("aa_blocks beside [search]")));
}

struct RefusedSearch {
  std::string search;
  std::string says;
};

TEST(SearchKeys, EveryContradictionIsRefusedWithItsReason) {
  for (const RefusedSearch& each : std::vector<RefusedSearch>{
           {"goals = []", "no goal"},
           {"goals = \"ndr\"", "goals: text; allowed"},
           {"goals = [\"nrd\"]", "did you mean \"ndr\"?"},
           {"goals = [\"ndr\", \"ndr\"]", "stands twice"},
           {"goals = [\"ndr\", \"rfc2544\"]", "contradict each other"},
           {"final_trial_seconds = 1\ngoals = [\"rfc2544\"]", "RFC 2544 fixes its attributes"},
           {"goals = [{ name = \"ndr\", loss_ratio = 0.01 }]", "contradicts \"no drop\""},
           {"goals = [{ loss_ratio = 0.01 }]", "a table without a name"},
           {"goals = [{ name = \"x\", los_ratio = 0.01 }]", "unknown key \"los_ratio\" of a goal"},
           {"goals = [{ name = \"x\", loss_ratio = 1.5 }]", "loss_ratio: 1.5 is out of range"},
           {"width = 0\ngoals = [\"ndr\"]", "width 0 is out of range"},
           {"duration_sum_seconds = 0.5\ngoals = [\"ndr\"]", "is below final_trial_seconds"},
           {"max_load = \"max\"\ngoals = [\"ndr\"]", "max_load: \"max\" is no number"},
           {"latency_at = [50]\ngoals = [\"ndr\"]", "allowed with pdr among the goals"},
           {"latency_at = [0]\ngoals = [\"pdr\"]", "percentages above 0"},
           {"width = 0.01", "[search] without goals"},
           {"", "[search] without goals"},
           {"goal = [\"ndr\"]", "did you mean \"goals\"?"}}) {
    EXPECT_THAT(mistakes(searching(each.search)), ::testing::Contains(HasSubstr(each.says)))
        << each.search;
  }
}

TEST(SearchKeys, TheMetricIsOneThatIsMeasured) {
  EXPECT_THAT(mistakes(searching("goals = [\"ndr\"]", "metric = \"loss_ratio\"")),
              ElementsAre(HasSubstr("loss_ratio is not measured where the load is searched")));
  EXPECT_THAT(mistakes(searching("goals = [\"ndr\"]", "metric = \"pdr_mpps\"")),
              ElementsAre(HasSubstr("allowed: ndr_mpps, ")));
  EXPECT_THAT(mistakes(std::string(kSmall) + "[judge]\nmetric = \"ndr_mpps\"\n"),
              ElementsAre(HasSubstr("ndr_mpps needs a search")));
  EXPECT_THAT(mistakes(searching("goals = [\"pdr\"]", "metric = \"latency_p99_at_50_ns\"")),
              IsEmpty());
}

TEST(SearchKeys, APlanHasOneSearchForEachCellAndBlock) {
  const auto plan = plan_experiment(sound(searching("max_load = \"80 %\"\ngoals = [\"ndr\"]")));
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->schedule, SizeIs(6));
  const Cell& cell = plan->cells.front();
  // 25 Gbit/s of 256 B frames, 80 % of it.
  EXPECT_NEAR(cell.order.traffic.intended_pps, 0.8 * 25e9 / (8 * 276), 1.0);
  EXPECT_NEAR(cell.min_load_pps, cell.order.traffic.intended_pps / 1000.0, 1.0);
  EXPECT_GT(plan->expected_seconds, 6 * 10.0);
  const std::string text = render_plan(*plan);
  EXPECT_THAT(text, HasSubstr("6 searches in 3 blocks of 2 cells"));
  EXPECT_THAT(text, HasSubstr("no loss in trials of 1.00 s"));
  EXPECT_THAT(text, HasSubstr("up to 80 % = 9.06 Mpps"));
}

TEST(SearchKeys, ALowestLoadThatIsNotBelowTheHighestIsRefused) {
  const auto plan = plan_experiment(sound(searching("min_load = \"line\"\ngoals = [\"ndr\"]")));
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().what, HasSubstr("is not below max_load"));
}

TEST(SearchKeys, TrialsOfABlockHaveTheSameSeedInEveryCell) {
  const auto plan = plan_experiment(sound(searching("goals = [\"ndr\"]")));
  ASSERT_TRUE(plan);
  const TrialOrder first = search_order_of(*plan, 0, TrialKind::search, 3, 10);
  const TrialOrder second = search_order_of(*plan, 1, TrialKind::search, 3, 20);
  EXPECT_EQ(first.block, second.block);
  EXPECT_NE(first.cell, second.cell);
  EXPECT_EQ(first.seed, second.seed);
  EXPECT_EQ(first.kind, TrialKind::search);
  EXPECT_NE(first.seed, search_order_of(*plan, 0, TrialKind::search, 4, 10).seed);
  EXPECT_NE(first.seed, search_order_of(*plan, 0, TrialKind::latency, 3, 10).seed);
}

}  // namespace
}  // namespace pollmark
