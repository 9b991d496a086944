#include "host/drop_reasons.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "frame_gun.h"
#include "host/drop_program.h"
#include "host/drop_trace.h"
#include "host/netlink.h"
#include "host/privilege.h"
#include "kernel/veth_lab.h"
#include "network_lab.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kFrames = 400;

Result<VethLab> make_lab() { return VethLab::create(veth_order(Path::udp_socket)); }

void shoot(const VethLab& lab, std::int64_t frames) {
  FrameGun gun({.frames = frames, .pps = 0}, lab.sender_place());
  ASSERT_TRUE(gun.open());
  ASSERT_TRUE(gun.join());
}

std::int64_t pkts_of(const DropReading& reading, const std::string& reason) {
  std::int64_t pkts = 0;
  for (const auto& [place, count] : reading.places) {
    if (place.reason == reason) pkts += count.pkts;
  }
  return pkts;
}

class DropReasonsByBpf : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text();
    if (auto needed = need_capability("CAP_BPF"); !needed) GTEST_SKIP() << needed.error().text();
    auto lab = make_lab();
    ASSERT_TRUE(lab) << lab.error().text();
    lab_.emplace(*std::move(lab));
  }

  std::unique_ptr<DropTable> watch(const NetdevPlace& place, bool by_flow = false) {
    auto table = start_drop_program({.netns_fds = {place.netns_fd}, .by_flow = by_flow});
    EXPECT_TRUE(table) << table.error().text();
    return table ? *std::move(table) : nullptr;
  }

  std::optional<VethLab> lab_;
};

TEST_F(DropReasonsByBpf, NameNamespaceDeviceReasonAndFunctionOfEachPacket) {
  const auto table = watch(lab_->receiver_place());
  ASSERT_TRUE(table);
  shoot(*lab_, kFrames);
  const auto reading = table->read();
  ASSERT_TRUE(reading) << reading.error().text();
  EXPECT_EQ(pkts_of(*reading, "NO_SOCKET"), kFrames);
  EXPECT_EQ(reading->unseen_pkts, 0);
  EXPECT_FALSE(reading->flows);
  struct stat netns {};
  ASSERT_EQ(fstat(lab_->receiver_place().netns_fd, &netns), 0);
  const auto found = std::ranges::find_if(
      reading->places, [](const auto& entry) { return entry.first.reason == "NO_SOCKET"; });
  ASSERT_NE(found, reading->places.end());
  EXPECT_EQ(found->first.netns, netns.st_ino);
  EXPECT_EQ(found->first.netdev, "b0");
  EXPECT_EQ(found->first.ethertype, 0x0800);
  EXPECT_EQ(found->first.direction, DropDirection::in);
  EXPECT_NE(found->first.function.find("udp"), std::string::npos) << found->first.function;
  EXPECT_EQ(found->second.segments, kFrames);
}

TEST_F(DropReasonsByBpf, OfWhatLeavesAreOnTheirWayOut) {
  const auto table = watch(lab_->sender_place());
  ASSERT_TRUE(table);
  auto netlink = Netlink::open(lab_->sender_place().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_tbf("a0", 1'000, 2000, 3000));
  shoot(*lab_, kFrames);
  const auto reading = table->read();
  ASSERT_TRUE(reading);
  EXPECT_GT(pkts_of(*reading, "QDISC_DROP"), 0);
  for (const auto& [place, count] : reading->places) {
    if (place.reason == "QDISC_DROP") {
      EXPECT_EQ(place.direction, DropDirection::out);
    }
  }
}

TEST_F(DropReasonsByBpf, OfEveryCpuAreSummed) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  const auto table = watch(lab_->receiver_place());
  ASSERT_TRUE(table);
  int cpus = 0;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    shoot(*lab_, kFrames);
    ++cpus;
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof allowed, &allowed), 0);
  const auto reading = table->read();
  ASSERT_TRUE(reading);
  EXPECT_EQ(pkts_of(*reading, "NO_SOCKET"), cpus * kFrames);
}

TEST_F(DropReasonsByBpf, OfAnotherNamespaceAreNotCounted) {
  const auto table = watch(lab_->sender_place());
  ASSERT_TRUE(table);
  shoot(*lab_, kFrames);
  const auto reading = table->read();
  ASSERT_TRUE(reading);
  EXPECT_EQ(pkts_of(*reading, "NO_SOCKET"), 0);
}

TEST_F(DropReasonsByBpf, OfEveryNamespaceAreCountedWhereNoneIsChosen) {
  const auto reasons = start_drop_program({});
  ASSERT_TRUE(reasons) << reasons.error().text();
  shoot(*lab_, kFrames);
  const auto reading = (*reasons)->read();
  ASSERT_TRUE(reading);
  EXPECT_GE(pkts_of(*reading, "NO_SOCKET"), kFrames);
}

TEST_F(DropReasonsByBpf, EachFlowHasItsOwnCount) {
  const auto table = watch(lab_->receiver_place(), /*by_flow=*/true);
  ASSERT_TRUE(table);
  shoot(*lab_, kFrames);
  const auto reading = table->read();
  ASSERT_TRUE(reading);
  ASSERT_TRUE(reading->flows);
  std::map<std::string, std::int64_t> sources;
  for (const auto& [flow, count] : *reading->flows) {
    if (flow.reason != "NO_SOCKET") continue;
    EXPECT_EQ(flow.ip_protocol, 17);
    EXPECT_EQ(flow.destination, "198.18.0.2:9");
    sources[flow.source] += count.pkts;
  }
  EXPECT_EQ(sources.size(), 8U);
  EXPECT_EQ(sources["198.19.0.1:1024"], kFrames / 8);
  EXPECT_EQ(sources["198.19.0.8:1031"], kFrames / 8);
}

