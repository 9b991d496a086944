#include "plan/print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment_text.h"
#include "plan/factors.h"
#include "plan/keys.h"

namespace pollmark {
namespace {

using ::testing::HasSubstr;

// POLLMARK_GOLDEN=write writes what it would have compared: read the difference before committing.
void expect_golden(const std::string& name, const std::string& text) {
  const std::filesystem::path file = checkout() / "tests/golden/plan" / name;
  const char* mode = std::getenv("POLLMARK_GOLDEN");
  if (mode && std::string_view(mode) == "write") std::ofstream(file, std::ios::binary) << text;
  EXPECT_EQ(text, content_of(file)) << "POLLMARK_GOLDEN=write " << name << " writes it anew";
}

std::string plan_of(const std::string& name) {
  Result<Experiment> experiment = read_experiment(checkout() / "scripts/experiments" / name, {});
  EXPECT_TRUE(experiment) << experiment.error().text();
  if (!experiment) return "";
  const Result<Plan> plan = plan_experiment(std::move(*experiment));
  EXPECT_TRUE(plan) << plan.error().text();
  return plan ? render_plan(*plan) : "";
}

TEST(GoldenPlan, Quickstart) { expect_golden("quickstart.txt", plan_of("quickstart.toml")); }
TEST(GoldenPlan, Replay) { expect_golden("replay.txt", plan_of("replay.toml")); }
TEST(GoldenPlan, Search) { expect_golden("search.txt", plan_of("search.toml")); }

TEST(Print, APlanNamesEveryCellAndEveryRefusalWithItsReason) {
  const auto plan = plan_experiment(sound(
      small_with("rx_ring = [64, 512]", "queues = [1, 4]\nreta = [\"equal\", [3, 1, 1, 1]]")));
  ASSERT_TRUE(plan);
  const std::string text = render_plan(*plan);
  for (const Cell& cell : plan->cells) {
    EXPECT_THAT(text, HasSubstr(cell.label));
    if (cell.refused) {
      EXPECT_THAT(text, HasSubstr(*cell.refused));
    }
  }
  EXPECT_THAT(text, HasSubstr("4 cells, 1 refused"));
  EXPECT_THAT(text, HasSubstr("9 trials in 3 blocks of 3 cells"));
  EXPECT_THAT(text, HasSubstr("a model, not a NIC"));
}

TEST(Print, FactorsShowEveryFactorWithItsLimits) {
  const std::string text = render_factors();
  for (const FactorFacts& factor : all_factors()) {
    EXPECT_THAT(text, HasSubstr("\n" + factor.name + "  [" + factor.table + "]\n"));
    if (!factor.ethtool.empty()) {
      EXPECT_THAT(text, HasSubstr(factor.ethtool));
    }
    if (!factor.testpmd.empty()) {
      EXPECT_THAT(text, HasSubstr(factor.testpmd));
    }
  }
}

TEST(Print, KeysShowEveryKeyThatIsTakenAndNoneThatIsNot) {
  const std::string text = render_keys();
  for (const KeyFacts& key : all_keys()) {
    if (!key.not_yet) {
      EXPECT_THAT(text, HasSubstr("\n  " + key.key + " ")) << key.key;
    }
  }
  EXPECT_THAT(text, ::testing::Not(HasSubstr("placement by node")));
}

TEST(Print, NoLineIsWiderThanATerminal) {
  for (const std::string& text : {render_factors(), render_keys()}) {
    for (const std::string& line : split(text, '\n')) EXPECT_LE(line.size(), 110U) << line;
  }
}

}  // namespace
}  // namespace pollmark
