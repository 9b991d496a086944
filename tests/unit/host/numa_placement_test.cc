#include "host/numa_placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "host/cpu_time.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two nodes whose CPUs alternate, as many hosts number them.
const NumaTopology kTwoNodes{{0, 1, 2, 3, 4, 5}, {0, 1, 0, 1, 0, 1}};
const NumaTopology kOneNode{{0, 1}, {0, 0}};
const NumaTopology kNotTold{{2, 3}, {}};
constexpr auto kLocal = NumaPlacement::local;
constexpr auto kRemote = NumaPlacement::remote;

std::string refusal(const NumaOrder& order, const NumaTopology& host) {
  const auto plan = numa_plan(order, host);
  if (plan) return "";
  EXPECT_EQ(plan.error().code, Errc::host_cannot);
  return plan.error().text();
}

TEST(NumaPlan, LocalIsThePortsNode) {
  auto plan = numa_plan({.port_node = 1}, kTwoNodes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory_node, 1);
  EXPECT_THAT(plan->receiver_cpus, ElementsAre(1, 3, 5));
  EXPECT_THAT(plan->sender_cpus, ElementsAre(1, 3, 5, 0, 2, 4));
  // A port without a node: that of the preferred CPU.
  plan = numa_plan({}, kTwoNodes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory_node, 0);
  EXPECT_THAT(plan->receiver_cpus, ElementsAre(0, 2, 4));
  plan = numa_plan({}, {{3, 5, 0}, kTwoNodes.node_of_cpu});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory_node, 1);
  EXPECT_THAT(plan->receiver_cpus, ElementsAre(3, 5));
}

TEST(NumaPlan, RemoteLeavesTheMemoryAndMovesTheLcores) {
  auto plan = numa_plan({.numa = kRemote, .port_node = 1}, kTwoNodes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory_node, 1);
  EXPECT_THAT(plan->receiver_cpus, ElementsAre(0, 2, 4));
  EXPECT_THAT(plan->sender_cpus, ElementsAre(1, 3, 5, 0, 2, 4));
  plan = numa_plan({.numa = kRemote}, kTwoNodes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory_node, 0);
  EXPECT_THAT(plan->receiver_cpus, ElementsAre(1, 3, 5));
}

TEST(NumaPlan, RemoteLcoresKeepToOneNode) {
  const NumaTopology four{{0, 1, 2, 3, 4, 5, 6, 7}, {0, 0, 1, 1, 2, 2, 3, 3}};
  const auto plan = numa_plan({.numa = kRemote, .port_node = 2}, four);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->receiver_cpus, ElementsAre(0, 1));
}

TEST(NumaPlan, NamedLcoresDecideForAPortWithoutANode) {
  auto plan = numa_plan({.lcores = {3}}, kTwoNodes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory_node, 1);
  EXPECT_THAT(plan->receiver_cpus, ElementsAre(1, 3, 5));
  plan = numa_plan({.numa = kRemote, .lcores = {2, 4}}, kTwoNodes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory_node, 1) << "the lcores stay, the memory moves";
  EXPECT_THAT(plan->receiver_cpus, ElementsAre(0, 2, 4));
}

TEST(NumaPlan, NamedLcoresOnTheWrongNodeAreRefused) {
  EXPECT_EQ(refusal({.lcores = {0, 3}, .port_node = 0}, kTwoNodes),
            "lcores: CPU 3 is on NUMA node 1, memory on 0; allowed: CPUs of that node, or numa = "
            "\"remote\"");
  EXPECT_EQ(refusal({.lcores = {3, 0}}, kTwoNodes),
            "lcores: CPU 0 is on NUMA node 0, memory on 1; allowed: CPUs of that node, or numa = "
            "\"remote\"");
  EXPECT_EQ(refusal({.numa = kRemote, .lcores = {3, 0}, .port_node = 0}, kTwoNodes),
            "lcores: CPU 0 is on NUMA node 0, memory on 0; allowed: CPUs of another node, or numa "
            "= \"local\"");
  // What does not exist is refused where it would be used.
  EXPECT_TRUE(numa_plan({.lcores = {64}}, kTwoNodes));
}

