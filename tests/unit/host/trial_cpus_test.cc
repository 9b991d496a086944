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
  EXPECT_THAT(chosen->receivers, ElementsAre(cpus[1]));
  order.receiver_lcores = {cpus[0]};
  chosen = trial_cpus(order);
  ASSERT_TRUE(chosen);
  EXPECT_THAT(chosen->receivers, ElementsAre(cpus[0]));
  EXPECT_THAT(chosen->senders, ElementsAre(cpus[1]));
  order = {};
  order.generator_lcores = {cpus[1]};
  chosen = trial_cpus(order);
  ASSERT_TRUE(chosen);
  EXPECT_THAT(chosen->senders, ElementsAre(cpus[1]));
  EXPECT_THAT(chosen->receivers, ElementsAre(cpus[0]));
}

TEST(TrialCpus, ReceiverKeepsToItsNodeAndTheSenderToTheMemory) {
  const auto chosen = [](const NumaPlan& plan, const TrialOrder& order = {}) {
    const auto cpus = trial_cpus(order, plan);
    return cpus ? std::pair(cpus->senders.front(), cpus->receivers.front()) : std::pair(-1, -1);
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
  EXPECT_THAT(chosen->receivers, ElementsAre(cpus[1]));
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

TrialOrder order_with_sockets(int sockets) {
  TrialOrder order;
  order.path = Path::udp_socket;
  order.receiver.queues = sockets;
  return order;
}

TEST(TrialCpus, EveryReceivingThreadHasOneOfItsOwn) {
  const NumaPlan plan{0, {0, 1, 2, 3}, {0, 1, 2, 3}};
  const auto chosen = trial_cpus(order_with_sockets(3), plan);
  ASSERT_TRUE(chosen) << chosen.error().text();
  EXPECT_THAT(chosen->senders, ElementsAre(0));
  EXPECT_THAT(chosen->receivers, ElementsAre(1, 2, 3));
  EXPECT_THAT(chosen->all(), ElementsAre(0, 1, 2, 3));

  TrialOrder named = order_with_sockets(2);
  named.receiver_lcores = {3, 0, 1};
  const auto by_name = trial_cpus(named, plan);
  ASSERT_TRUE(by_name) << by_name.error().text();
  EXPECT_THAT(by_name->receivers, ElementsAre(3, 0));
  EXPECT_THAT(by_name->senders, ElementsAre(1));

  TrialOrder of_one_socket = order_with_sockets(3);
  of_one_socket.path = Path::af_xdp;
  EXPECT_THAT(trial_cpus(of_one_socket, plan)->receivers, ElementsAre(1));
}

TEST(TrialCpus, ThreadsShareCpusOnlyWhereTheHostIsTakenAsItIs) {
  const NumaPlan plan{0, {0, 1, 2}, {0, 1, 2}};
  TrialOrder order = order_with_sockets(5);
  const auto refused = trial_cpus(order, plan);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::host_cannot);
  EXPECT_EQ(
      refused.error().text(),
      "needs 6 CPUs: 1 generator lcore and 5 receiving threads, each on its own; this process "
      "may use 3; with validity = \"as_is\" threads share CPUs");
  order.validity = ValidityRule::as_is;
  const auto shared = trial_cpus(order, plan);
  ASSERT_TRUE(shared) << shared.error().text();
  EXPECT_THAT(shared->senders, ElementsAre(0));
  EXPECT_THAT(shared->receivers, ElementsAre(1, 2, 1, 2, 1));
  // The sender keeps its own whatever is allowed.
  order.generator_lcores = {0, 1, 2};
  EXPECT_FALSE(trial_cpus(order, plan));
  // The same named twice is one.
  order = order_with_sockets(2);
  order.receiver_lcores = {1, 1};
  EXPECT_THAT(trial_cpus(order, plan).error().text(), HasSubstr("needs 3 CPUs"));
}

}  // namespace
}  // namespace pollmark
