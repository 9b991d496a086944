#include "host/snapshot.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host/privilege.h"
#include "kernel/veth_lab.h"

namespace pollmark {
namespace {

#define NEEDS_NETWORK_LAB() \
  if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text()

TEST(Snapshot, TellsOfANamespacesDevicesAndNamesWhatTheDriverDoesNotTell) {
  NEEDS_NETWORK_LAB();
  TrialOrder trial;
  trial.path = Path::udp_socket;
  trial.traffic.frame_bytes = {1918};
  const auto lab = VethLab::create(trial);
  ASSERT_TRUE(lab) << lab.error().text();
  const int netns_fd = lab->sender_place().netns_fd;
  auto netlink = Netlink::open(netns_fd);
  ASSERT_TRUE(netlink && netlink->set_htb("a0", 1'000'000, 50));
  ASSERT_TRUE(set_net_sysctl(netns_fd, "ipv4/ip_forward", "1"));
  const auto snapshot = read_snapshot({.netns_fd = netns_fd, .netdev = "a0"});
  ASSERT_TRUE(snapshot) << snapshot.error().text();
  ASSERT_EQ(snapshot->at("netdevs").size(), 1U);
  const auto& a0 = snapshot->at("netdevs")[0];
  EXPECT_EQ(a0.at("netdev"), "a0");
  EXPECT_EQ(a0.at("kind"), "veth");
  EXPECT_EQ(a0.at("driver"), "veth");
  EXPECT_EQ(a0.at("mtu"), 1900);
  EXPECT_EQ(a0.at("mac"), mac_text(kLabSenderMac));
  EXPECT_EQ(a0.at("up"), true);
  EXPECT_EQ(a0.at("features").at("tx-udp-segmentation"), false);
  EXPECT_EQ(a0.at("qdiscs"), (nlohmann::json{"htb[1: root]", "pfifo[10:]"}));
  EXPECT_EQ(a0.at("root_qdisc"), "htb 8 Mbps 50");
  // Read from a sysfs of that namespace: the process' own has no a0.
  EXPECT_EQ(a0.at("settings").at("queues/rx-0/rps_cpus").get<std::string>().find_first_not_of("0,"),
            std::string::npos);
  EXPECT_EQ(snapshot->at("sysctls").at("net.ipv4.ip_forward"), "1");
  // veth has no rings, and a namespace of its own no backlog: absent, and said.
  EXPECT_FALSE(a0.contains("rings"));
  EXPECT_TRUE(snapshot->at("not_told").contains("a0 rings"));
  EXPECT_FALSE(snapshot->at("sysctls").contains("net.core.netdev_max_backlog"));
  EXPECT_TRUE(snapshot->at("not_told").contains("net.core.netdev_max_backlog"));
}

TEST(Snapshot, OfADeviceThatIsNotThereIsRefused) {
  const auto snapshot = read_snapshot({.netdev = "nosuch"});
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().text(), "nosuch: no such network device");
}

}  // namespace
}  // namespace pollmark
