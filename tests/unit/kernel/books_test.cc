#include "kernel/books.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <string>
#include <vector>

namespace pollmark {
namespace {

using Deltas = std::map<std::string, std::int64_t>;
using Losses = std::map<std::string, std::int64_t>;

struct Charged {
  StreamAccount stream;
  std::vector<std::string> doubts;
  Losses losses;
};

TrialOrder order_of(Path path) {
  TrialOrder order;
  order.path = path;
  return order;
}

Charged charge(Path path, const Deltas& deltas, std::int64_t offered = 0,
               LinkKind link = LinkKind::veth_pair) {
  std::map<std::string, CounterChange> changes;
  for (const auto& [name, delta] : deltas) {
    CounterChange change;
    change.before = 1000;
    change.after = static_cast<std::uint64_t>(1000 + delta);
    change.delta = delta;
    changes[name] = change;
  }
  Charged charged;
  charged.stream.ledger.set_offered(offered);
  const auto books = make_kernel_books(order_of(path), link);
  (*books)->charge(changes, charged.stream, charged.doubts);
  for (const Fate fate : all_fates()) {
    if (const auto pkts = charged.stream.ledger.pkts_or_zero(fate); pkts != 0) {
      charged.losses[std::string(fate_name(fate))] = pkts;
    }
  }
  return charged;
}

// A trial of n frames that all went up to the socket.
Deltas undisturbed(std::int64_t n) {
  return {{"sender.link.tx_packets", n},
          {"sender.link.tx_dropped", 0},
          {"sender.qdisc.drops", 0},
          {"sender.port.accepted_pkts", n},
          {"receiver.link.rx_packets", n},
          {"receiver.link.rx_dropped", 0},
          {"receiver.link.rx_missed_errors", 0},
          {"receiver.link.rx_otherhost_dropped", 0},
          {"receiver.link.rx_nohandler", 0},
          {"receiver.qdisc.ingress_drops", 0},
          {"receiver.ip.InReceives", n},
          {"receiver.ip.InDelivers", n},
          {"receiver.ip.InHdrErrors", 0},
          {"receiver.ip.InAddrErrors", 0},
          {"receiver.ip.InUnknownProtos", 0},
          {"receiver.ip.InDiscards", 0},
          {"receiver.ipext.InNoRoutes", 0},
          {"receiver.ipext.InTruncatedPkts", 0},
          {"receiver.ipext.InCsumErrors", 0},
          {"receiver.tcpext.IPReversePathFilter", 0},
          {"receiver.udp.InDatagrams", n},
          {"receiver.udp.NoPorts", 0},
          {"receiver.udp.InErrors", 0},
          {"receiver.udp.RcvbufErrors", 0},
          {"receiver.udp.InCsumErrors", 0},
          {"receiver.udp.MemErrors", 0},
          {"receiver.icmp.InMsgs", 0},
          {"receiver.socket.drops", 0}};
}

Deltas with(Deltas deltas, const Deltas& changed) {
  for (const auto& [name, delta] : changed) deltas[name] += delta;
  return deltas;
}

TEST(KernelBooks, UndisturbedTrialLosesNothingAndSaysSoForEveryOwner) {
  const auto charged = charge(Path::udp_socket, undisturbed(500), 500);
  EXPECT_EQ(charged.losses, Losses{});
  EXPECT_TRUE(charged.doubts.empty());
  for (const Fate fate :
       {Fate::kernel_qdisc, Fate::kernel_link_tx, Fate::kernel_link_rx, Fate::kernel_ip,
        Fate::kernel_udp, Fate::kernel_socket_buffer, Fate::kernel_other}) {
    EXPECT_EQ(charged.stream.ledger.pkts(fate), 0) << fate_name(fate);
  }
}

TEST(KernelBooks, WhatWasNotMeasuredIsAbsentAndNotZero) {
  const auto charged = charge(Path::udp_socket, {});
  for (const Fate fate : all_fates()) EXPECT_EQ(charged.stream.ledger.pkts(fate), std::nullopt);
  EXPECT_TRUE(charged.doubts.empty());
}

TEST(KernelBooks, SocketDropIsChargedOnceThoughTwoUdpCountersRepeatIt) {
  const auto charged =
      charge(Path::udp_socket, with(undisturbed(2000), {{"receiver.socket.drops", 1991},
                                                        {"receiver.udp.RcvbufErrors", 1991},
                                                        {"receiver.udp.InErrors", 1991},
                                                        {"receiver.udp.InDatagrams", -1991}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_socket_buffer", 1991}}));
  EXPECT_TRUE(charged.doubts.empty());
}

TEST(KernelBooks, EchoThatDisagreesWithItsOwnerIsReported) {
  const auto charged =
      charge(Path::udp_socket, with(undisturbed(2000), {{"receiver.socket.drops", 100},
                                                        {"receiver.udp.RcvbufErrors", 90},
                                                        {"receiver.udp.InErrors", 90},
                                                        {"receiver.udp.InDatagrams", -90}}));
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_EQ(charged.doubts[0],
            "receiver.socket.drops rose by 100, receiver.udp.RcvbufErrors by 90");
  EXPECT_EQ(charged.losses.at("kernel_socket_buffer"), 100);
}

TEST(KernelBooks, ChecksumErrorsAmongTheSocketsDropsAreUdpsAndNotTheBuffers) {
  const auto charged =
      charge(Path::udp_socket, with(undisturbed(2000), {{"receiver.socket.drops", 130},
                                                        {"receiver.udp.RcvbufErrors", 100},
                                                        {"receiver.udp.InCsumErrors", 30},
                                                        {"receiver.udp.InErrors", 130},
                                                        {"receiver.udp.InDatagrams", -130}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_socket_buffer", 100}, {"kernel_udp", 30}}));
  EXPECT_TRUE(charged.doubts.empty());
}

TEST(KernelBooks, VethDropThatBothEndsCountIsTheSendersAlone) {
  const auto charged =
      charge(Path::udp_socket, with(undisturbed(2000), {{"sender.link.tx_dropped", 300},
                                                        {"sender.port.accepted_pkts", 300},
                                                        {"receiver.link.rx_dropped", 340},
                                                        {"receiver.ip.InReceives", -40},
                                                        {"receiver.ip.InDelivers", -40},
                                                        {"receiver.udp.InDatagrams", -40}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_link_tx", 300}, {"kernel_link_rx", 40}}));
  EXPECT_TRUE(charged.doubts.empty()) << charged.doubts[0];
}

TEST(KernelBooks, FrameThatTheRingSentAgainAfterARefusalIsNotLost) {
  // 2000 accepted, all went out, and 77 refusals on the way.
  const auto charged =
      charge(Path::dpdk, with(undisturbed(2000), {{"sender.link.tx_dropped", 77},
                                                  {"receiver.link.rx_dropped", 77},
                                                  {"receiver.packet_ring.tp_packets", 2000},
                                                  {"receiver.packet_ring.tp_drops", 0}}));
  EXPECT_EQ(charged.losses, Losses{});
  EXPECT_TRUE(charged.doubts.empty());
}

TEST(KernelBooks, FramesThatTheSenderDidNotSendAreADoubt) {
  auto charged =
      charge(Path::udp_socket, with(undisturbed(2000), {{"sender.port.accepted_pkts", -3}}));
  EXPECT_EQ(charged.doubts, std::vector<std::string>{"the sender's device sent or dropped 3 frames "
                                                     "more than were put on it"});
  charged = charge(Path::udp_socket, with(undisturbed(2000), {{"sender.port.accepted_pkts", 4}}));
  EXPECT_EQ(charged.doubts, std::vector<std::string>{"the sender's device sent or dropped 4 frames "
                                                     "fewer than were put on it"});
}

TEST(KernelBooks, FrameThatTheQdiscRefusedAndTheRingSentAgainIsNotLost) {
  const auto charged =
      charge(Path::dpdk, with(undisturbed(2000), {{"sender.qdisc.drops", 5648},
                                                  {"receiver.packet_ring.tp_packets", 2000},
                                                  {"receiver.packet_ring.tp_drops", 0}}));
  EXPECT_EQ(charged.losses, Losses{});
  EXPECT_TRUE(charged.doubts.empty());
}

TEST(KernelBooks, RefusalsOfTwoLayersOfWhichSomeWereSentAgainAreADoubt) {
  // 100 by the qdisc, 50 by the device, 120 of them sent again: 30 lost, and it is open where.
  const auto charged =
      charge(Path::dpdk, with(undisturbed(2000), {{"sender.qdisc.drops", 100},
                                                  {"sender.link.tx_dropped", 50},
                                                  {"sender.port.accepted_pkts", 30},
                                                  {"receiver.link.rx_dropped", 50},
                                                  {"receiver.packet_ring.tp_packets", 2000},
                                                  {"receiver.packet_ring.tp_drops", 0}}));
  EXPECT_EQ(charged.stream.ledger.lost_pkts(), 30);
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_NE(charged.doubts[0].find("cannot be told"), std::string::npos);
}

TEST(KernelBooks, PacketRingIsChargedItsDropsAndNothingThatBefellTheOtherCopy) {
  const auto charged =
      charge(Path::dpdk, with(undisturbed(20'000), {{"receiver.packet_ring.tp_packets", 20'000},
                                                    {"receiver.packet_ring.tp_drops", 18'486},
                                                    {"receiver.link.rx_otherhost_dropped", 20'000},
                                                    {"receiver.udp.NoPorts", 20'000}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_packet_ring", 18'486}}));
  EXPECT_TRUE(charged.doubts.empty());
  EXPECT_EQ(charged.stream.ledger.pkts(Fate::kernel_udp), std::nullopt);
}

TEST(KernelBooks, XdpSocketIsChargedEachLossOnceAndTheLinkThatRepeatsItNotAtAll) {
  const auto charged =
      charge(Path::af_xdp,
             with(undisturbed(20'000), {{"receiver.xdp_socket.rx_dropped", 19'000},
                                        {"receiver.xdp_socket.rx_ring_full", 900},

                                        {"receiver.xdp_socket.rx_fill_ring_empty_descs", 19'000},
                                        {"receiver.link.rx_dropped", 19'900},
                                        {"receiver.udp.NoPorts", 7}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_xdp_ring", 19'900}}));
  EXPECT_TRUE(charged.doubts.empty());
}

TEST(KernelBooks, ProgramThatSawOtherFramesThanTheDeviceIsADoubt) {
  const auto charged = charge(Path::xdp_drop, with(undisturbed(100), {{"receiver.xdp.pkts", 99}}));
  EXPECT_EQ(charged.losses, Losses{});
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_EQ(charged.doubts[0], "receiver.xdp.pkts rose by 99, receiver.link.rx_packets by 100");
}

TEST(KernelBooks, RingThatSawOtherFramesThanTheDeviceIsADoubt) {
  const auto charged =
      charge(Path::dpdk, with(undisturbed(100), {{"receiver.packet_ring.tp_packets", 99},
                                                 {"receiver.packet_ring.tp_drops", 0}}));
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_EQ(charged.doubts[0],
            "receiver.packet_ring.tp_packets rose by 99, receiver.link.rx_packets by 100");
}

// Two NICs and a cable: none of the two counts what the other does.
TEST(KernelBooks, DriversAreChargedEachForItself) {
  Deltas deltas = undisturbed(1000);
  deltas["sender.link.tx_packets"] = 990;
  deltas["sender.link.tx_dropped"] = 7;
  deltas["sender.link.tx_errors"] = 3;
  deltas["receiver.link.rx_packets"] = 975;
  deltas["receiver.link.rx_missed_errors"] = 10;
  deltas["receiver.link.rx_errors"] = 1;
  deltas["receiver.driver.rx_no_dma_resources"] = 4;
  deltas["receiver.link.rx_dropped"] = 2;
  for (const char* name :
       {"receiver.ip.InReceives", "receiver.ip.InDelivers", "receiver.udp.InDatagrams"})
    deltas[name] = 973;
  const Charged charged = charge(Path::udp_socket, deltas, 1000, LinkKind::drivers);
  EXPECT_EQ(charged.losses, (Losses{{"kernel_link_tx", 10}, {"kernel_link_rx", 17}}));
  EXPECT_TRUE(charged.doubts.empty());
}

TEST(KernelBooks, WhatADriverDropsOfARingOrAProgramIsNotGuessed) {
  for (const Path path : {Path::dpdk, Path::packet_mmap, Path::af_xdp, Path::xdp_drop}) {
    Deltas deltas = undisturbed(1000);
    deltas["receiver.link.rx_missed_errors"] = 10;
    deltas["receiver.link.rx_dropped"] = 2;
    const Charged charged = charge(path, deltas, 1000, LinkKind::drivers);
    EXPECT_EQ(charged.losses, (Losses{{"kernel_link_rx", 10}})) << name_of(path);
  }
}

TEST(KernelBooks, FramesOfOthersOnTheWireAndLateCountsAreNoDoubtBetweenDrivers) {
  Deltas deltas = undisturbed(1000);
  deltas["sender.link.tx_packets"] = 950;     // the driver has not told the rest yet
  deltas["receiver.link.rx_packets"] = 1004;  // LLDP
  deltas["receiver.packet_ring.tp_packets"] = 1001;
  deltas["receiver.xdp.pkts"] = 1002;
  for (const Path path : {Path::udp_socket, Path::packet_mmap, Path::xdp_drop}) {
    EXPECT_TRUE(charge(path, deltas, 1000, LinkKind::drivers).doubts.empty()) << name_of(path);
    EXPECT_FALSE(charge(path, deltas, 1000).doubts.empty()) << name_of(path);
  }
}

TEST(KernelBooks, OtherReasonsAreNamed) {
  const auto charged =
      charge(Path::udp_socket, with(undisturbed(2000), {{"receiver.link.rx_otherhost_dropped", 5},
                                                        {"receiver.qdisc.ingress_drops", 7},
                                                        {"receiver.ip.InReceives", -12},
                                                        {"receiver.ip.InDelivers", -12},
                                                        {"receiver.udp.InDatagrams", -12}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_other", 12}}));
  EXPECT_EQ(charged.stream.kernel_other_reasons,
            (std::map<std::string, std::int64_t>{{"not addressed to this MAC", 5},
                                                 {"ingress filter", 7}}));
  EXPECT_TRUE(charged.doubts.empty()) << charged.doubts[0];
}

TEST(KernelBooks, LossOfTheWarmUpIsTakenOffTheOwnerThatChargedIt) {
  const auto charged =
      charge(Path::udp_socket, with(undisturbed(2000), {{"receiver.socket.drops", 600},
                                                        {"receiver.udp.RcvbufErrors", 600},
                                                        {"receiver.udp.InErrors", 600},
                                                        {"receiver.udp.InDatagrams", -600},
                                                        {"sender.port.warmup_pkts", 1000},
                                                        {"receiver.port.warmup_pkts", 580}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_socket_buffer", 180}}));
  EXPECT_TRUE(charged.doubts.empty());
}

TEST(KernelBooks, LossOfTheWarmUpAmongSeveralOwnersClosesTheBooksAndIsADoubt) {
  const auto charged =
      charge(Path::udp_socket, with(undisturbed(2000), {{"receiver.socket.drops", 60},
                                                        {"receiver.udp.RcvbufErrors", 60},
                                                        {"receiver.udp.InErrors", 60},
                                                        {"receiver.udp.InDatagrams", -60},
                                                        {"sender.qdisc.drops", 50},
                                                        {"sender.port.accepted_pkts", 50},
                                                        {"sender.port.warmup_pkts", 1000},
                                                        {"receiver.port.warmup_pkts", 900}}));
  EXPECT_EQ(charged.stream.ledger.lost_pkts(), 10);
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_NE(charged.doubts[0].find("100 frames were lost in the warm-up"), std::string::npos);
}

TEST(KernelBooks, ModelHasNone) {
  const auto books = make_kernel_books(order_of(Path::model));
  ASSERT_FALSE(books);
  EXPECT_EQ(books.error().code, Errc::bad_experiment);
}

// Frames fall at random places on the way up, each counted by every counter that counts it in the
// kernel: the books close, each loss at its owner, without a doubt.
TEST(KernelBooks, WhateverFallsWhereverTheBooksClose) {
  EXPECT_TRUE(rc::check([] {
    const auto some = [] { return *rc::gen::inRange<std::int64_t>(0, 1000); };
    const auto n = 20'000 + some();
    const auto qdisc = some(), link_tx = some(), ethertype = some(), otherhost = some(),
               header = some(), no_route = some(), no_port = some(), bad_sum = some(),
               buffer = some();
    const auto sent = n - qdisc - link_tx;
    const auto ip_in = sent - ethertype - otherhost;
    const auto delivered = ip_in - header - no_route;
    const auto read = delivered - no_port - bad_sum - buffer;
    const auto late_sums = *rc::gen::inRange<std::int64_t>(0, bad_sum + 1);
    const auto charged = charge(Path::udp_socket,
                                {{"sender.link.tx_packets", sent},
                                 {"sender.link.tx_dropped", link_tx},
                                 {"sender.qdisc.drops", qdisc},
                                 {"sender.port.accepted_pkts", n},
                                 {"receiver.link.rx_packets", sent},
                                 {"receiver.link.rx_dropped", link_tx + ethertype},
                                 {"receiver.link.rx_otherhost_dropped", otherhost},
                                 {"receiver.ip.InReceives", ip_in},
                                 {"receiver.ip.InHdrErrors", header},
                                 {"receiver.ipext.InCsumErrors", header / 2},
                                 {"receiver.ipext.InNoRoutes", no_route},
                                 {"receiver.ip.InDelivers", delivered},
                                 {"receiver.udp.InDatagrams", read},
                                 {"receiver.udp.NoPorts", no_port},
                                 {"receiver.udp.InErrors", bad_sum + buffer},
                                 {"receiver.udp.InCsumErrors", bad_sum},
                                 {"receiver.udp.RcvbufErrors", buffer},
                                 {"receiver.socket.drops", buffer + late_sums}},
                                n);
    RC_ASSERT(charged.doubts.empty());
    StreamAccount stream = charged.stream;
    stream.ledger.add(Fate::received, read);
    RC_ASSERT(stream.ledger.unaccounted_pkts() == 0);
    RC_ASSERT(stream.ledger.pkts(Fate::kernel_qdisc) == qdisc);
    RC_ASSERT(stream.ledger.pkts(Fate::kernel_link_tx) == link_tx);
    RC_ASSERT(stream.ledger.pkts(Fate::kernel_link_rx) == ethertype);
    RC_ASSERT(stream.ledger.pkts(Fate::kernel_ip) == header + no_route);
    RC_ASSERT(stream.ledger.pkts(Fate::kernel_udp) == no_port + bad_sum);
    RC_ASSERT(stream.ledger.pkts(Fate::kernel_socket_buffer) == buffer);
    RC_ASSERT(stream.ledger.pkts(Fate::kernel_other) == otherhost);
  }));
}

}  // namespace
}  // namespace pollmark
