// Ways to die in the receiver's stack, provoked in namespaces of the test's own and found in both
// books: the survey charges them to one owner with equal echoes, and the kernel's own reasons,
// where BPF can be had, name them to the packet.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#include <string>

#include "deaths.h"
#include "host/netlink.h"
#include "obstacles.h"
#include "ways_to_die.h"

namespace pollmark {
namespace {

using ::testing::IsEmpty;

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

INSTANTIATE_TEST_SUITE_P(Rows, DeathInTheStack, ::testing::ValuesIn(deaths_in_the_stack()),
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
  ASSERT_TRUE(netlink && netlink->add_neighbour("b1", 0xC6140002, kMacBehindTheReceiver));
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
  forward_to_nobody(receiver());
  const Autopsy autopsy(receiver());
  fire(sender(), {.pps = 0, .spoil = [](FrameBytes& f, std::int64_t) { to_nobody(f); }});
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
