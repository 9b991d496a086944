// Every kind of setting that a veth has, turned and put back: by hand, by the guardian after
// kill -9 at any moment, and by a fresh process when the guardian was killed too. In namespaces of
// the test's own; settings of the whole host in a tree of files in place of /proc and /sys.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "host/file_text.h"
#include "host/journal.h"
#include "host/netlink.h"
#include "host/privilege.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Turned {
  Setting setting;
  std::vector<std::string> values;  // none is the first reading
};

// All that can be turned on a veth and in its namespace.
const std::vector<Turned>& turned_on_veth() {
  static const std::vector<Turned> kAll = [] {
    std::vector<Turned> all;
    const auto of_device = [&](SettingKind kind, const std::string& name,
                               std::vector<std::string> values) {
      all.push_back({{kind, name, "a0"}, std::move(values)});
    };
    of_device(SettingKind::channels, "rx", {"2"});
    of_device(SettingKind::feature, "tx-tcp-segmentation", {"off", "on"});
    of_device(SettingKind::feature, "tx-udp-segmentation", {"off", "on"});
    of_device(SettingKind::feature, "tx-generic-segmentation", {"off", "on"});
    of_device(SettingKind::feature, "tx-checksum-ip-generic", {"off", "on"});
    of_device(SettingKind::feature, "rx-gro", {"off", "on"});
    of_device(SettingKind::feature, "rx-gro-list", {"on", "off"});
    of_device(SettingKind::feature, "rx-udp-gro-forwarding", {"on", "off"});
    of_device(SettingKind::netdev, "mtu", {"1400", "9000"});
    of_device(SettingKind::netdev, "tx_queue_len", {"77", "500"});
    of_device(SettingKind::netdev, "gro_flush_timeout", {"20000", "1"});
    of_device(SettingKind::netdev, "napi_defer_hard_irqs", {"2", "7"});
    of_device(SettingKind::netdev, "threaded", {"0", "1"});  // needs rx-gro
    of_device(SettingKind::netdev, "queues/rx-0/rps_cpus", {"1"});
    of_device(SettingKind::netdev, "queues/rx-0/rps_flow_cnt", {"256"});
    of_device(SettingKind::qdisc, "root",
              {"pfifo 50", "tbf 100 Mbps 32000 B 256 KiB", "htb 1 Gbps 50"});
    const auto of_netns = [&](const std::string& name, std::vector<std::string> values) {
      all.push_back({{SettingKind::sysctl, "net." + name, ""}, std::move(values)});
    };
    of_netns("ipv4.tcp_rmem", {"4096 65536 1048576"});
    of_netns("ipv4.tcp_wmem", {"4096 65536 1048576"});
    of_netns("ipv4.tcp_congestion_control", {"reno"});
    of_netns("ipv4.tcp_syncookies", {"0", "2"});
    of_netns("ipv4.tcp_max_syn_backlog", {"77"});
    of_netns("core.somaxconn", {"77"});
    return all;
  }();
  return kAll;
}

const std::vector<Turned>& turned_on_host() {
  static const std::vector<Turned> kAll = [] {
    std::vector<Turned> all;
    for (const char* name : {"netdev_budget", "netdev_max_backlog", "busy_poll", "rmem_max"}) {
      all.push_back({{SettingKind::sysctl, std::string("net.core.") + name, ""}, {"1", "22", "3"}});
    }
    return all;
  }();
  return kAll;
}

