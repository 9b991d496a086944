#include "host/trial_cpus.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "host/cpu_time.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TrialCpus, OrderDecidesAndDefaultsAreTwoDifferentOnes) {
  const auto cpus = allowed_cpus();
  if (cpus.size() < 2) GTEST_SKIP() << "needs two cpus";
  TrialOrder order;
  auto chosen = trial_cpus(order);
  ASSERT_TRUE(chosen);
  EXPECT_THAT(chosen->senders, ElementsAre(cpus[0]));
  EXPECT_EQ(chosen->receiver, cpus[1]);
  order.receiver_lcores = {cpus[0]};
  chosen = trial_cpus(order);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->receiver, cpus[0]);
  EXPECT_THAT(chosen->senders, ElementsAre(cpus[1]));
  order = {};
  order.generator_lcores = {cpus[1]};
  chosen = trial_cpus(order);
  ASSERT_TRUE(chosen);
  EXPECT_THAT(chosen->senders, ElementsAre(cpus[1]));
  EXPECT_EQ(chosen->receiver, cpus[0]);
}

TEST(TrialCpus, ReceiverKeepsToItsNodeAndTheSenderToTheMemory) {
  const auto chosen = [](const NumaPlan& plan, const TrialOrder& order = {}) {
    const auto cpus = trial_cpus(order, plan);
    return cpus ? std::pair(cpus->senders.front(), cpus->receiver) : std::pair(-1, -1);
  };
  // Even CPUs are node 0, odd ones node 1.
  EXPECT_EQ(chosen({0, {0, 2, 1, 3}, {0, 2}}), std::pair(0, 2));
  EXPECT_EQ(chosen({0, {0, 2, 1, 3}, {1, 3}}), std::pair(0, 1));
  // The only CPU of its node is the receiver's.
  EXPECT_EQ(chosen({0, {0, 1, 3}, {0}}), std::pair(1, 0));
  TrialOrder order;
  order.generator_lcores = {1};
  EXPECT_EQ(chosen({0, {0, 2, 1, 3}, {1, 3}}, order), std::pair(1, 3));
  EXPECT_EQ(chosen({0, {0, 2, 1}, {1}}, order), std::pair(-1, -1));
}

TEST(TrialCpus, EveryGeneratorLcoreHasOneAndTheReceiverAnother) {
  const auto cpus = allowed_cpus();
  if (cpus.size() < 2) GTEST_SKIP() << "needs two cpus";
  TrialOrder order;
  // Two lcores that share one, as they were told to.
  order.generator_lcores = {cpus[0], cpus[0]};
  const auto chosen = trial_cpus(order);
  ASSERT_TRUE(chosen);
  EXPECT_THAT(chosen->senders, ElementsAre(cpus[0], cpus[0]));
  EXPECT_EQ(chosen->receiver, cpus[1]);
  EXPECT_THAT(chosen->all(), ElementsAre(cpus[0], cpus[1]));
}

TEST(TrialCpus, TooFewForTheGeneratorsAreSaidWithTheirNumber) {
  const auto cpus = allowed_cpus();
  if (cpus.size() < 2) GTEST_SKIP() << "needs two cpus";
  TrialOrder order;
  order.generator_lcores = cpus;
  const auto chosen = trial_cpus(order);
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().code, Errc::host_cannot);
  EXPECT_EQ(
      chosen.error().text(),
      fmt::format("needs {0} CPUs: {1} generator lcores and a receiver, each on its own; this "
                  "process may use {1}",
                  cpus.size() + 1, cpus.size()));
  order.generator_lcores = {cpus[0], cpus[1]};
  order.receiver_lcores = {cpus[1]};
  EXPECT_THAT(trial_cpus(order).error().text(), HasSubstr("needs 3 CPUs"));
}

TEST(TrialCpus, SameCpuForBothEndsIsRefusedByName) {
  TrialOrder order;
  order.generator_lcores = {0};
  order.receiver_lcores = {0};
  const auto chosen = trial_cpus(order);
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().code, Errc::host_cannot);
  EXPECT_EQ(chosen.error().text(), "needs 2 CPUs");
}

}  // namespace
}  // namespace pollmark
