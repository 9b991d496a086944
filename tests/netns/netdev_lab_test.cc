// Devices of a host that is a namespace of the test's own: lent, and home again as they were.
#include "kernel/netdev_lab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "host/ethtool.h"
#include "host/netdev_home.h"
#include "host/netlink.h"
#include "host/privilege.h"
#include "host/setting.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kSetUp =
    "ip link add t0 type veth peer name t1 && ip link set t0 mtu 1700 txqueuelen 77 group 7 && "
    "ip link set t1 mtu 1700 && ip link set t0 up && ip link set t1 up promisc on && "
    "ip addr add 192.0.2.7/24 brd 192.0.2.255 dev t0 && ip addr add 192.0.2.8/24 dev t0 && "
    "ip addr add 192.0.2.9/32 dev t0 valid_lft 3600 preferred_lft 1800 && "
    "ip addr add 2001:db8::7/64 dev t0 nodad && "
    "ip neigh add 192.0.2.20 lladdr 02:00:00:00:00:20 nud permanent dev t0 && "
    "ip route add 198.51.100.0/24 via 192.0.2.1 dev t0 metric 55 && "
    "ip route add 198.51.101.0/24 dev t0 table 77 scope link && "
    "tc qdisc add dev t0 root pfifo limit 33 && ethtool -K t0 tso off && "
    "echo 2 > /proc/sys/net/ipv4/conf/t0/rp_filter";

class NetdevsOfAHost : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text();
    std::string name = fs::temp_directory_path() / "pollmark-netdevs-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    base_ = name;
    auto netns = Netns::make_anonymous();
    ASSERT_TRUE(netns) << netns.error().text();
    host_ = std::move(*netns);
    auto inside = ScopedNetns::enter(host_.fd());
    ASSERT_TRUE(inside);
    inside_.emplace(std::move(*inside));
    run(kSetUp);
  }
  void TearDown() override {
    if (base_.empty()) return;
    // Of a test that failed.
    std::error_code error;
    for (fs::directory_iterator it(state(), error), end; !error && it != end; it.increment(error))
      if (it->path().extension() == ".netns") Netns::let_go_of(it->path());
    fs::remove_all(base_);
  }
  static void run(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  [[nodiscard]] fs::path state() const { return base_ / "state"; }
  [[nodiscard]] Journal journal() const {
    auto opened = Journal::open({.folder = state(), .command = "a test"});
    EXPECT_TRUE(opened) << opened.error().text();
    return std::move(*opened);
  }
  static std::string home(const std::string& netdev) {
    const auto text = read_netdev_home(netdev, -1);
    EXPECT_TRUE(text) << text.error().text();
    return text.value_or("");
  }
  static bool is_here(const std::string& netdev) {
    return Netlink::open(-1)->link(netdev).has_value();
  }
  [[nodiscard]] std::vector<std::string> kept_files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(state()))
      if (entry.path().extension() != "" && entry.path().extension() != ".lock")
        names.push_back(entry.path().filename());
    return names;
  }

  fs::path base_;
  Netns host_;
  std::optional<ScopedNetns> inside_;
};

struct Lent {
  NetnsHolder home;
  NetnsHolder away;
};
Lent lend(Journal& journal, const std::string& netdev) {
  Lent lent;
  auto home = journal.keep_own_netns("home");
  auto away = journal.make_netns("away");
  EXPECT_TRUE(home && away);
  if (!home || !away) return lent;
  lent = {*home, *away};
  const auto done = journal.lend(netdev, lent.home, lent.away);
  EXPECT_TRUE(done) << done.error().text();
  return lent;
}

TEST_F(NetdevsOfAHost, OneThatWasLentIsHomeAgainAsItWas) {
  const std::string before = home("t0");
  for (const char* line :
       {"link up 1", "address 192.0.2.9/32 ", " until ", "address 2001:db8::7/64",
        "route 198.51.100.0/24_table_254", "route 198.51.101.0/24_table_77", "neighbour 192.0.2.20",
        "setting qdisc root pfifo 33", "setting netdev mtu 1700", "conf ipv4/conf/rp_filter 2"})
    EXPECT_THAT(before, HasSubstr(line));
  auto lends = journal();
  const Lent lent = lend(lends, "t0");
  EXPECT_FALSE(is_here("t0"));
  EXPECT_FALSE(netdev_is_gone("t0", -1, lent.away.path));
  EXPECT_THAT(lends.put_back(), IsEmpty());
  EXPECT_THAT(home_differences(before, home("t0")), IsEmpty());
  EXPECT_THAT(kept_files(), IsEmpty());
}