// A guardian is another process: wait for it, at most 20 s.
template <typename Condition>
bool comes_true_soon(Condition condition) {
  for (int i = 0; i < 4000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

class PutBack : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text();
    std::string name = fs::temp_directory_path() / "pollmark-put-back-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    base_ = name;
    for (const Turned& each : turned_on_host()) {
      std::string path = each.setting.name;
      std::ranges::replace(path, '.', '/');
      fs::create_directories((base_ / "proc/sys" / path).parent_path());
      std::ofstream(base_ / "proc/sys" / path) << "300\n";
    }
    auto netns = Netns::make_anonymous();
    ASSERT_TRUE(netns) << netns.error().text();
    netns_ = std::move(*netns);
    lab_ = netns_held(netns_.fd());
    auto netlink = Netlink::open(netns_.fd());
    ASSERT_TRUE(netlink && netlink->add_veth({.netdev = "a0",
                                              .peer = "b0",
                                              .mac = {2, 0, 0, 0, 0, 1},
                                              .peer_mac = {2, 0, 0, 0, 0, 2}}));
    ASSERT_TRUE(netlink->set_up("a0") && netlink->set_up("b0"));
  }
  void TearDown() override {
    if (!base_.empty()) fs::remove_all(base_);
  }

  [[nodiscard]] fs::path state() const { return base_ / "state"; }
  // Held by the test, which outlives the processes that it kills.
  [[nodiscard]] const NetnsHolder& lab() const { return lab_; }

  // Everything as it reads, also what nobody turns but what another setting takes along.
  [[nodiscard]] std::string readings() const {
    std::string text;
    const auto add = [&](const Setting& setting, const SettingGround& ground) {
      const auto reading = read_setting(setting, ground);
      EXPECT_TRUE(reading) << reading.error().text();
      if (!reading) return;
      text += setting.text() + " " + reading->requested + " " + reading->effective + "\n";
    };
    for (const Turned& each : turned_on_veth()) add(each.setting, {netns_.fd(), ""});
    for (const Turned& each : turned_on_host()) add(each.setting, {-1, base_});
    return text;
  }

  // Turns settings at random until it is killed.
  [[noreturn]] void turn_for_ever(int ready_fd, unsigned seed) const {
    std::mt19937 random(seed);
    auto on_veth = Journal::open({.folder = state(), .command = "turns knobs"});
    auto on_host = Journal::open({.folder = state(), .command = "turns knobs", .root = base_});
    if (!on_veth || !on_host) _exit(1);
    (void)!write(ready_fd, "r", 1);
    for (;;) {
      const bool host = random() % 4 == 0;
      const auto& all = host ? turned_on_host() : turned_on_veth();
      const Turned& each = all[random() % all.size()];
      const auto changed = (host ? on_host : on_veth)
                               ->change(each.setting, host ? netns_held(-1) : lab(),
                                        each.values[random() % each.values.size()]);
      // A thread in place of a softirq is refused while there is no NAPI.
      if (!changed && each.setting.name != "threaded") {
        std::fprintf(stderr, "%s\n", changed.error().text().c_str());
        _exit(2);
      }
    }
  }

  pid_t start(unsigned seed) const {
    std::array<int, 2> ready{};
    EXPECT_EQ(pipe2(ready.data(), O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0) {
      std::signal(SIGTERM, SIG_DFL);
      turn_for_ever(ready[1], seed);
    }
    close(ready[1]);
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
  }

  fs::path base_;
  Netns netns_;
  NetnsHolder lab_;
};

// Processes other than this one that have the file open.
std::vector<pid_t> holders_of(const fs::path& file) {
  std::vector<pid_t> holders;
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc")) {
    const std::string name = process.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    for (fs::directory_iterator fd(process.path() / "fd", error), end; !error && fd != end;
         fd.increment(error)) {
      std::error_code gone;
      if (fs::read_symlink(fd->path(), gone) == file) holders.push_back(std::stoi(name));
    }
  }
  return holders;
}

TEST_F(PutBack, EverySettingOfAVethIsTurnedReadBackAndPutBack) {
  const std::string before = readings();
  const Setting gro{SettingKind::feature, "rx-gro", "a0"};
  for (const Turned& each : turned_on_veth()) {
    for (const std::string& value : each.values) {
      auto journal = Journal::open({.folder = state(), .command = "a test"});
      ASSERT_TRUE(journal) << journal.error().text();
      if (each.setting.name == "threaded") {
        ASSERT_TRUE(journal->change(gro, lab(), "on"));
      }
      const auto now = journal->change(each.setting, lab(), value);
      ASSERT_TRUE(now) << now.error().text();
      EXPECT_EQ(now->requested, value) << each.setting.text();
      EXPECT_EQ(now->effective, value) << each.setting.text();
      EXPECT_THAT(journal->put_back(), IsEmpty());
      EXPECT_EQ(readings(), before);
    }
  }
}

TEST_F(PutBack, AllTurnedAtOnceGoBackAsTheyWere) {
  const std::string before = readings();
  auto journal = Journal::open({.folder = state(), .command = "a test"});
  ASSERT_TRUE(journal) << journal.error().text();
  for (const Turned& each : turned_on_veth()) {
    const auto now = journal->change(each.setting, lab(), each.values.back());
    ASSERT_TRUE(now) << now.error().text();
  }
  EXPECT_NE(readings(), before);
  EXPECT_THAT(journal->put_back(), IsEmpty());
  EXPECT_EQ(readings(), before);
}

TEST_F(PutBack, AFeatureThatWentAlongComesBackAlong) {
  const Setting csum{SettingKind::feature, "tx-checksum-ip-generic", "a0"};
  const Setting tso{SettingKind::feature, "tx-tcp-segmentation", "a0"};
  auto journal = Journal::open({.folder = state(), .command = "a test"});
  ASSERT_TRUE(journal) << journal.error().text();
  ASSERT_TRUE(journal->change(csum, lab(), "off"));
  const auto along = read_setting(tso, {netns_.fd(), ""});
  EXPECT_EQ(*along, (SettingReading{"on", "off"}));
  EXPECT_THAT(journal->put_back(), IsEmpty());
  EXPECT_EQ(*read_setting(tso, {netns_.fd(), ""}), (SettingReading{"on", "on"}));
}

