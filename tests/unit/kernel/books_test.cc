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
  std::vector<std::string> not_checked;
  Losses losses;
};

TrialOrder order_of(Path path) {
  TrialOrder order;
  order.path = path;
  return order;
}

std::map<std::string, CounterChange> changes_of(const Deltas& deltas) {
  std::map<std::string, CounterChange> changes;
  for (const auto& [name, delta] : deltas) {
    CounterChange change;
    change.before = 1000;
    change.after = static_cast<std::uint64_t>(1000 + delta);
    change.delta = delta;
    changes[name] = change;
  }
  return changes;
}

Losses losses_of(const Ledger& ledger) {
  Losses losses;
  for (const Fate fate : all_fates()) {
    if (fate_kind(fate) != FateKind::loss) continue;
    if (const auto pkts = ledger.pkts_or_zero(fate); pkts != 0) {
      losses[std::string(fate_name(fate))] = pkts;
    }
  }
  return losses;
}

Charged charge(const TrialOrder& order, const Deltas& deltas, std::int64_t offered,
               LinkKind link = LinkKind::veth_pair) {
  Charged charged;
  charged.stream.ledger.set_offered(offered);
  const auto books = make_kernel_books(order, nullptr, link);
  (*books)->charge(changes_of(deltas), charged.stream, charged.doubts);
  charged.losses = losses_of(charged.stream.ledger);
  return charged;
}

