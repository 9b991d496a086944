#include "campaign/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pollmark {
namespace {

using ::testing::IsEmpty;

std::vector<std::string> keys_of(const std::vector<EnvironmentDifference>& differences) {
  std::vector<std::string> keys;
  for (const EnvironmentDifference& difference : differences) keys.push_back(difference.key);
  return keys;
}

// A folder with one valid trial of one cell.
StoredCampaign folder_of(TrialKind kind) {
  StoredCampaign stored;
  TrialResult trial;
  trial.valid = true;
  trial.isa = "x86-64-v3";
  trial.page_size_bytes = 4096;
  trial.order.kind = kind;
  trial.order.group = "main";
  trial.order.cell = {{"rx_ring", "512"}};
  trial.order.traffic.flows = 64;
  trial.order.traffic.intended_pps = 1e6;
  stored.trials.push_back(trial);
  return stored;
}

TEST(Environment, SettingsOfATrialAreComparedInEveryKindOfCampaign) {
  for (const TrialKind kind : {TrialKind::trial, TrialKind::search, TrialKind::latency}) {
    const StoredCampaign from = folder_of(kind);
    StoredCampaign to = folder_of(kind);
    EXPECT_THAT(environment_differences(from, to), IsEmpty()) << name_of(kind);
    to.trials[0].order.traffic.flows = 65;
    to.trials[0].page_size_bytes = 1 << 21;
    to.trials[0].isa.clear();
    EXPECT_THAT(keys_of(environment_differences(from, to)),
                ::testing::ElementsAre("isa", "page_size", "traffic.flows"))
        << name_of(kind);
    EXPECT_EQ(environment_differences(from, to)[0].to, "not recorded");
  }
}

TEST(Environment, LoadThatASearchChoseIsNoDifferenceAndOneThatWasSetIs) {
  StoredCampaign other = folder_of(TrialKind::search);
  other.trials[0].order.traffic.intended_pps = 2e6;
  other.trials[0].order.traffic.load = {LoadUnit::pps, 2e6};
  EXPECT_THAT(environment_differences(folder_of(TrialKind::search), other), IsEmpty());
  other.trials[0].order.kind = TrialKind::trial;
  EXPECT_THAT(keys_of(environment_differences(folder_of(TrialKind::trial), other)),
              ::testing::Contains("traffic.intended_pps"));
}

TEST(Environment, CalibrationsProbesAndInvalidTrialsAreLeftOut) {
  for (const TrialKind kind : {TrialKind::calibration, TrialKind::probe}) {
    StoredCampaign other = folder_of(kind);
    other.trials[0].order.traffic.flows = 65;
    EXPECT_THAT(environment_differences(folder_of(kind), other), IsEmpty()) << name_of(kind);
  }
  StoredCampaign other = folder_of(TrialKind::trial);
  other.trials[0].valid = false;
  other.trials[0].order.traffic.flows = 65;
  const auto differences = environment_differences(folder_of(TrialKind::trial), other);
  EXPECT_THAT(keys_of(differences), ::testing::Not(::testing::Contains("traffic.flows")));
}

}  // namespace
}  // namespace pollmark
