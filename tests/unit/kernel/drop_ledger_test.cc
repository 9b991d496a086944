#include "kernel/drop_ledger.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>
#include <ostream>
#include <string>
#include <vector>

namespace pollmark {
namespace {

constexpr WayNamespaces kWay{.sender = 41, .receiver = 42};
constexpr auto kIn = DropDirection::in;
constexpr auto kOut = DropDirection::out;
constexpr std::uint16_t kIpv4 = 0x0800;

DropPlace place(const std::string& reason, const std::string& function, std::uint32_t netns,
                DropDirection direction, std::uint16_t ethertype = kIpv4) {
  return {.netns = netns,
          .netdev = "b0",
          .reason = reason,
          .function = function,
          .ethertype = ethertype,
          .direction = direction};
}

DropReasonInterval interval_of(const std::vector<std::pair<DropPlace, DropCount>>& places) {
  DropReasonInterval interval;
  for (const auto& [where, delta] : places) interval.places.push_back({where, delta, 0.0, delta});
  return interval;
}

DroppedAt attributed(const DropPlace& where, FrameConsumer consumer = FrameConsumer::udp_socket) {
  return kernel_drops(interval_of({{where, {10, 10}}}), consumer, kWay).places.at(0);
}

struct Row {
  DropPlace where;
  CounterRole role;
  std::optional<Fate> fate;
  friend void PrintTo(const Row& row, std::ostream* out) {
    *out << row.where.reason << " in " << row.where.function << ", netns " << row.where.netns;
  }
};
class DropLedgerRow : public ::testing::TestWithParam<Row> {};

TEST_P(DropLedgerRow, IsOfOneOwnerOrOfNone) {
  const DroppedAt at = attributed(GetParam().where);
  EXPECT_EQ(at.role, GetParam().role);
  EXPECT_EQ(at.fate, GetParam().fate);
  EXPECT_EQ(at.reason, GetParam().where.reason);
  EXPECT_EQ(at.function, GetParam().where.function);
  EXPECT_EQ(at.netdev, "b0");
  EXPECT_EQ(at.pkts, 10);
}

Row echo(const DropPlace& where, Fate fate) { return {where, CounterRole::echo, fate}; }
Row nobodys(const DropPlace& where) { return {where, CounterRole::owner, Fate::kernel_other}; }
Row not_the_ways(const DropPlace& where) { return {where, CounterRole::context, std::nullopt}; }

INSTANTIATE_TEST_SUITE_P(
    Rows, DropLedgerRow,
    ::testing::Values(
        echo(place("QDISC_DROP", "__dev_queue_xmit", 41, kOut), Fate::kernel_qdisc),
        echo(place("QDISC_OVERLIMIT", "__dev_queue_xmit", 41, kOut), Fate::kernel_qdisc),
        echo(place("TC_EGRESS", "__dev_queue_xmit", 41, kOut), Fate::kernel_qdisc),
        echo(place("NOT_SPECIFIED", "veth_xmit", 42, kOut), Fate::kernel_link_tx),
        echo(place("NOT_SPECIFIED", "__dev_forward_skb2", 41, kOut), Fate::kernel_link_tx),
        echo(place("CPU_BACKLOG", "enqueue_to_backlog", 42, kOut), Fate::kernel_link_tx),
        echo(place("UNHANDLED_PROTO", "__netif_receive_skb_core", 42, kIn, 0x9900),
             Fate::kernel_link_rx),
        echo(place("OTHERHOST", "ip_rcv_core", 42, kIn), Fate::kernel_other),
        echo(place("TC_INGRESS", "__netif_receive_skb_core", 42, kIn), Fate::kernel_other),
        echo(place("IP_CSUM", "ip_rcv_core", 42, kIn), Fate::kernel_ip),
        echo(place("PKT_TOO_SMALL", "ip_rcv_core", 42, kIn), Fate::kernel_ip),
        echo(place("PKT_TOO_SMALL", "__udp4_lib_rcv", 42, kIn), Fate::kernel_udp),
        echo(place("PKT_TOO_BIG", "ip_forward", 42, kIn), Fate::kernel_ip),
        echo(place("NO_SOCKET", "__udp4_lib_rcv", 42, kIn), Fate::kernel_udp),
        echo(place("SOCKET_RCVBUFF", "udp_queue_rcv_one_skb", 42, kIn), Fate::kernel_socket_buffer),
        nobodys(place("IP_LOCALNET", "ip_rcv_finish_core", 42, kIn)),
        nobodys(place("NEIGH_FAILED", "arp_error_report", 42, kIn)),
        nobodys(place("NETFILTER_DROP", "nft_do_chain", 42, kIn)),
        nobodys(place("XDP", "do_xdp_generic", 42, kIn)),
        nobodys(place("NOT_SPECIFIED", "somewhere", 42, kIn)),
        nobodys(place("NOT_SPECIFIED", "veth_xdp_rcv_skb", 42, kOut)),
        nobodys(place("NEIGH_FAILED", "arp_error_report", 41, kOut)),
        // The counters of the books are IPv4's.
        nobodys(place("NO_SOCKET", "__udp6_lib_rcv", 42, kIn, 0x86dd)),
        // Answers (ICMP), and what asks for a neighbour.
        not_the_ways(place("NEIGH_FAILED", "arp_error_report", 42, kOut)),
        not_the_ways(place("QDISC_DROP", "__dev_queue_xmit", 42, kOut)),
        not_the_ways(place("NO_SOCKET", "__udp4_lib_rcv", 41, kIn)),
        not_the_ways(place("NEIGH_FAILED", "arp_error_report", 42, kIn, 0x0806)),
        // What TCP drops is no datagram of the trial.
        not_the_ways(place("NO_SOCKET", "tcp_v4_rcv", 42, kIn)),
        not_the_ways(place("SOCKET_RCVBUFF", "tcp_add_backlog", 42, kIn)),
        // A copy; and a super-packet whose segments are told one by one.
        not_the_ways(place("PACKET_SOCK_ERROR", "packet_rcv", 42, kIn)),
        not_the_ways(place("NOT_SPECIFIED", "tbf_enqueue", 41, kOut))));

TEST(DropLedger, TheSideIsTheNamespaceAndTheCauseAPlainSentence) {
  const DroppedAt at = attributed(place("NO_SOCKET", "__udp4_lib_rcv", 42, kIn));
  EXPECT_EQ(at.side, "receiver");
  EXPECT_EQ(at.cause, "no program listens there");
  EXPECT_EQ(attributed(place("QDISC_DROP", "__dev_queue_xmit", 41, kOut)).side, "sender");
}

TEST(DropLedger, OnItsWayToAnXdpSocketAFrameHasNoCounterOfTheStack) {
  EXPECT_EQ(attributed(place("XDP", "do_xdp_generic", 42, kIn), FrameConsumer::xdp).fate,
            Fate::kernel_xdp_ring);
  const DroppedAt at =
      attributed(place("NO_SOCKET", "__udp4_lib_rcv", 42, kIn), FrameConsumer::xdp);
  EXPECT_EQ(at.role, CounterRole::owner);
  EXPECT_EQ(at.fate, Fate::kernel_other);
}

TEST(DropLedger, WhatTracefsTellsIsOfTheWholeHostAndNobodys) {
  DropReasonInterval interval = interval_of(
      {{place("IP_LOCALNET", "ip_rcv_finish_core", 0, DropDirection::not_told), {5, 5}}});
  interval.source = DropSource::tracefs;
  const KernelDrops drops = kernel_drops(interval, FrameConsumer::udp_socket, {});
  EXPECT_EQ(drops.source, "tracefs");
  EXPECT_EQ(drops.places.at(0).side, "host");
  EXPECT_EQ(drops.places.at(0).role, CounterRole::context);
  EXPECT_EQ(drops.places.at(0).fate, std::nullopt);
}

KernelDrops drops_of(const std::vector<std::pair<DropPlace, DropCount>>& places) {
  return kernel_drops(interval_of(places), FrameConsumer::udp_socket, kWay);
}

TEST(DropLedger, FramesOfASuperPacketAreMoreThanItsCounterSays) {
  const KernelDrops drops = drops_of({{place("QDISC_DROP", "__dev_queue_xmit", 41, kOut), {3, 192}},
                                      {place("QDISC_DROP", "other", 41, kOut), {2, 2}},
                                      {place("NOT_SPECIFIED", "tbf_enqueue", 41, kOut), {4, 256}}});
  EXPECT_EQ(frames_beyond_pkts(drops, Fate::kernel_qdisc), 189);
  EXPECT_EQ(frames_beyond_pkts(drops, Fate::kernel_link_tx), 0);
}

TEST(DropLedger, PlacesHaveNoMorePacketsThanTheirCounter) {
  const std::vector<Fate> udp{Fate::kernel_udp};
  KernelDrops drops = drops_of({{place("NO_SOCKET", "__udp4_lib_rcv", 42, kIn), {6, 6}},
                                {place("UDP_CSUM", "__udp4_lib_rcv", 42, kIn), {4, 4}},
                                {place("IP_CSUM", "ip_rcv_core", 42, kIn), {9, 9}}});
  EXPECT_EQ(disagreement(drops, udp, "udp", 10), std::nullopt);
  EXPECT_EQ(disagreement(drops, udp, "udp", 9),
            "udp rose by 9, the kernel gave up 10 packets there by its own reasons");
  // The kernel does not give up by kfree_skb all that it counts.
  EXPECT_EQ(disagreement(drops, udp, "udp", 11), std::nullopt);
}

TEST(DropLedger, WhatNoCounterHasIsChargedByReasonInFrames) {
  KernelDrops drops = drops_of({{place("IP_LOCALNET", "a", 42, kIn), {5, 5}},
                                {place("IP_LOCALNET", "b", 42, kIn), {2, 8}},
                                {place("XDP", "c", 42, kIn), {1, 1}},
                                {place("NO_SOCKET", "__udp4_lib_rcv", 42, kIn), {90, 90}}});
  EXPECT_EQ(charge_reasons(drops, 100),
            (std::map<std::string, std::int64_t>{{"IP_LOCALNET", 13}, {"XDP", 1}}));
  EXPECT_EQ(charge_reasons(drops, 13), (std::map<std::string, std::int64_t>{{"IP_LOCALNET", 13}}));
}

TEST(DropLedger, WithoutAReasonTheFunctionSaysWhere) {
  KernelDrops drops = drops_of({{place("NOT_SPECIFIED", "a", 42, kIn), {5, 5}},
                                {place("NOT_SPECIFIED", "b", 42, kIn), {4, 4}}});
  EXPECT_EQ(charge_reasons(drops, 9), (std::map<std::string, std::int64_t>{
                                          {"NOT_SPECIFIED in a", 5}, {"NOT_SPECIFIED in b", 4}}));
}

TEST(DropLedger, WhatHasAReasonIsChargedBeforeWhatMayBeACountersToo) {
  KernelDrops drops = drops_of({{place("NOT_SPECIFIED", "__udp_recvmsg", 42, kIn), {250, 250}},
                                {place("IP_LOCALNET", "ip_rcv_finish_core", 42, kIn), {50, 50}}});
  EXPECT_EQ(charge_reasons(drops, 50), (std::map<std::string, std::int64_t>{{"IP_LOCALNET", 50}}));
}

TEST(DropLedger, WhereNothingIsMissingOthersDied) {
  KernelDrops drops = drops_of({{place("IP_LOCALNET", "a", 42, kIn), {5, 5}}});
  EXPECT_TRUE(charge_reasons(drops, 0).empty());
  EXPECT_EQ(drops.places[0].role, CounterRole::context);
  EXPECT_EQ(drops.places[0].fate, std::nullopt);
}

TEST(DropLedger, NeverChargesMoreThanIsMissingOrDiedNorLessThanBothAllow) {
  EXPECT_TRUE(rc::check([] {
    std::vector<std::pair<DropPlace, DropCount>> places;
    std::map<std::string, std::int64_t> died;
    for (int k = *rc::gen::inRange(0, 6); k > 0; --k) {
      const auto reason = *rc::gen::element<std::string>("IP_LOCALNET", "XDP", "NEIGH_FAILED");
      const auto pkts = *rc::gen::inRange<std::int64_t>(1, 1000);
      const auto frames = pkts * *rc::gen::inRange<std::int64_t>(1, 64);
      places.push_back({place(reason, "f" + std::to_string(k), 42, kIn), {pkts, frames}});
      died[reason] += frames;
    }
    places.push_back({place("NO_SOCKET", "__udp4_lib_rcv", 42, kIn), {77, 77}});
    places.push_back({place("XDP", "answers", 41, kIn), {55, 55}});
    const auto missing = *rc::gen::inRange<std::int64_t>(-1000, 100'000);
    KernelDrops drops = drops_of(places);
    std::int64_t charged = 0;
    for (const auto& [reason, pkts] : charge_reasons(drops, missing)) {
      RC_ASSERT(pkts > 0);
      RC_ASSERT(pkts <= died[reason]);
      charged += pkts;
    }
    const auto dead =
        std::accumulate(died.begin(), died.end(), std::int64_t{0},
                        [](std::int64_t sum, const auto& one) { return sum + one.second; });
    RC_ASSERT(charged == std::max<std::int64_t>(0, std::min(dead, missing)));
  }));
}

}  // namespace
}  // namespace pollmark
