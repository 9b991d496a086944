#include "ways_to_die.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "host/ethtool.h"
#include "host/netlink.h"
#include "obstacles.h"

namespace pollmark {
namespace {

void to_another_host(FrameBytes& frame) {
  frame[33] = 77;  // 198.18.0.77
  repair_checksums(frame);
}

void to_another_port(FrameBytes& frame) {
  frame[37] ^= 0x40;  // 73
  repair_checksums(frame);
}

void forward(const NetdevPlace& place) { set_sysctl(place, "ipv4/ip_forward", "1"); }

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

}  // namespace

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

void forward_to_a_narrow_link(const NetdevPlace& place) {
  forward(place);
  auto netlink = Netlink::open(place.netns_fd);
  ASSERT_TRUE(netlink);
  const VethOrder pair{.netdev = "b1",
                       .peer = "c0",
                       .mac = {0x02, 0x50, 0x4d, 0, 0, 0x11},
                       .peer_mac = kMacBehindTheReceiver,
                       .mtu = 600};
  ASSERT_TRUE(netlink->add_veth(pair));
  for (const char* netdev : {"b1", "c0"}) ASSERT_TRUE(netlink->set_up(netdev));
  ASSERT_TRUE(netlink->add_ipv4("b1", 0xC6140001, 24));
}

void forward_to_nobody(const NetdevPlace& place) {
  forward_to_a_narrow_link(place);
  set_sysctl(place, "ipv4/neigh/b1/mcast_solicit", "1");
  set_sysctl(place, "ipv4/neigh/b1/retrans_time_ms", "20");
  set_sysctl(place, "ipv4/neigh/b1/unres_qlen", "3");
}

void to_nobody(FrameBytes& frame) {
  frame[31] = 20;  // 198.20.0.2
  repair_checksums(frame);
}

const std::vector<Death>& deaths_in_the_stack() {
  static const std::vector<Death> kDeaths{
      Death{"NoSocketOnThePort",
            {},
            to_another_port,
            "udp.NoPorts",
            {},
            "NO_SOCKET",
            Fate::kernel_udp},
      Death{"BadUdpChecksum",
            {},
            [](FrameBytes& f) {
              f[40] ^= 0x55;
              if ((f[40] | f[41]) == 0) f[41] = 1;  // 0 would say that there is none
            },
            "udp.InCsumErrors",
            {"udp.InErrors"},
            "UDP_CSUM",
            Fate::kernel_udp},
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
            "UDP_CSUM",
            Fate::kernel_udp},
      Death{"BadIpChecksum",
            {},
            [](FrameBytes& f) { f[24] ^= 0x55; },
            "ip.InHdrErrors",
            {"ipext.InCsumErrors"},
            "IP_CSUM",
            Fate::kernel_ip},
      Death{"AnothersMac",
            {},
            [](FrameBytes& f) { f[5] ^= 0x10; },
            "link.b0.rx_otherhost_dropped",
            {},
            "OTHERHOST",
            Fate::kernel_other,
            "not addressed to this MAC"},
      Death{"UnknownEthertype",
            {},
            [](FrameBytes& f) { f[12] = 0x99; },
            "link.b0.rx_dropped",
            {},
            "UNHANDLED_PROTO",
            Fate::kernel_link_rx},
      Death{"UnknownIpProtocol",
            {},
            [](FrameBytes& f) {
              f[23] = 253;
              repair_checksums(f);
            },
            "ip.InUnknownProtos",
            {},
            "IP_NOPROTO",
            Fate::kernel_ip},
      Death{"IpLengthBeyondTheFrame",
            {},
            [](FrameBytes& f) {
              f[17] = 200;
              repair_checksums(f);
            },
            "ipext.InTruncatedPkts",
            {},
            "PKT_TOO_SMALL",
            Fate::kernel_ip},
      Death{"Runt",
            {},
            [](FrameBytes& f) { f.resize(20); },
            "ip.InHdrErrors",
            {},
            "IP_INHDR",
            Fate::kernel_ip},
      Death{"ForAnotherHostWithoutForwarding",
            [](const NetdevPlace& place) { set_sysctl(place, "ipv4/ip_forward", "0"); },
            to_another_host,
            "ip.InAddrErrors",
            {},
            "IP_INADDRERRORS",
            Fate::kernel_ip},
      Death{"NoRoute",
            forward,
            [](FrameBytes& f) {
              f[30] = 203;  // 203.18.0.2
              repair_checksums(f);
            },
            "ipext.InNoRoutes",
            {},
            "IP_INNOROUTES",
            Fate::kernel_ip},
      Death{"TtlUsedUp",
            forward,
            [](FrameBytes& f) {
              f[22] = 1;
              to_another_host(f);
            },
            "ip.InHdrErrors",
            {},
            "IP_INHDR",
            Fate::kernel_ip},
      Death{"MayNotBeCutForTheNextLink",
            forward_to_a_narrow_link,
            [](FrameBytes& f) { to_the_narrow_link(f, 0x40); },
            "ip.FragFails",
            {},
            "PKT_TOO_BIG",
            Fate::kernel_ip},
      Death{"WayBackByAnotherDevice",
            [](const NetdevPlace& place) { set_sysctl(place, "ipv4/conf/b0/rp_filter", "1"); },
            [](FrameBytes& f) {
              f[26] = 203;  // 203.19.x.y
              repair_checksums(f);
            },
            "tcpext.IPReversePathFilter",
            {},
            "IP_RPFILTER",
            Fate::kernel_ip},
      Death{"MartianSource",
            {},
            [](FrameBytes& f) {
              f[26] = 127;  // 127.19.x.y
              repair_checksums(f);
            },
            "",
            {},
            "IP_LOCALNET",
            Fate::kernel_other,
            "IP_LOCALNET"},
      Death{"FirewallAtInput",
            [](const NetdevPlace& place) {
              firewall(place, "ip", "input", "udp dport 73 counter drop");
            },
            to_another_port,
            "",
            {},
            "NETFILTER_DROP",
            Fate::kernel_other,
            "NETFILTER_DROP"},
      Death{"FirewallAtIngress",
            [](const NetdevPlace& place) {
              firewall(place, "netdev", "ingress device b0", "udp dport 73 counter drop");
            },
            to_another_port,
            "",
            {},
            "NETFILTER_DROP",
            Fate::kernel_other,
            "NETFILTER_DROP"},
      Death{"XdpInTheStack",
            [](const NetdevPlace& place) {
              const auto set = drop_by_xdp(place, XdpHook::stack);
              ASSERT_TRUE(set) << set.error().text();
            },
            {},
            "",
            {},
            "XDP",
            Fate::kernel_other,
            "XDP"},
      Death{"FilterAtIngress",
            [](const NetdevPlace& place) {
              const auto set = drop_at_ingress(place);
              ASSERT_TRUE(set) << set.error().text();
            },
            {},
            "ingress.b0.clsact[ffff:].drops",
            {},
            "TC_INGRESS",
            Fate::kernel_other,
            "ingress filter"}};
  return kDeaths;
}

}  // namespace pollmark
