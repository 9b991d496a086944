#include <gtest/gtest.h>
#include <numaif.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "host/numa_placement.h"
#include "rig/eal.h"
#include "rig/mbuf_pool.h"

namespace pollmark {
namespace {

// The first start decides, and every test may be the first.
const EalOrder kOrder{
    .memory_mib = 64, .memory_node = node_of_this_thread().value_or(-1), .use_hugepages = false};

TEST(EalStart, StartsWithoutPrivilegeOrHugepagesAndSaysThePageSize) {
  const Result<EalFacts> facts = start_eal(kOrder);
  ASSERT_TRUE(facts) << facts.error().text();
  EXPECT_EQ(facts->page_size_bytes, sysconf(_SC_PAGESIZE));
  EXPECT_EQ(facts->hugepages, "not asked for");
  EXPECT_EQ(rte_lcore_count(), 1U);
  EXPECT_GT(facts->tsc_hz, 1e8);
  EXPECT_EQ(facts->dpdk_version.substr(0, 5), "DPDK ");
}

TEST(EalStart, MemoryLiesOnTheNodeItIsBoundTo) {
  const auto facts = start_eal(kOrder);
  ASSERT_TRUE(facts) << facts.error().text();
  if (kOrder.memory_node < 0) {
    EXPECT_EQ(facts->memory_node, std::nullopt);
    EXPECT_EQ(memory_socket(), SOCKET_ID_ANY);
    return;
  }
  EXPECT_EQ(facts->memory_node, kOrder.memory_node);
  EXPECT_EQ(memory_socket(), kOrder.memory_node);
  rte_mempool* pool = create_mbuf_pool("placed", 9000, 0, 2048);
  ASSERT_NE(pool, nullptr);
  EXPECT_EQ(nodes_of_pool(*pool), std::vector<int>{kOrder.memory_node});
  // Bound, not only there by chance: the policy of an address in the pool.
  int mode = 0;
  unsigned long nodes[16] = {};
  ASSERT_EQ(get_mempolicy(&mode, nodes, 8 * sizeof nodes, pool, MPOL_F_ADDR), 0);
  EXPECT_EQ(mode, MPOL_BIND);
  EXPECT_EQ(nodes[0], 1UL << kOrder.memory_node);
  rte_mempool_free(pool);
}

TEST(EalStart, SecondStartReturnsTheFirstOne) {
  const Result<EalFacts> first = start_eal(kOrder);
  const Result<EalFacts> second = start_eal({.memory_mib = 128, .use_hugepages = true});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->memory_mib, first->memory_mib);
  EXPECT_EQ(eal_facts()->memory_mib, first->memory_mib);
}

TEST(EalStart, LeavesNoRuntimeFilesBehind) {
  ASSERT_TRUE(start_eal(kOrder));
  const std::string mine = "pollmark-" + std::to_string(getpid());
  for (const char* place : {"/var/run/dpdk", "/tmp/dpdk", "/dev/hugepages", "/dev/shm"}) {
    std::error_code unreadable;  // another user's folder: not ours either
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(place) / mine, unreadable)) << place;
  }
}

}  // namespace
}  // namespace pollmark

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