TEST(NumaPlan, ASecondNodeIsNeededForRemote) {
  EXPECT_EQ(refusal({.numa = kRemote}, kOneNode),
            "numa = \"remote\" needs a second NUMA node with an allowed CPU; this host has one");
  EXPECT_EQ(refusal({.numa = kRemote, .lcores = {1}}, kOneNode),
            "numa = \"remote\" needs a second NUMA node with an allowed CPU; this host has one");
  EXPECT_EQ(refusal({.numa = kRemote}, {{1, 3}, kTwoNodes.node_of_cpu}),
            "numa = \"remote\" needs a second NUMA node with an allowed CPU; this process may use "
            "CPUs of node 1");
  // The port's node needs no CPU of ours.
  EXPECT_TRUE(numa_plan({.numa = kRemote, .port_node = 0}, {{1, 3}, kTwoNodes.node_of_cpu}));
  EXPECT_EQ(refusal({.port_node = 0}, {{1, 3}, kTwoNodes.node_of_cpu}),
            "numa = \"local\" needs an allowed CPU on NUMA node 0; this process may use CPUs of "
            "node 1");
}

TEST(NumaPlan, WithoutNodesMemoryIsLeftToTheKernel) {
  const auto plan = numa_plan({.lcores = {3}, .port_node = {}}, kNotTold);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->memory_node, std::nullopt);
  EXPECT_THAT(plan->receiver_cpus, ElementsAre(2, 3));
  EXPECT_THAT(refusal({.numa = kRemote}, kNotTold), HasSubstr("this host's kernel tells none"));
  EXPECT_THAT(refusal({.numa = kRemote}, {{0, 1}, {-1, -1}}), HasSubstr("tells none"));
}

TEST(NumaPlan, IsWhatWasAskedOrRefused) {
  rc::check([] {
    const int cpus = *rc::gen::inRange(1, 12);
    NumaTopology host;
    host.node_of_cpu = *rc::gen::container<std::vector<int>>(static_cast<std::size_t>(cpus),
                                                             rc::gen::inRange(-1, 4));
    for (int cpu = 0; cpu < cpus; ++cpu)
      if (*rc::gen::arbitrary<bool>() || (host.cpus.empty() && cpu == cpus - 1))
        host.cpus.push_back(cpu);
    const auto port = *rc::gen::maybe(rc::gen::inRange(0, 4));
    const NumaOrder order{
        .numa = *rc::gen::element(kLocal, kRemote),
        .lcores = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, cpus)),
        .port_node = port ? std::optional(*port) : std::nullopt};
    const auto plan = numa_plan(order, host);
    if (!plan) {
      RC_ASSERT(plan.error().code == Errc::host_cannot);
      RC_ASSERT(!plan.error().what.empty());
      return;
    }
    const auto node = [&](int cpu) { return host.node_of_cpu[static_cast<std::size_t>(cpu)]; };
    const auto fits = [&](int cpu) {
      return node(cpu) < 0 || (node(cpu) == plan->memory_node) == (order.numa == kLocal);
    };
    RC_ASSERT(!plan->receiver_cpus.empty());
    RC_ASSERT(std::ranges::is_permutation(plan->sender_cpus, host.cpus));
    for (const int cpu : plan->receiver_cpus) {
      RC_ASSERT(std::ranges::count(host.cpus, cpu) == 1);
      if (!plan->memory_node) continue;
      RC_ASSERT(node(cpu) == node(plan->receiver_cpus[0]));
      RC_ASSERT(node(cpu) >= 0);
      RC_ASSERT(fits(cpu));
    }
    if (!plan->memory_node) {
      RC_ASSERT(order.numa == kLocal);
      return;
    }
    if (order.port_node) RC_ASSERT(plan->memory_node == order.port_node);
    for (const int cpu : order.lcores) RC_ASSERT(fits(cpu));
  });
}

TEST(NumaOrder, LcoresAreCpusOnTheWallClockOnly) {
  TrialOrder order;
  order.receiver.numa = kRemote;
  order.receiver_lcores = {4, 5};
  order.clock = ClockKind::lockstep;
  EXPECT_THAT(numa_order(order, 1).lcores, IsEmpty());
  EXPECT_EQ(numa_order(order, 1).port_node, 1);
  EXPECT_EQ(numa_order(order, 1).numa, kRemote);
  order.clock = ClockKind::wall;
  EXPECT_THAT(numa_order(order, {}).lcores, ElementsAre(4, 5));
}

