#include "host/facts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace pollmark {
namespace {

namespace fs = std::filesystem;

// A small copy of what a two-socket host with one bnxt port and one bridge shows.
class FakeHost : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("pollmark_host_" + std::to_string(getpid()));
    write("proc/cpuinfo",
          "processor : 0\nmodel name : Testium 9\nphysical id : 0\ncore id : 0\nflags : fpu sse\n"
          "processor : 1\nmodel name : Testium 9\nphysical id : 1\ncore id : 0\nflags : fpu sse\n"
          "processor : 2\nmodel name : Testium 9\nphysical id : 1\ncore id : 0\nflags : fpu sse\n");
    write("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 10 kB\n");
    write("proc/loadavg", "1.25 0.5 0.1 1/2 3\n");
    write("proc/stat", "cpu0 0 0 0 75 0 0 0 25 0 0\n");
    write("proc/sys/kernel/osrelease", "6.1.0-test\n");
    write("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "4\n");
    write("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
    write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
    write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "500\n");
    write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
    write("sys/devices/system/cpu/isolated", "2-3,8\n");
    const fs::path nic = "sys/bus/pci/devices/0000:3b:00.0";
    write(nic / "class", "0x020000\n");
    write(nic / "vendor", "0x14e4\n");
    write(nic / "device", "0x1751\n");
    write(nic / "numa_node", "1\n");
    fs::create_directories(root_ / nic / "net/eth2");
    write("sys/bus/pci/devices/0000:00:01.0/class", "0x010000\n");
    fs::create_directories(root_ / "sys/bus/pci/drivers/bnxt_en");
    fs::create_symlink("../../drivers/bnxt_en", root_ / nic / "driver");
    fs::create_symlink("../../../pci", root_ / nic / "subsystem");
    write("sys/class/net/eth2/address", "00:0a:f7:00:00:01\n");
    write("sys/class/net/eth2/mtu", "9000\n");
    write("sys/class/net/eth2/operstate", "up\n");
    write("sys/class/net/eth2/speed", "100000\n");
    fs::create_symlink("../../../bus/pci/devices/0000:3b:00.0",
                       root_ / "sys/class/net/eth2/device");
    write("sys/class/net/br0/speed", "-1\n");
    write("sys/class/net/br0/operstate", "down\n");
    facts_ = read_host_facts(root_.string());
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
  HostFacts facts_;
};

TEST_F(FakeHost, CoresAreCountedPerSocketAndNotPerThread) {
  EXPECT_EQ(facts_.cpu.model, "Testium 9");
  EXPECT_EQ(facts_.cpu.logical_cpus, 3);
  EXPECT_EQ(facts_.cpu.cores, 2);
  EXPECT_FALSE(facts_.cpu.hypervisor);
  EXPECT_EQ(facts_.cpu.governor, "performance");
  EXPECT_EQ(facts_.cpu.isolated, (std::vector{2, 3, 8}));
}

TEST_F(FakeHost, HugepagesAreListedPerSizeWithTheirFreeCount) {
  ASSERT_EQ(facts_.hugepages.size(), 2U);
  EXPECT_EQ(facts_.hugepages[0].page_size_bytes, 2 * 1024 * 1024);
  EXPECT_EQ(facts_.hugepages[0].total, 512);
  EXPECT_EQ(facts_.hugepages[0].free, 500);
  EXPECT_EQ(facts_.hugepages[1].page_size_bytes, 1024LL * 1024 * 1024);
  EXPECT_EQ(facts_.hugepages[1].free, 1);
}

TEST_F(FakeHost, LoadAndStealComeAsFractions) {
  EXPECT_DOUBLE_EQ(facts_.load.load_average_1min, 1.25);
  ASSERT_TRUE(facts_.load.steal_fraction);
  EXPECT_DOUBLE_EQ(*facts_.load.steal_fraction, 0.25);
  EXPECT_EQ(facts_.memory_bytes, 1000 * 1024);
  EXPECT_EQ(facts_.kernel, "6.1.0-test");
}

TEST_F(FakeHost, NetdevOnPciShowsDriverSpeedAndNode) {
  ASSERT_EQ(facts_.netdevs.size(), 2U);
  const auto& nic = facts_.netdevs[1];
  EXPECT_EQ(nic.netdev, "eth2");
  EXPECT_EQ(nic.driver, "bnxt_en");
  EXPECT_EQ(nic.pci_address, "0000:3b:00.0");
  EXPECT_EQ(nic.mtu, 9000);
  EXPECT_TRUE(nic.up);
  EXPECT_EQ(nic.speed_bps, 100'000'000'000);
  EXPECT_EQ(nic.numa_node, 1);
}

TEST_F(FakeHost, SpeedThatIsNotToldIsAbsentAndNotZero) {
  const auto& bridge = facts_.netdevs[0];
  EXPECT_EQ(bridge.netdev, "br0");
  EXPECT_EQ(bridge.speed_bps, std::nullopt);
  EXPECT_EQ(bridge.numa_node, std::nullopt);
  EXPECT_TRUE(bridge.driver.empty());
  EXPECT_FALSE(bridge.up);
}

TEST_F(FakeHost, OnlyNetworkControllersAreNics) {
  ASSERT_EQ(facts_.pci_nics.size(), 1U);
  EXPECT_EQ(facts_.pci_nics[0].pci_address, "0000:3b:00.0");
  EXPECT_EQ(facts_.pci_nics[0].driver, "bnxt_en");
  EXPECT_EQ(facts_.pci_nics[0].netdevs, std::vector<std::string>{"eth2"});
  EXPECT_EQ(facts_.pci_nics[0].numa_node, 1);
}

TEST(ThisHost, HasACpuAndAKernel) {
  const auto facts = read_host_facts();
  EXPECT_GE(facts.cpu.logical_cpus, 1);
  EXPECT_FALSE(facts.cpu.model.empty());
  EXPECT_FALSE(facts.kernel.empty());
  EXPECT_EQ(static_cast<int>(facts.cpu.node_of_cpu.size()),
            facts.cpu.numa_nodes > 0 ? facts.cpu.logical_cpus : 0);
}

TEST(NoHost, EmptyTreeGivesAbsentFactsAndDoesNotFail) {
  const auto facts = read_host_facts("/nonexistent_root");
  EXPECT_EQ(facts.cpu.logical_cpus, 0);
  EXPECT_EQ(facts.load.steal_fraction, std::nullopt);
  EXPECT_TRUE(facts.netdevs.empty());
}

}  // namespace
}  // namespace pollmark
