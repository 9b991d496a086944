#include <gtest/gtest.h>
#include <rte_lcore.h>
#include <unistd.h>

#include <filesystem>

#include "rig/eal.h"

namespace pollmark {
namespace {

TEST(EalStart, StartsWithoutPrivilegeOrHugepagesAndSaysThePageSize) {
  const Result<EalFacts> facts = start_eal({.memory_mib = 64, .use_hugepages = false});
  ASSERT_TRUE(facts) << facts.error().text();
  EXPECT_EQ(facts->page_size_bytes, sysconf(_SC_PAGESIZE));
  EXPECT_EQ(facts->hugepages, "not asked for");
  EXPECT_EQ(rte_lcore_count(), 1U);
  EXPECT_GT(facts->tsc_hz, 1e8);
  EXPECT_EQ(facts->dpdk_version.substr(0, 5), "DPDK ");
}

TEST(EalStart, SecondStartReturnsTheFirstOne) {
  const Result<EalFacts> first = start_eal({.memory_mib = 64, .use_hugepages = false});
  const Result<EalFacts> second = start_eal({.memory_mib = 128, .use_hugepages = true});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->memory_mib, first->memory_mib);
  EXPECT_EQ(eal_facts()->memory_mib, first->memory_mib);
}

TEST(EalStart, LeavesNoRuntimeFilesBehind) {
  ASSERT_TRUE(start_eal({.memory_mib = 64, .use_hugepages = false}));
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
