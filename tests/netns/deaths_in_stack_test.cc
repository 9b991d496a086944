// Ways to die in the receiver's stack, provoked in namespaces of the test's own and found in both
// books: the survey charges them to one owner with equal echoes, and the kernel's own reasons,
// where BPF can be had, name them to the packet. Conntrack's full table is not among them: it takes
// a setting of the whole host.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "deaths.h"
#include "host/ethtool.h"
#include "host/netlink.h"
#include "obstacles.h"

namespace pollmark {
namespace {

using ::testing::IsEmpty;

void to_another_host(FrameBytes& frame) {
  frame[33] = 77;  // 198.18.0.77
  repair_checksums(frame);
}

void to_the_narrow_link(FrameBytes& frame, std::uint8_t fragment_flags) {
  frame.resize(1000);
  frame[16] = 986 >> 8;
  frame[17] = 986 & 255;
  frame[20] = fragment_flags;
  frame[31] = 20;  // 198.20.0.2
  frame[38] = 966 >> 8;
  frame[39] = 966 & 255;
  repair_checksums(frame);
}

void set_sysctl(const NetdevPlace& place, const std::string& path, std::string_view value) {
  const auto set = set_net_sysctl(place.netns_fd, path, value);
  ASSERT_TRUE(set) << set.error().text();
}
void forward(const NetdevPlace& place) { set_sysctl(place, "ipv4/ip_forward", "1"); }

constexpr MacAddress kMacOfC0{0x02, 0x50, 0x4d, 0, 0, 0x12};

// A second veth pair behind the receiver, of MTU 600 (too narrow for IPv6), to 198.20.0.2.
void forward_to_a_narrow_link(const NetdevPlace& place) {
  forward(place);
  auto netlink = Netlink::open(place.netns_fd);
  ASSERT_TRUE(netlink);
  const VethOrder pair{.netdev = "b1",
                       .peer = "c0",
                       .mac = {0x02, 0x50, 0x4d, 0, 0, 0x11},
                       .peer_mac = kMacOfC0,
                       .mtu = 600};
  ASSERT_TRUE(netlink->add_veth(pair));
  for (const char* netdev : {"b1", "c0"}) ASSERT_TRUE(netlink->set_up(netdev));
  ASSERT_TRUE(netlink->add_ipv4("b1", 0xC6140001, 24));
}

void firewall(const NetdevPlace& place, const std::string& family, const std::string& hook,
              const std::string& rule) {
  const auto added = add_nft_rules(
      place.netns_fd, fmt::format("add table {0} t\n"
                                  "add chain {0} t c {{ type filter hook {1} priority 0; }}\n"
                                  "add rule {0} t c {2}\n",
                                  family, hook, rule));
  if (!added && added.error().text() == "needs nft") GTEST_SKIP() << "needs nft";
  ASSERT_TRUE(added) << added.error().text();
}

// What every frame dies of. Without an owner no counter has it: without BPF it stays unattributed.
struct Death {
  std::string name;
  std::function<void(const NetdevPlace&)> prepare;
  std::function<void(FrameBytes&)> spoil;
  std::string owner;
  std::vector<std::string> echoes;
  std::string reason;