TEST_F(PutBack, WhatTheDriverRefusesIsSaidInItsWords) {
  const auto words_of = [&](const Setting& setting, const std::string& value) {
    auto journal = Journal::open({.folder = state(), .command = "a test"});
    const auto now = journal->change(setting, lab(), value);
    return now ? "took " + value : now.error().text();
  };
  EXPECT_EQ(words_of({SettingKind::ring, "rx", "a0"}, "512"),
            "a0 ring rx: ethtool: Operation not supported");
  EXPECT_EQ(words_of({SettingKind::coalesce, "rx_usecs", "a0"}, "5"),
            "a0 coalesce rx_usecs: ethtool: Operation not supported");
  EXPECT_THAT(words_of({SettingKind::channels, "rx", "a0"}, "4096"), HasSubstr("a0 channels rx: "));
  EXPECT_THAT(words_of({SettingKind::feature, "rx-lro", "a0"}, "on"), HasSubstr("a0 feature"));
  EXPECT_THAT(words_of({SettingKind::netdev, "mtu", "a0"}, "70000"), HasSubstr("a0 mtu: Invalid"));
  EXPECT_THAT(words_of({SettingKind::netdev, "mtu", "c0"}, "1400"), HasSubstr("c0 mtu: No such"));
  EXPECT_THAT(words_of({SettingKind::sysctl, "net.ipv4.tcp_congestion_control", ""}, "nonesuch"),
              HasSubstr("net.ipv4.tcp_congestion_control: "));
  EXPECT_THAT(words_of({SettingKind::irq, "999999", ""}, "0"), HasSubstr("irq 999999: No such"));
}

TEST_F(PutBack, ADeviceThatVanishedMidwayLeavesNothingToPutBack) {
  auto journal = Journal::open({.folder = state(), .command = "a test"});
  ASSERT_TRUE(journal->change({SettingKind::netdev, "mtu", "a0"}, lab(), "1400"));
  ASSERT_TRUE(journal->change({SettingKind::sysctl, "net.core.somaxconn", ""}, lab(), "77"));
  ASSERT_TRUE(Netlink::open(netns_.fd())->remove("a0"));
  EXPECT_THAT(journal->put_back(), IsEmpty());
  EXPECT_NE(
      read_setting({SettingKind::sysctl, "net.core.somaxconn", ""}, {netns_.fd(), ""})->effective,
      "77");
}

TEST_F(PutBack, ANamespaceThatVanishedMidwayLeavesNothingToPutBack) {
  auto journal = Journal::open({.folder = state(), .command = "a test"});
  ASSERT_TRUE(journal->change({SettingKind::netdev, "mtu", "a0"}, lab(), "1400"));
  netns_ = Netns();
  EXPECT_THAT(journal->put_back(), IsEmpty());
  EXPECT_THAT(journals_in(state()), IsEmpty());
}

TEST_F(PutBack, KilledAtFiftyRandomMomentsAllIsAsBefore) {
  const std::string before = readings();
  std::mt19937 random(20261127);
  int restored = 0;
  for (int i = 0; i < 50; ++i) {
    const pid_t child = start(static_cast<unsigned>(random()));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
    kill(child, i % 5 == 4 ? SIGTERM : SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child itself gave up: " << WEXITSTATUS(status);
    ASSERT_TRUE(comes_true_soon([&] { return journals_in(state()).empty(); }));
    const std::string after = readings();
    EXPECT_EQ(after, before);
    restored += after == before ? 1 : 0;
  }
  EXPECT_EQ(restored, 50);
}

TEST_F(PutBack, AFreshProcessRestoresWhenTheGuardianDiedToo) {
  const std::string before = readings();
  std::mt19937 random(7);
  for (int i = 0; i < 5; ++i) {
    const pid_t child = start(static_cast<unsigned>(random()));
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 30));
    const auto journals = journals_in(state());
    ASSERT_EQ(journals.size(), 2U);
    kill(child, SIGSTOP);
    for (const fs::path& journal : journals) {
      for (const pid_t holder : holders_of(journal)) {
        if (holder != child) kill(holder, SIGKILL);
      }
    }
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_NE(readings(), before);
    for (const fs::path& journal : journals) {
      ASSERT_TRUE(comes_true_soon([&] { return holders_of(journal).empty(); }));
      const auto text = read_journal(journal);
      const bool of_host = text && !text->entries.empty() && text->entries[0].netns.path.empty();
      const auto restored = restore_journal(journal, of_host ? base_ : "");
      ASSERT_TRUE(restored) << restored.error().text();
      EXPECT_FALSE(restored->in_use);
      EXPECT_THAT(restored->differences, IsEmpty());
    }
    EXPECT_EQ(readings(), before);
    EXPECT_THAT(journals_in(state()), IsEmpty());
  }
}

}  // namespace
}  // namespace pollmark