TEST(DropReasons, SayWhatIsMissingWhereNeitherSourceCanBeHad) {
  if (has_capability("CAP_BPF")) {
    const auto reasons = DropReasons::start({});
    ASSERT_TRUE(reasons) << reasons.error().text();
    EXPECT_EQ(reasons->source(), DropSource::bpf);
    EXPECT_EQ(reasons->why_not_bpf(), "");
    return;
  }
  const auto reasons = DropReasons::start({});
  if (reasons) {
    EXPECT_EQ(reasons->source(), DropSource::tracefs);
    EXPECT_EQ(reasons->why_not_bpf(), "BPF: needs CAP_BPF and CAP_PERFMON");
  } else {
    EXPECT_EQ(reasons.error().code, Errc::host_cannot);
    EXPECT_TRUE(reasons.error().what.starts_with("BPF: ")) << reasons.error().what;
    EXPECT_NE(reasons.error().what.find("; tracefs: "), std::string::npos);
  }
}

// tracefs, mounted in a mount namespace of this process's own.
class DropReasonsByTracefs : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text();
    ASSERT_EQ(unshare(CLONE_NEWNS), 0) << std::strerror(errno);
    const int made_private = mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    // In a chroot "/" need not be a mount: then what is mounted here is seen outside until
    // TearDown.
    ASSERT_TRUE(made_private == 0 || errno == EINVAL) << std::strerror(errno);
    private_ = made_private == 0;
    folder_ = fs::temp_directory_path() / fmt::format("pollmark-tracefs-{}", getpid());
    fs::create_directory(folder_);
  }
  void TearDown() override {
    if (folder_.empty()) return;
    umount2(folder_.c_str(), MNT_DETACH);
    std::error_code error;
    fs::remove(folder_, error);
  }

  void mount_tracefs() {
    if (mount("pollmark-test", folder_.c_str(), "tracefs", 0, nullptr) != 0) {
      GTEST_SKIP() << "needs tracefs";
    }
  }
  [[nodiscard]] static bool is_mounted() {
    std::ifstream mounts("/proc/thread-self/mounts");
    for (std::string line; std::getline(mounts, line);) {
      if (line.find(" tracefs ") != std::string::npos) return true;
    }
    return false;
  }
  [[nodiscard]] fs::path instance(pid_t pid) const {
    return folder_ / "instances" / fmt::format("pollmark-{}", pid);
  }

  fs::path folder_;
  bool private_ = false;
};

TEST_F(DropReasonsByTracefs, TellReasonAndFunctionAndLeaveNothingBehind) {
  mount_tracefs();
  if (IsSkipped()) return;
  const auto lab = make_lab();
  ASSERT_TRUE(lab);
  {
    const auto table = start_drop_trace();
    ASSERT_TRUE(table) << table.error().text();
    EXPECT_TRUE(fs::exists(instance(getpid())));
    shoot(*lab, kFrames);
    auto reading = (*table)->read();
    ASSERT_TRUE(reading) << reading.error().text();
    // Of the whole host: others may have lost packets too.
    EXPECT_GE(pkts_of(*reading, "NO_SOCKET"), kFrames);
    EXPECT_EQ(reading->unseen_pkts, 0);
    EXPECT_FALSE(reading->flows);
    const std::int64_t before = pkts_of(*reading, "NO_SOCKET");
    shoot(*lab, kFrames);
    reading = (*table)->read();
    ASSERT_TRUE(reading);
    EXPECT_GE(pkts_of(*reading, "NO_SOCKET"), before + kFrames);
  }
  EXPECT_FALSE(fs::exists(instance(getpid())));
}

TEST_F(DropReasonsByTracefs, WhatTheBuffersLostIsUnattributedAndNotForgotten) {
  mount_tracefs();
  if (IsSkipped()) return;
  const auto lab = make_lab();
  ASSERT_TRUE(lab);
  const auto table = start_drop_trace();
  ASSERT_TRUE(table) << table.error().text();
  constexpr std::int64_t kMoreThanFit = 60'000;
  shoot(*lab, kMoreThanFit);
  const auto reading = (*table)->read();
  ASSERT_TRUE(reading);
  EXPECT_GT(reading->unseen_pkts, 0);
  EXPECT_LT(pkts_of(*reading, "NO_SOCKET"), kMoreThanFit);
  EXPECT_GE(pkts_of(*reading, "NO_SOCKET") + reading->unseen_pkts, kMoreThanFit);
}

TEST_F(DropReasonsByTracefs, ADeadProcessesInstanceIsSweptAndALivingOnesStays) {
  mount_tracefs();
  if (IsSkipped()) return;
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  ASSERT_EQ(mkdir(instance(child).c_str(), 0700), 0) << std::strerror(errno);
  ASSERT_EQ(mkdir(instance(getppid()).c_str(), 0700), 0) << std::strerror(errno);
  { ASSERT_TRUE(start_drop_trace()); }
  EXPECT_FALSE(fs::exists(instance(child)));
  EXPECT_TRUE(fs::exists(instance(getppid())));
  EXPECT_EQ(rmdir(instance(getppid()).c_str()), 0);
}

TEST_F(DropReasonsByTracefs, SayWhenItIsNotMounted) {
  for (const char* place : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    while (private_ && umount2(place, MNT_DETACH) == 0) {
    }
  }
  const auto table = start_drop_trace();
  ASSERT_EQ(table.has_value(), is_mounted());
  if (table) return;
  EXPECT_EQ(table.error().text(), "tracefs: is not mounted");
}

}  // namespace
}  // namespace pollmark