  friend void PrintTo(const Death& death, std::ostream* out) { *out << death.name; }
};

class DeathInTheStack : public Deaths, public ::testing::WithParamInterface<Death> {};

TEST_P(DeathInTheStack, HasOneOwnerEqualEchoesAndAReason) {
  const Death& death = GetParam();
  if (death.prepare) death.prepare(receiver());
  if (IsSkipped() || HasFailure()) return;
  const Autopsy autopsy(receiver());
  GunOrder order{.pps = 0};
  if (death.spoil) order.spoil = [&](FrameBytes& frame, std::int64_t) { death.spoil(frame); };
  fire(sender(), order);
  const Findings found = autopsy.findings();
  EXPECT_EQ(found.owners, death.owner.empty() ? Deltas{} : (Deltas{{death.owner, kFrames}}));
  Deltas echoes;
  for (const auto& name : death.echoes) echoes[name] = kFrames;
  EXPECT_EQ(found.echoes, echoes);
  EXPECT_PRED3(died_of, found, death.reason, kFrames);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, DeathInTheStack,
    ::testing::Values(
        Death{"NoSocketOnThePort", {}, {}, "udp.NoPorts", {}, "NO_SOCKET"},
        Death{"BadUdpChecksum",
              {},
              [](FrameBytes& f) {
                f[40] ^= 0x55;
                if ((f[40] | f[41]) == 0) f[41] = 1;  // 0 would say that there is none
              },
              "udp.InCsumErrors",
              {"udp.InErrors"},
              "UDP_CSUM"},
        Death{"BadUdpChecksumWithoutTheDevicesHelp",
              [](const NetdevPlace& place) {
                const auto inside = ScopedNetns::enter(place.netns_fd);
                ASSERT_TRUE(request_feature("b0", "rx-checksum", FeatureSwitch::off));
                EXPECT_FALSE(read_features("b0")->at("rx-checksum").active);
              },
              [](FrameBytes& f) {
                f[40] ^= 0x55;
                if ((f[40] | f[41]) == 0) f[41] = 1;
              },
              "udp.InCsumErrors",
              {"udp.InErrors"},
              "UDP_CSUM"},
        Death{"BadIpChecksum",
              {},
              [](FrameBytes& f) { f[24] ^= 0x55; },
              "ip.InHdrErrors",
              {"ipext.InCsumErrors"},
              "IP_CSUM"},
        Death{"AnothersMac",
              {},
              [](FrameBytes& f) { f[5] ^= 0x10; },
              "link.b0.rx_otherhost_dropped",
              {},
              "OTHERHOST"},
        Death{"UnknownEthertype",
              {},
              [](FrameBytes& f) { f[12] = 0x99; },
              "link.b0.rx_dropped",
              {},
              "UNHANDLED_PROTO"},
        Death{"UnknownIpProtocol",
              {},
              [](FrameBytes& f) {
                f[23] = 253;
                repair_checksums(f);
              },
              "ip.InUnknownProtos",
              {},
              "IP_NOPROTO"},
        Death{"IpLengthBeyondTheFrame",
              {},
              [](FrameBytes& f) {
                f[17] = 200;
                repair_checksums(f);
              },
              "ipext.InTruncatedPkts",
              {},
              "PKT_TOO_SMALL"},
        Death{"Runt", {}, [](FrameBytes& f) { f.resize(20); }, "ip.InHdrErrors", {}, "IP_INHDR"},
        Death{"ForAnotherHostWithoutForwarding",
              [](const NetdevPlace& place) { set_sysctl(place, "ipv4/ip_forward", "0"); },
              to_another_host,
              "ip.InAddrErrors",
              {},
              "IP_INADDRERRORS"},
        Death{"NoRoute",
              forward,
              [](FrameBytes& f) {
                f[30] = 203;  // 203.18.0.2
                repair_checksums(f);
              },
              "ipext.InNoRoutes",
              {},
              "IP_INNOROUTES"},
        Death{"TtlUsedUp",
              forward,
              [](FrameBytes& f) {
                f[22] = 1;
                to_another_host(f);
              },
              "ip.InHdrErrors",
              {},
              "IP_INHDR"},
        Death{"MayNotBeCutForTheNextLink",
              forward_to_a_narrow_link,
              [](FrameBytes& f) { to_the_narrow_link(f, 0x40); },
              "ip.FragFails",
              {},
              "PKT_TOO_BIG"},
        Death{"WayBackByAnotherDevice",
              [](const NetdevPlace& place) { set_sysctl(place, "ipv4/conf/b0/rp_filter", "1"); },
              [](FrameBytes& f) {
                f[26] = 203;  // 203.19.x.y
                repair_checksums(f);
              },
              "tcpext.IPReversePathFilter",
              {},
              "IP_RPFILTER"},
        Death{"MartianSource",
              {},
              [](FrameBytes& f) {
                f[26] = 127;  // 127.19.x.y
                repair_checksums(f);
              },
              "",
              {},
              "IP_LOCALNET"},
        Death{"FirewallAtInput",
              [](const NetdevPlace& place) {
                firewall(place, "ip", "input", "udp dport 9 counter drop");
              },
              {},
              "",
              {},
              "NETFILTER_DROP"},
        Death{"FirewallAtIngress",
              [](const NetdevPlace& place) {
                firewall(place, "netdev", "ingress device b0", "counter drop");
              },
              {},
              "",
              {},
              "NETFILTER_DROP"},
        Death{"XdpInTheStack",
              [](const NetdevPlace& place) {
                const auto set = drop_by_xdp(place, XdpHook::stack);
                ASSERT_TRUE(set) << set.error().text();
              },
              {},
              "",
              {},
              "XDP"},
        Death{"FilterAtIngress",
              [](const NetdevPlace& place) {
                const auto set = drop_at_ingress(place);
                ASSERT_TRUE(set) << set.error().text();
              },
              {},
              "ingress.b0.clsact[ffff:].drops",
              {},
              "TC_INGRESS"}),
    [](const auto& death) { return death.param.name; });

TEST_F(Deaths, NoneWhereEveryFrameIsTaken) {
  const UnreadSocket roomy(receiver(), AF_INET, SOCK_DGRAM, 0, 8 << 20);
  roomy.bind_to_the_labs_port();
  const Autopsy at_sender(sender());
  const Autopsy at_receiver(receiver());
  fire(sender(), {.pps = 0});
  EXPECT_EQ(roomy.held(), kFrames);
  for (const Autopsy* autopsy : {&at_sender, &at_receiver}) {
    const Findings found = autopsy->findings();
    EXPECT_THAT(found.owners, IsEmpty());
    EXPECT_THAT(found.echoes, IsEmpty());
    EXPECT_THAT(found.reasons.value_or(Deltas{}), IsEmpty());
  }
}

TEST_F(Deaths, AtAFullUdpBufferAreTheSocketsAndTheNamespaceRepeatsThem) {
  const UnreadSocket unread(receiver(), AF_INET, SOCK_DGRAM, 0, 4096);
  unread.bind_to_the_labs_port();
  const Autopsy autopsy(receiver());
  fire(sender(), {.pps = 0});
  const Findings found = autopsy.findings();
  const std::int64_t lost = kFrames - unread.held();
  EXPECT_GT(lost, 0);
  EXPECT_EQ(found.owners, (Deltas{{"udp_socket[0.0.0.0:9].drops", lost}}));
  EXPECT_EQ(found.echoes, (Deltas{{"udp.RcvbufErrors", lost}, {"udp.InErrors", lost}}));
  EXPECT_PRED3(died_of, found, "SOCKET_RCVBUFF", lost);
}

TEST_F(Deaths, OfCapturedCopiesStandBesideWhatBecameOfTheFramesThemselves) {
  const UnreadSocket unread(receiver(), AF_PACKET, SOCK_RAW, htons(ETH_P_IP), 4096);
  const Autopsy autopsy(receiver());
  fire(sender(), {.pps = 0});
  const Findings found = autopsy.findings();
  EXPECT_EQ(found.owners.at("udp.NoPorts"), kFrames);
  const std::int64_t lost = found.owners.at("packet_socket[any].drops");
  // The kernel's answers (ICMP) are captured as they leave.
  const std::int64_t accounted = lost + unread.held();
  EXPECT_GE(accounted, kFrames);
  EXPECT_LE(accounted, kFrames + found.signs.at("icmp.OutMsgs"));
  if (found.reasons) {
    EXPECT_EQ(*found.reasons, (Deltas{{"NO_SOCKET", kFrames}, {"PACKET_SOCK_ERROR", lost}}));
  }
}

TEST_F(Deaths, BeyondThePeersMtuAreCountedAtBothEndsOfVethAndOnceByReason) {
  auto netlink = Netlink::open(receiver().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_mtu("b0", 600));
  const Autopsy at_sender(sender());
  const Autopsy at_receiver(receiver());
  fire(sender(), {.pps = 0, .bytes_without_fcs = 996});
  const Findings from = at_sender.findings();
  const Findings to = at_receiver.findings();
  EXPECT_EQ(from.owners, (Deltas{{"link.a0.tx_dropped", kFrames}}));
  EXPECT_EQ(to.owners, (Deltas{{"link.b0.rx_dropped", kFrames}}));
  EXPECT_TRUE(died_of(from, "NOT_SPECIFIED", kFrames) != died_of(to, "NOT_SPECIFIED", kFrames) ||
              !from.reasons);
}

TEST_F(Deaths, AtAPeerThatIsDownAreTheSendersDevices) {
  auto netlink = Netlink::open(receiver().netns_fd);
  const Autopsy autopsy(sender());
  FrameGun gun({.frames = kFrames, .pps = 0}, sender());
  ASSERT_TRUE(gun.open());
  ASSERT_TRUE(netlink && netlink->set_down("b0"));
  ASSERT_TRUE(gun.join());
  const Findings found = autopsy.findings();
  EXPECT_EQ(found.owners, (Deltas{{"link.a0.tx_dropped", kFrames}}));
  EXPECT_EQ(found.signs.at("link.a0.carrier_changes"), 1);
  EXPECT_PRED3(died_of, found, "QDISC_DROP", kFrames);
}

TEST_F(Deaths, AreNoneWhereARouterMayCutButFramesBecomeMore) {
  forward_to_a_narrow_link(receiver());
  auto netlink = Netlink::open(receiver().netns_fd);
  ASSERT_TRUE(netlink && netlink->add_neighbour("b1", 0xC6140002, kMacOfC0));
  set_sysctl(receiver(), "ipv4/conf/c0/forwarding", "0");
  const Autopsy autopsy(receiver());
  fire(sender(),
       {.pps = 0, .spoil = [](FrameBytes& f, std::int64_t) { to_the_narrow_link(f, 0); }});
  const Findings found = autopsy.findings();
  EXPECT_EQ(found.signs.at("ip.FragOKs"), kFrames);
  EXPECT_EQ(found.signs.at("ip.FragCreates"), 2 * kFrames);
  EXPECT_EQ(found.signs.at("link.c0.rx_packets"), 2 * kFrames);
  EXPECT_FALSE(found.owners.contains("ip.FragFails"));
}

TEST_F(Deaths, WaitingForANeighbourHaveNoCounter) {
  forward_to_a_narrow_link(receiver());
  // One question, and soon given up.
  set_sysctl(receiver(), "ipv4/neigh/b1/mcast_solicit", "1");
  set_sysctl(receiver(), "ipv4/neigh/b1/retrans_time_ms", "20");
  const Autopsy autopsy(receiver());
  fire(sender(), {.pps = 0, .spoil = [](FrameBytes& f, std::int64_t) {
                    f[31] = 20;  // 198.20.0.2
                    repair_checksums(f);
                  }});
  const auto of_neighbours = [](const Findings& found) {
    std::int64_t pkts = 0;
    for (const auto& [reason, count] : found.reasons.value_or(Deltas{})) {
      if (reason.starts_with("NEIGH_")) pkts += count;
    }
    return pkts;
  };
  const Findings found = autopsy.findings_once(
      [&](const Findings& now) { return !now.reasons || of_neighbours(now) >= kFrames; });
  EXPECT_THAT(found.owners, IsEmpty());
  if (!found.reasons) return;
  EXPECT_EQ(of_neighbours(found), kFrames);
}

TEST_F(Deaths, AtXdpInTheDriverAreADriversSign) {
  const auto set = drop_by_xdp(receiver(), XdpHook::driver);
  ASSERT_TRUE(set) << set.error().text();
  const Autopsy autopsy(receiver());
  fire(sender(), {.pps = 200'000});
  const auto counted = [](const Findings& found) {
    std::int64_t pkts = 0;
    for (const auto& [name, delta] : found.signs) {
      if (name.starts_with("driver.b0.") && name.ends_with("_xdp_drops")) pkts += delta;
    }
    return pkts;
  };
  const Findings found =
      autopsy.findings_once([&](const Findings& now) { return counted(now) >= kFrames; });
  EXPECT_EQ(counted(found), kFrames);
  EXPECT_THAT(found.owners, IsEmpty());
}

}  // namespace
}  // namespace pollmark