TEST_F(NetdevsOfAHost, WhatWasTurnedMeanwhileGoesBackToo) {
  for (const std::string netdev : {"t0", "t1"}) {
    const std::string before = home(netdev);
    auto lends = journal();
    const Lent lent = lend(lends, netdev);
    {
      const auto away = Netns::open(lent.away.path);
      const auto inside = ScopedNetns::enter(away->fd());
      run("ip link set " + netdev + " mtu 1400 txqueuelen 9 promisc on up && ethtool -K " + netdev +
          " tx off gro on && tc qdisc replace dev " + netdev +
          " root tbf rate 9mbit burst 9k "
          "limit 9k && echo 1 > /proc/sys/net/ipv4/conf/" +
          netdev + "/rp_filter");
      const auto threaded =
          write_setting({SettingKind::netdev, "threaded", netdev}, "1", {away->fd(), ""});
      EXPECT_TRUE(threaded) << threaded.error().text();
    }
    EXPECT_THAT(lends.put_back(), IsEmpty());
    EXPECT_THAT(home_differences(before, home(netdev)), IsEmpty());
  }
}

TEST_F(NetdevsOfAHost, OneThatWasDownStaysDown) {
  run("ip link set t0 down && ip addr flush dev t0");
  auto lends = journal();
  lend(lends, "t0");
  EXPECT_THAT(lends.put_back(), IsEmpty());
  EXPECT_FALSE(Netlink::open(-1)->link("t0")->up);
}

TEST_F(NetdevsOfAHost, OneThatVanishedLeavesNothingToPutBack) {
  auto lends = journal();
  const Lent lent = lend(lends, "t0");
  ASSERT_TRUE(Netlink::open(Netns::open(lent.away.path)->fd())->remove("t0"));
  EXPECT_TRUE(netdev_is_gone("t0", -1, lent.away.path));
  EXPECT_THAT(lends.put_back(), IsEmpty());
  EXPECT_THAT(kept_files(), IsEmpty());
}

TEST_F(NetdevsOfAHost, ANameThatWasTakenMeanwhileIsSaidAndLaterPutBack) {
  const std::string before = home("t0");
  {
    auto lends = journal();
    lend(lends, "t0");
    run("ip link add t0 type veth peer name other");
    const auto differences = lends.put_back();
    ASSERT_THAT(differences, Not(IsEmpty()));
    EXPECT_THAT(differences, Contains(HasSubstr("t0 mac: was ")));
    EXPECT_THAT(differences, Contains(HasSubstr("t0 route 198.51.100.0/24_table_254: is gone")));
    EXPECT_EQ(Netlink::open(-1)->link("t0")->mtu, 1500) << "the other one is left alone";
  }
  run("ip link del t0");
  const auto journals = journals_in(state());
  ASSERT_EQ(journals.size(), 1U);
  const auto restored = restore_journal(journals[0]);
  ASSERT_TRUE(restored) << restored.error().text();
  EXPECT_THAT(restored->differences, IsEmpty());
  EXPECT_THAT(restored->gone, IsEmpty());
  EXPECT_THAT(home_differences(before, home("t0")), IsEmpty());
  EXPECT_THAT(kept_files(), IsEmpty());
}

TEST_F(NetdevsOfAHost, ADeviceIsLentToOneRunAtATime) {
  auto first = journal();
  lend(first, "t0");
  auto second = journal();
  const auto refused = second.need_netdev_free("t0");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("held by pid"));
  EXPECT_TRUE(second.need_netdev_free("t1"));
}

