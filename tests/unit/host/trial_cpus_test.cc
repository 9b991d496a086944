#include "host/trial_cpus.h"

#include <gtest/gtest.h>

#include "host/cpu_time.h"

namespace pollmark {
namespace {

TEST(TrialCpus, OrderDecidesAndDefaultsAreTwoDifferentOnes) {
  const auto cpus = allowed_cpus();
  if (cpus.size() < 2) GTEST_SKIP() << "needs two cpus";
  TrialOrder order;
  auto chosen = trial_cpus(order);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->sender, cpus[0]);
  EXPECT_EQ(chosen->receiver, cpus[1]);
  order.receiver_lcores = {cpus[0]};
  chosen = trial_cpus(order);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->receiver, cpus[0]);
  EXPECT_NE(chosen->sender, cpus[0]);
  order = {};
  order.generator_lcores = {cpus[1]};
  chosen = trial_cpus(order);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->sender, cpus[1]);
  EXPECT_EQ(chosen->receiver, cpus[0]);
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
