#include "rig/model_wall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// All of one NUMA node.
NumaPlan any_of(const std::vector<int>& cpus) { return {{}, cpus, cpus}; }

TEST(WallCpus, AreTakenFromThoseAllowedEachOnce) {
  const auto cpus = wall_cpus(TrialOrder{}, 2, 1, any_of({3, 5, 7, 9, 11}));
  ASSERT_TRUE(cpus);
  EXPECT_THAT(cpus->links, ElementsAre(3));
  EXPECT_THAT(cpus->lcores, ElementsAre(5, 7, 9));
}

TEST(WallCpus, AreThoseThatTheOrderNames) {
  TrialOrder order;
  order.generator_lcores = {4, 5};
  order.receiver.queues = 2;
  order.receiver_lcores = {0, 2};
  const auto cpus = wall_cpus(order, 2, 1, any_of({0, 1, 2, 3, 4, 5}));
  ASSERT_TRUE(cpus);
  EXPECT_THAT(cpus->links, ElementsAre(4, 5));
  EXPECT_THAT(cpus->lcores, ElementsAre(0, 2, 1)) << "the worker gets one that is free";
  // More than are needed: the first ones.
  order.receiver_lcores = {0, 2, 3};
  EXPECT_THAT(wall_cpus(order, 2, 0, any_of({0, 1}))->lcores, ElementsAre(0, 2));
  order.receiver.queues = 1;
  EXPECT_THAT(wall_cpus(order, 1, 0, any_of({0, 1}))->links, ElementsAre(4))
      << "it feeds the one queue";
}

TEST(WallCpus, TooFewAreSaidWithWhatWouldDo) {
  const auto cpus = wall_cpus(TrialOrder{}, 1, 1, any_of({0, 1}));
  ASSERT_FALSE(cpus);
  EXPECT_EQ(cpus.error().code, Errc::bad_experiment);
  EXPECT_THAT(cpus.error().what, HasSubstr("a CPU for each of 1 generator, 1 receiving lcore and 1 "
                                           "worker; this process may use 2 CPUs"));
  EXPECT_THAT(cpus.error().what, HasSubstr("allowed: clock = \"lockstep\""));
  EXPECT_TRUE(wall_cpus(TrialOrder{}, 1, 0, any_of({0, 1})));
}

TEST(WallCpus, LinksLeaveTheLcoresTheirNode) {
  // Local: CPUs 0 and 1 are the port's node.
  const NumaPlan local{0, {0, 1, 8, 9}, {0, 1}};
  auto cpus = wall_cpus(TrialOrder{}, 1, 0, local);
  ASSERT_TRUE(cpus);
  EXPECT_THAT(cpus->links, ElementsAre(0));
  EXPECT_THAT(cpus->lcores, ElementsAre(1));
  cpus = wall_cpus(TrialOrder{}, 2, 0, local);
  ASSERT_TRUE(cpus);
  EXPECT_THAT(cpus->links, ElementsAre(8)) << "both of the node are the lcores'";
  EXPECT_THAT(cpus->lcores, ElementsAre(0, 1));
  cpus = wall_cpus(TrialOrder{}, 2, 1, local);
  ASSERT_FALSE(cpus);
  EXPECT_THAT(cpus.error().what, HasSubstr("may use 4 CPUs, 2 of them on the lcores' NUMA node;"));
  // Remote: the link stays with the memory.
  cpus = wall_cpus(TrialOrder{}, 2, 0, {0, {0, 1, 8, 9}, {8, 9}});
  ASSERT_TRUE(cpus);
  EXPECT_THAT(cpus->links, ElementsAre(0));
  EXPECT_THAT(cpus->lcores, ElementsAre(8, 9));
  // A worker beside a named lcore gets one of the same node.
  TrialOrder named;
  named.receiver_lcores = {9};
  cpus = wall_cpus(named, 1, 1, {0, {0, 1, 8, 9}, {8, 9}});
  ASSERT_TRUE(cpus);
  EXPECT_THAT(cpus->lcores, ElementsAre(9, 8));
}

}  // namespace
}  // namespace pollmark