TEST_F(NetdevsOfAHost, WhatCouldNotBePutBackIsNotLent) {
  const auto why = [](const std::string& netdev) {
    const auto lendable = need_lendable_netdev(netdev, -1);
    return lendable ? "lendable" : lendable.error().text();
  };
  EXPECT_EQ(why("t0"), "lendable");
  EXPECT_EQ(why("t1"), "lendable");
  EXPECT_EQ(why("t9"), "t9: no such network device in this namespace");
  EXPECT_THAT(why("lo"), HasSubstr("lo: is the loopback device; allowed: "));
  run("ip addr add 203.0.113.1/24 dev t1 && ip route add 10.0.0.0/8 nexthop via 192.0.2.1 dev t0 "
      "nexthop via 203.0.113.2 dev t1");
  EXPECT_THAT(why("t1"), HasSubstr("t1: is one of several paths of the route to 10.0.0.0/8"));
  run("ip route del 10.0.0.0/8 && tc qdisc add dev t1 clsact");
  EXPECT_THAT(why("t1"), HasSubstr("t1: has ingress filters"));
  run("tc qdisc replace dev t0 root bfifo limit 9000");
  EXPECT_THAT(why("t0"), HasSubstr("was made by somebody else"));
  run("ip link add br0 type bridge && ip link set t0 master br0");
  EXPECT_THAT(why("t0"), HasSubstr("t0: is a member of br0"));
  EXPECT_THAT(why("br0"), HasSubstr("br0: joins other devices"));
  run("ip link add v0 type veth peer name v1 && ip link add link v0 name m0 type macvlan");
  EXPECT_THAT(why("v0"), HasSubstr("v0: carries m0 (macvlan)"));
  EXPECT_EQ(why("v1"), "lendable");
}

TrialOrder order_on(const std::string& from, const std::string& to, Path path) {
  TrialOrder order;
  order.path = path;
  order.clock = ClockKind::wall;
  order.generator_port = "netdev:" + from;
  order.receiver_port = "netdev:" + to;
  order.host_allow = {"netdev:t0", "netdev:t1"};
  return order;
}

TEST_F(NetdevsOfAHost, TheLabHasTheDevicesWithTheirOwnMacsAndMtus) {
  const auto own = Netlink::open(-1)->link("t1");
  const std::string before = home("t1");
  for (const Path path : {Path::udp_socket, Path::packet_mmap}) {
    const auto lends = std::make_shared<Journal>(journal());
    const auto lab = NetdevLab::create(order_on("t0", "t1", path), lends);
    ASSERT_TRUE(lab) << lab.error().text();
    EXPECT_EQ(lab->link(), LinkKind::veth_pair);
    const NetdevPlace& receiver = lab->places().receiver;
    EXPECT_EQ(receiver.netdev, "t1");
    EXPECT_EQ(receiver.mac, own->mac);
    EXPECT_EQ(receiver.mtu, 1700);
    EXPECT_EQ(lab->places().sender.frames_to_mac,
              path == Path::udp_socket ? own->mac : kLabNobodysMac);
    EXPECT_FALSE(is_here("t0"));
    EXPECT_FALSE(is_here("t1"));
  }
  EXPECT_THAT(home_differences(before, home("t1")), IsEmpty());
}

TEST_F(NetdevsOfAHost, AFrameThatNeedsMoreGetsALargerMtuForTheTrial) {
  const std::string before = home("t0");
  TrialOrder order = order_on("t0", "t1", Path::udp_socket);
  order.traffic.frame_bytes = {64, 2018};
  {
    const auto lab = NetdevLab::create(order, std::make_shared<Journal>(journal()));
    ASSERT_TRUE(lab) << lab.error().text();
    EXPECT_EQ(lab->places().sender.mtu, 2000);
    EXPECT_EQ(Netlink::open(lab->places().sender.netns_fd)->link("t0")->mtu, 2000);
  }
  EXPECT_THAT(home_differences(before, home("t0")), IsEmpty());
}

TEST_F(NetdevsOfAHost, DevicesThatNoCableJoinsAreRefusedAndHomeAgain) {
  run("ip link add s0 type veth peer name s1 && ip link set s1 up && "
      "ip link add r0 type veth peer name r1 && ip link set r1 up");
  const auto lab = NetdevLab::create(order_on("s0", "r0", Path::udp_socket),
                                     std::make_shared<Journal>(journal()));
  ASSERT_FALSE(lab);
  EXPECT_THAT(lab.error().text(), HasSubstr("a frame sent on s0 did not arrive on r0"));
  EXPECT_TRUE(is_here("s0") && is_here("r0"));
}

TEST_F(NetdevsOfAHost, ADeviceInUseIsRefusedUnlessAllowed) {
  TrialOrder order = order_on("t0", "t1", Path::udp_socket);
  order.host_allow = {"netdev:t1"};
  const auto lab = NetdevLab::create(order, std::make_shared<Journal>(journal()));
  ASSERT_FALSE(lab);
  EXPECT_THAT(lab.error().text(), HasSubstr("t0: is in use: has the address 192.0.2.7/24"));
  EXPECT_TRUE(is_here("t0") && is_here("t1"));
}

}  // namespace
}  // namespace pollmark