Charged charge(Path path, const Deltas& deltas, std::int64_t offered = 0,
               LinkKind link = LinkKind::veth_pair) {
  return charge(order_of(path), deltas, offered, link);
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

TEST(KernelBooks, SocketsThatShareThePortLoseTogether) {
  Deltas deltas = with(undisturbed(2000), {{"receiver.udp.RcvbufErrors", 70},
                                           {"receiver.udp.InErrors", 70},
                                           {"receiver.udp.InDatagrams", -70},
                                           {"receiver.socket.0.drops", 20},
                                           {"receiver.socket.1.drops", 0},
                                           {"receiver.socket.2.drops", 50}});
  deltas.erase("receiver.socket.drops");
  auto charged = charge(Path::udp_socket, deltas);
  EXPECT_EQ(charged.losses, (Losses{{"kernel_socket_buffer", 70}}));
  EXPECT_TRUE(charged.doubts.empty());
  deltas["receiver.socket.2.drops"] = 49;
  charged = charge(Path::udp_socket, deltas);
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_EQ(charged.doubts[0], "receiver.socket.drops rose by 69, receiver.udp.RcvbufErrors by 70");
}

TEST(KernelBooks, RingsOfAFanoutGroupShareTheFrames) {
  Deltas deltas = undisturbed(900);
  for (const auto& [name, delta] : Deltas{{"receiver.packet_ring.0.tp_packets", 500},
                                          {"receiver.packet_ring.1.tp_packets", 400},
                                          {"receiver.packet_ring.0.tp_drops", 30},
                                          {"receiver.packet_ring.1.tp_drops", 7}}) {
    deltas[name] = delta;
  }
  auto charged = charge(Path::packet_mmap, deltas);
  EXPECT_EQ(charged.losses, (Losses{{"kernel_packet_ring", 37}}));
  EXPECT_TRUE(charged.doubts.empty());
  deltas["receiver.packet_ring.1.tp_packets"] = 401;
  charged = charge(Path::packet_mmap, deltas);
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_EQ(charged.doubts[0],
            "receiver.packet_ring.tp_packets rose by 901, receiver.link.rx_packets by 900");
}

// 2000 frames of the wire that came up as 100 joined datagrams, of which a full buffer dropped 30.
Deltas joined_with_drops() {
  return with(undisturbed(2000), {{"receiver.ip.InReceives", -1900},
                                  {"receiver.ip.InDelivers", -1900},
                                  {"receiver.ipext.InNoECTPkts", 2000},
                                  {"receiver.udp.InDatagrams", -1930},
                                  {"receiver.udp.InErrors", 30},
                                  {"receiver.udp.RcvbufErrors", 30},
                                  {"receiver.socket.drops", 30}});
}

TrialOrder joining() {
  TrialOrder order = order_of(Path::udp_socket);
  order.receiver.udp_gro = true;
  return order;
}

Charged charge_joined(const Deltas& deltas) { return charge(joining(), deltas, 2000); }

TEST(KernelBooks, JoinedDatagramsWhoseFramesNobodyToldStayUnaccounted) {
  const auto charged = charge_joined(joined_with_drops());
  EXPECT_EQ(charged.losses, Losses{});
  EXPECT_EQ(charged.stream.ledger.pkts(Fate::kernel_socket_buffer), std::nullopt);
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_EQ(charged.doubts[0].substr(0, 74),
            "receiver.socket.drops rose by 30, each of one frame or more that came join");
}

TEST(KernelBooks, WithoutADropJoinedDatagramsNeedNobodyToTellTheirFrames) {
  const auto charged =
      charge_joined(with(undisturbed(2000), {{"receiver.ip.InReceives", -1900},
                                             {"receiver.ip.InDelivers", -1900},
                                             {"receiver.udp.InDatagrams", -1900},
                                             {"receiver.ipext.InNoECTPkts", 2000}}));
  EXPECT_EQ(charged.losses, Losses{});
  EXPECT_EQ(charged.stream.ledger.pkts(Fate::kernel_socket_buffer), 0);
  EXPECT_TRUE(charged.doubts.empty());
}

TEST(KernelBooks, FramesThatVanishBeforeTheyAreJoinedAreNoticed) {
  const Deltas joined = with(undisturbed(2000), {{"receiver.ip.InReceives", -1900},
                                                 {"receiver.ip.InDelivers", -1900},
                                                 {"receiver.udp.InDatagrams", -1900},
                                                 {"receiver.ipext.InNoECTPkts", 2000}});
  auto charged = charge_joined(with(joined, {{"receiver.ipext.InNoECTPkts", -4}}));
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_EQ(charged.doubts[0],
            "receiver.ipext.In*Pkts and the drops before it rose by 1996, receiver.link.rx_packets "
            "by 2000");
  // Their headers were wrong before anybody looked at their ECN bits.
  charged = charge_joined(
      with(joined, {{"receiver.ipext.InNoECTPkts", -4}, {"receiver.ip.InHdrErrors", 4}}));
  EXPECT_TRUE(charged.doubts.empty());
  EXPECT_EQ(charged.losses, (Losses{{"kernel_ip", 4}}));
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

// What the kernel gave up, by its own reasons, in the trial's two namespaces.
using Dropped = std::vector<std::pair<DropPlace, DropCount>>;
constexpr WayNamespaces kThere{.sender = 41, .receiver = 42};

DropPlace at_receiver(const std::string& reason, const std::string& function) {
  return {.netns = 42,
          .netdev = "b0",
          .reason = reason,
          .function = function,
          .ethertype = 0x0800,
          .direction = DropDirection::in};
}
DropPlace at_sender(const std::string& reason, const std::string& function) {
  return {.netns = 41,
          .netdev = "a0",
          .reason = reason,
          .function = function,
          .ethertype = 0x0800,
          .direction = DropDirection::out};
}

// Drops of before the trial are in the first reading already.
std::shared_ptr<const TrialDrops> watched(const Dropped& dropped,
                                          DropSource source = DropSource::bpf) {
  TrialDrops drops;
  drops.source = source;
  drops.there = kThere;
  drops.read = [dropped, readings = 0]() mutable -> Result<DropReading> {
    DropReading reading;
    reading.places[at_receiver("IP_LOCALNET", "before")] = {1000, 1000};
    if (readings++ > 0) {
      for (const auto& [place, count] : dropped) reading.places[place] = count;
    }
    return reading;
  };
  return std::make_shared<const TrialDrops>(std::move(drops));
}

Charged charge_with(const Deltas& deltas, std::int64_t offered, std::int64_t received,
                    std::shared_ptr<const TrialDrops> drops,
                    const TrialOrder& way = order_of(Path::udp_socket)) {
  Charged charged;
  charged.stream.ledger.set_offered(offered);
  charged.stream.ledger.add(Fate::received, received);
  const auto books = make_kernel_books(way, std::move(drops));
  (*books)->begin_watch();
  (*books)->end_watch();
  (*books)->charge(changes_of(deltas), charged.stream, charged.doubts);
  charged.not_checked = (*books)->not_checked();
  charged.losses = losses_of(charged.stream.ledger);
  return charged;
}

TEST(KernelBooksWithReasons, JoinedDatagramsAreChargedInFrames) {
  const auto full = [](std::int64_t pkts) {
    return watched({{at_receiver("SOCKET_RCVBUFF", "__udp_enqueue_schedule_skb"), {pkts, 610}}});
  };
  auto charged = charge_with(joined_with_drops(), 2000, 1390, full(30), joining());
  EXPECT_EQ(charged.losses, (Losses{{"kernel_socket_buffer", 610}}));
  EXPECT_TRUE(charged.doubts.empty());
  charged = charge_with(joined_with_drops(), 2000, 1390, full(31), joining());
  EXPECT_EQ(charged.doubts.size(), 1U) << "the kernel freed more than the counter has";
}

TEST(KernelBooksWithReasons, WhatNoCounterHasIsKernelOtherByItsReason) {
  const auto charged =
      charge_with(undisturbed(2000), 2000, 1900,
                  watched({{at_receiver("IP_LOCALNET", "ip_rcv_finish_core"), {100, 100}}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_other", 100}}));
  EXPECT_EQ(charged.stream.kernel_other_reasons, (Losses{{"IP_LOCALNET", 100}}));
  EXPECT_EQ(charged.stream.ledger.unaccounted_pkts(), 0);
  EXPECT_TRUE(charged.doubts.empty()) << charged.doubts[0];
  EXPECT_TRUE(charged.not_checked.empty());
  ASSERT_TRUE(charged.stream.drops);
  ASSERT_EQ(charged.stream.drops->places.size(), 1U) << "without what died before";
  EXPECT_EQ(charged.stream.drops->places[0].role, CounterRole::owner);
}

TEST(KernelBooksWithReasons, OwnersChargeFirstAndTheReasonsRepeatThem) {
  const auto charged =
      charge_with(with(undisturbed(2000), {{"receiver.socket.drops", 60},
                                           {"receiver.udp.RcvbufErrors", 60},
                                           {"receiver.udp.InErrors", 60},
                                           {"receiver.udp.InDatagrams", -60}}),
                  2000, 1930,
                  watched({{at_receiver("SOCKET_RCVBUFF", "udp_queue_rcv_one_skb"), {60, 60}},
                           {at_receiver("NETFILTER_DROP", "nft_do_chain"), {10, 10}}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_other", 10}, {"kernel_socket_buffer", 60}}));
  EXPECT_TRUE(charged.doubts.empty()) << charged.doubts[0];
}

TEST(KernelBooksWithReasons, ACounterThatTheReasonsContradictIsADoubt) {
  const auto charged = charge_with(
      with(undisturbed(2000), {{"receiver.udp.NoPorts", 50}, {"receiver.udp.InDatagrams", -50}}),
      2000, 1950, watched({{at_receiver("NO_SOCKET", "__udp4_lib_rcv"), {51, 51}}}));
  ASSERT_EQ(charged.doubts.size(), 1U);
  EXPECT_EQ(charged.doubts[0],
            "udp.NoPorts + InErrors - RcvbufErrors rose by 50, the kernel gave up 51 packets there "
            "by its own reasons");
}

TEST(KernelBooksWithReasons, FramesOfOthersAreNoLossOfTheTrial) {
  const auto charged =
      charge_with(undisturbed(2000), 2000, 2000,
                  watched({{at_receiver("IP_LOCALNET", "ip_rcv_finish_core"), {7, 7}}}));
  EXPECT_EQ(charged.losses, Losses{});
  EXPECT_EQ(charged.stream.ledger.unaccounted_pkts(), 0);
  EXPECT_EQ(charged.stream.drops->places.at(0).role, CounterRole::context);
}

TEST(KernelBooksWithReasons, LossOfTheWarmUpIsTakenOffItsReason) {
  const auto charged = charge_with(
      with(undisturbed(3000),
           {{"sender.port.warmup_pkts", 1000}, {"receiver.port.warmup_pkts", 970}}),
      2000, 1995, watched({{at_receiver("IP_LOCALNET", "ip_rcv_finish_core"), {35, 35}}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_other", 5}}));
  EXPECT_EQ(charged.stream.kernel_other_reasons, (Losses{{"IP_LOCALNET", 5}}));
  EXPECT_TRUE(charged.doubts.empty()) << charged.doubts[0];
}

TEST(KernelBooksWithReasons, SuperPacketsOfTheQdiscAreChargedInFrames) {
  // 40 calls of 16 frames: 30 reached the device and were cut, 10 the qdisc dropped whole.
  const auto charged = charge_with(
      with(undisturbed(480), {{"sender.qdisc.drops", 10}, {"sender.port.accepted_pkts", 160}}), 640,
      480, watched({{at_sender("QDISC_DROP", "__dev_queue_xmit"), {10, 160}}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_qdisc", 160}}));
  EXPECT_EQ(charged.stream.ledger.unaccounted_pkts(), 0);
  EXPECT_TRUE(charged.doubts.empty()) << charged.doubts[0];
}

TEST(KernelBooksWithReasons, WhatADeviceThatIsDownDropsIsItsOwn) {
  const auto charged = charge_with(
      with(undisturbed(400), {{"sender.link.tx_dropped", 100}, {"sender.port.accepted_pkts", 100}}),
      500, 400, watched({{at_sender("QDISC_DROP", "__dev_queue_xmit"), {100, 100}}}));
  EXPECT_EQ(charged.losses, (Losses{{"kernel_link_tx", 100}}));
  EXPECT_EQ(charged.stream.drops->places.at(0).fate, Fate::kernel_link_tx);
  EXPECT_TRUE(charged.doubts.empty()) << charged.doubts[0];
}

TEST(KernelBooksWithReasons, OnTheWayBackTheNamespacesAreExchanged) {
  TrialOrder back = order_of(Path::udp_socket);
  back.traffic.answers = true;
  DropPlace where = at_receiver("IP_LOCALNET", "ip_rcv_finish_core");
  where.netns = kThere.sender;
  const auto charged = charge_with(undisturbed(100), 100, 90, watched({{where, {10, 10}}}), back);
  EXPECT_EQ(charged.losses, (Losses{{"kernel_other", 10}}));
  EXPECT_EQ(charged.stream.drops->places.at(0).side, "receiver");
}

TEST(KernelBooksWithReasons, OfTheWholeHostAreShownAndNotCharged) {
  DropPlace where = at_receiver("IP_LOCALNET", "ip_rcv_finish_core");
  where.netns = 0;
  where.direction = DropDirection::not_told;
  const auto charged =
      charge_with(undisturbed(100), 100, 90, watched({{where, {10, 10}}}, DropSource::tracefs));
  EXPECT_EQ(charged.losses, Losses{});
  EXPECT_EQ(charged.stream.ledger.unaccounted_pkts(), 10);
  EXPECT_EQ(charged.stream.drops->source, "tracefs");
}

TEST(KernelBooksWithReasons, AWatchThatCannotBeHadIsSaidAndNothingElse) {
  TrialDrops drops;
  drops.not_watched = "drop reasons: BPF: needs CAP_BPF and CAP_PERFMON";
  auto charged =
      charge_with(undisturbed(100), 100, 90, std::make_shared<const TrialDrops>(std::move(drops)));
  EXPECT_EQ(charged.losses, Losses{});
  EXPECT_EQ(charged.stream.drops, std::nullopt);
  EXPECT_EQ(charged.not_checked,
            (std::vector<std::string>{"drop reasons: BPF: needs CAP_BPF and CAP_PERFMON"}));

  TrialDrops blinded;
  blinded.read = [readings = 0]() mutable -> Result<DropReading> {
    if (readings++ == 0) return DropReading{};
    return fail(Errc::host_cannot, "no memory", "BPF");
  };
  charged = charge_with(undisturbed(100), 100, 90,
                        std::make_shared<const TrialDrops>(std::move(blinded)));
  EXPECT_EQ(charged.stream.drops, std::nullopt);
  EXPECT_EQ(charged.not_checked, (std::vector<std::string>{"drop reasons: BPF: no memory"}));
}

TEST(TrialDrops, AreWatchedOnPathsThatHaveThemAndCanBeSwitchedOff) {
  TrialOrder order = order_of(Path::packet_mmap);
  EXPECT_EQ(watch_trial_drops(order, {}, {}), nullptr);
  order.path = Path::udp_socket;
  order.drop_reasons = DropReasonsRule::off;
  const auto off = watch_trial_drops(order, {}, {});
  ASSERT_TRUE(off);
  EXPECT_FALSE(off->read);
  EXPECT_EQ(off->not_watched, "drop reasons: switched off");
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