TEST(NodeOfPort, IsThatOfTheNic) {
  HostFacts facts;
  facts.pci_nics.push_back({.pci_address = "0000:3b:00.0", .numa_node = 1});
  facts.netdevs.push_back({.netdev = "eth2", .numa_node = 0});
  facts.netdevs.push_back({.netdev = "br0"});
  EXPECT_EQ(node_of_port("0000:3b:00.0", facts), 1);
  EXPECT_EQ(node_of_port("0000:3b:00.1", facts), std::nullopt);
  EXPECT_EQ(node_of_port("netdev:eth2", facts), 0);
  EXPECT_EQ(node_of_port("netdev:br0", facts), std::nullopt);
  EXPECT_EQ(node_of_port("model", facts), std::nullopt);
}

LcoreHealth on(std::optional<int> node) {
  LcoreHealth lcore;
  lcore.node = node;
  return lcore;
}

TEST(NumaKnob, ComparesWhereMemoryAndLcoresReallyWere) {
  const auto state = [](NumaPlacement numa, std::optional<int> memory, std::vector<int> pool,
                        std::vector<LcoreHealth> lcores) {
    const Knob knob = numa_knob(numa, memory, pool, lcores);
    EXPECT_EQ(knob.requested, name_of(numa));
    EXPECT_EQ(knob.exercised, knob.state == KnobState::confirmed);
    EXPECT_EQ(knob.requested == knob.effective, knob.state == KnobState::confirmed);
    return knob.state;
  };
  EXPECT_EQ(state(kLocal, 0, {0}, {on(0), on(0)}), KnobState::confirmed);
  EXPECT_EQ(state(kLocal, {}, {1}, {on(1)}), KnobState::confirmed);
  EXPECT_EQ(state(kRemote, 0, {0}, {on(1), on(2)}), KnobState::confirmed);
  EXPECT_EQ(state(kLocal, 1, {0}, {on(0)}), KnobState::differs) << "not where it was bound";
  EXPECT_EQ(state(kLocal, 0, {0, 1}, {on(0)}), KnobState::differs) << "spread";
  EXPECT_EQ(state(kRemote, 0, {0, 1}, {on(2)}), KnobState::differs) << "spread";
  EXPECT_EQ(state(kLocal, 0, {0}, {on(0), on(1)}), KnobState::differs);
  EXPECT_EQ(state(kRemote, 0, {0}, {on(1), on(0)}), KnobState::differs);
  // Not told is neither.
  EXPECT_EQ(state(kLocal, 0, {}, {on(0)}), KnobState::unverifiable);
  EXPECT_EQ(state(kLocal, 0, {0}, {}), KnobState::unverifiable);
  EXPECT_EQ(state(kLocal, 0, {0}, {on(0), on({})}), KnobState::unverifiable);
  EXPECT_EQ(state(kRemote, 0, {0}, {on(1), on({})}), KnobState::unverifiable);
  EXPECT_EQ(state(kLocal, 0, {0}, {on(1), on({})}), KnobState::differs);
  EXPECT_EQ(numa_knob(kLocal, 0, {0, 1}, std::vector{on(2)}).effective,
            "mbuf pool on nodes 0 and 1, receiving lcores on node 2");
}

TEST(NumaTopology, HasTheCpusOfThisProcessThePreferredFirst) {
  const std::vector<int> allowed = allowed_cpus();
  EXPECT_TRUE(std::ranges::is_permutation(numa_topology().cpus, allowed));
}

TEST(NodesOfPages, AreTheOnesThatMemoryWasBoundTo) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory =
      mmap(nullptr, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* bytes = static_cast<char*>(memory);
  std::vector<void*> inside{bytes + 8, bytes + 3 * page + 100};
  EXPECT_THAT(nodes_of_pages(inside), IsEmpty()) << "never touched";
  const auto node = node_of_this_thread();
  bytes[0] = 1;
  bytes[3 * page] = 1;
  if (node) {
    const auto bound = bind_memory(memory, 8 * page, *node);
    ASSERT_TRUE(bound) << bound.error().text();
    EXPECT_THAT(nodes_of_pages(inside), ElementsAre(*node));
  } else {
    EXPECT_THAT(nodes_of_pages(inside), IsEmpty()) << "the kernel tells no nodes";
  }
  for (const int absent : {-1, 1023, 1 << 20})
    EXPECT_FALSE(bind_memory(memory, 8 * page, absent)) << absent;
  munmap(memory, 8 * page);
}

}  // namespace
}  // namespace pollmark
