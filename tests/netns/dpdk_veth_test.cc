#include <gtest/gtest.h>

#include "dpdk_trial.h"
#include "rig/isa.h"

namespace pollmark {
namespace {

TEST(DpdkOverVeth, BooksCloseToThePacket) {
  NEEDS_DPDK_LAB();
  const TrialOrder order = order_of(Path::dpdk);
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  const Ledger ledger = result->ledger();
  EXPECT_EQ(ledger.intended_pkts(), 10'000);
  EXPECT_EQ(ledger.offered_pkts() + ledger.pkts_or_zero(Fate::tx_unsent), 10'000);
  EXPECT_GT(ledger.pkts_or_zero(Fate::received), 0);
  EXPECT_EQ(result->streams[0].received_bytes, 64 * ledger.pkts_or_zero(Fate::received));
  ASSERT_TRUE(result->latency_ns.rx);
  EXPECT_EQ(result->latency_ns.rx->count() + result->latency_ns.rx->out_of_range(),
            ledger.pkts_or_zero(Fate::received));
  EXPECT_EQ(result->knobs.at("rx_ring").effective, "4096");
  EXPECT_EQ(result->knobs.at("rx_ring").state, KnobState::confirmed);
  // The other copy died at the first line of the stack, all of it.
  EXPECT_EQ(result->counters.at("receiver.link.rx_otherhost_dropped").delta,
            result->counters.at("receiver.link.rx_packets").delta);
  EXPECT_EQ(result->counters.at("receiver.ip.InDelivers").delta, 0);
  EXPECT_EQ(result->counters.at("receiver.icmp.OutMsgs").delta, 0);
  EXPECT_TRUE(result->generator.late_p99_ns);
  EXPECT_EQ(result->isa, (*chosen_hot_level())->name);
  EXPECT_EQ(result->queues[0].occupancy_max, std::nullopt) << "this driver does not tell";
}

TEST(DpdkOverVeth, BooksCloseWithTheKernelsSocketAtTheOtherEnd) {
  NEEDS_DPDK_LAB();
  TrialOrder order = order_of(Path::udp_socket);
  order.traffic.frame_bytes = {64, 65, 594, 1518};
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  // Every checksum, address and length was to the kernel's liking.
  const Losses losses = losses_of(*result);
  for (const char* fate : {"kernel_ip", "kernel_udp", "kernel_other", "kernel_link_rx"}) {
    EXPECT_FALSE(losses.contains(fate)) << fate;
  }
  EXPECT_GT(result->ledger().pkts_or_zero(Fate::received), 0);
}

// Both ways on two CPUs: senders share one, receivers the other.
TrialOrder both_ways_order(Path path) {
  TrialOrder order = order_of(path);
  const auto cpus = trial_cpus(order);
  order.traffic.direction = Direction::both;
  order.traffic.intended_pps = 10'000;
  order.generator_lcores = {cpus->senders.front(), cpus->senders.front()};
  order.receiver_lcores = {cpus->receivers.front(), cpus->receivers.front()};
  return order;
}

TEST(DpdkOverVeth, BooksCloseInBothDirectionsAtOnce) {
  NEEDS_DPDK_LAB();
  for (const Path path : {Path::dpdk, Path::udp_socket}) {
    SCOPED_TRACE(name_of(path));
    const auto result = run(both_ways_order(path));
    ASSERT_TRUE(result) << result.error().text();
    expect_closed(*result);
    ASSERT_EQ(result->streams.size(), 2U);
    for (const StreamAccount& stream : result->streams) {
      EXPECT_EQ(stream.ledger.intended_pkts(), 2'000);
      EXPECT_GT(stream.ledger.pkts_or_zero(Fate::received), 0);
      EXPECT_EQ(stream.ledger.unaccounted_pkts(), 0);
    }
    EXPECT_TRUE(result->counters.contains("back.receiver.link.rx_packets"));
  }
}

TEST(DpdkOverVeth, APortOfBothWaysReceivesWhatArrivesAndNothingElse) {
  NEEDS_DPDK_LAB();
  const auto result = run(both_ways_order(Path::dpdk));
  ASSERT_TRUE(result) << result.error().text();
  for (const char* side : {"", "back."}) {
    const auto& taken = result->counters.at(std::string(side) + "receiver.packet_ring.tp_packets");
    const auto& arrived = result->counters.at(std::string(side) + "receiver.link.rx_packets");
    EXPECT_EQ(taken.delta, arrived.delta) << side;
  }
}

TEST(DpdkOverVeth, EveryOneOf65536FlowsIsTakenByTheKernel) {
  NEEDS_DPDK_LAB();
  TrialOrder order = order_of(Path::udp_socket);
  order.traffic.flows = 65'536;
  order.traffic.intended_pps = 400'000;
  order.receiver.socket_buffer_bytes = 256 << 20;
  order.warmup_seconds = 0.0;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_EQ(result->counters.at("receiver.udp.NoPorts").delta, 0);
  EXPECT_FALSE(losses_of(*result).contains("kernel_ip"));
  EXPECT_FALSE(losses_of(*result).contains("kernel_udp"));
}

TEST(DpdkOverVeth, PlantedStopIsAStalledReceiverAndItsLossIsTheRings) {
  NEEDS_DPDK_LAB();
  TrialOrder order = order_of(Path::dpdk);
  order.receiver.rx_ring = 256;
  order.planted_stop_ns = 100'000'000;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  const Losses losses = losses_of(*result);
  ASSERT_TRUE(losses.contains("kernel_packet_ring"));
  EXPECT_EQ(losses.size(), 1U);
  EXPECT_EQ(result->streams[0].tracker_missing_pkts, losses.at("kernel_packet_ring"));
  EXPECT_FALSE(result->valid);
  EXPECT_TRUE(has_reason(*result, "receiver_stalled"));
  EXPECT_GE(result->stalls.longest_ns, order.planted_stop_ns);
  EXPECT_TRUE(result->streams[0].first_loss_s);
}

TEST(DpdkOverVeth, WarmUpIsNoPartOfTheBooks) {
  NEEDS_DPDK_LAB();
  TrialOrder order = order_of(Path::dpdk);
  order.warmup_seconds = 0.1;
  order.seconds = 0.05;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_EQ(result->ledger().intended_pkts(), 2500);
  EXPECT_GT(result->counters.at("sender.port.warmup_pkts").delta.value_or(0), 0);
  EXPECT_EQ(result->ledger().pkts(Fate::late), 0);
  std::int64_t polled = 0;
  std::int64_t received = 0;
  for (const TimelinePoint& point : result->timeline) {
    polled += point.polled_pkts.value_or(0);
    received += point.received_pkts.value_or(0);
  }
  EXPECT_EQ(received, result->ledger().pkts_or_zero(Fate::received));
  // Those of the warm-up are no part of it, but for what came in one burst with the first.
  EXPECT_GE(polled, received);
  EXPECT_LE(polled, received + order.receiver.burst);
}

TEST(DpdkOverVeth, WarmUpHasARateOfItsOwn) {
  NEEDS_DPDK_LAB();
  TrialOrder order = order_of(Path::dpdk);
  order.warmup_seconds = 0.1;
  order.seconds = 0.05;
  order.traffic.warmup_pps = 10'000.0;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_EQ(result->ledger().intended_pkts(), 2500);
  // Frames that a stall had the sender give up are missing: never are there more.
  EXPECT_LE(result->counters.at("sender.port.warmup_pkts").delta.value_or(0), 1000);
  EXPECT_GT(result->counters.at("sender.port.warmup_pkts").delta.value_or(0), 0);
}

TEST(DpdkOverVeth, MaximumLoadMeasuresAndTheBooksStillClose) {
  NEEDS_DPDK_LAB();
  TrialOrder order = order_of(Path::udp_socket);
  order.traffic.load.unit = LoadUnit::max;
  order.traffic.intended_pps = 0.0;
  order.receiver.socket_buffer_bytes = 64 << 10;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::tx_unsent), 0);
  EXPECT_GT(result->offered_pps.value_or(0.0), 0.0);
}

TEST(DpdkOverVeth, QdiscOnTheSendersDeviceIsPartOfThePathAndHoldsTheSenderBack) {
  NEEDS_DPDK_LAB();
  TrialOrder order = order_of(Path::dpdk);
  order.seconds = 0.1;
  order.warmup_seconds = 0.0;
  const auto lab = VethLab::create(order);
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->sender_place().netns_fd);
  // 1 MB/s of 60-byte frames is below 50 kpps.
  ASSERT_TRUE(netlink && netlink->set_tbf("a0", 1'000'000, 2000, 3000));
  const auto result = run(order, *lab);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  // What the qdisc refuses stays in the transmit ring and goes out later: late, not lost.
  EXPECT_GT(result->counters.at("sender.qdisc.drops").delta.value_or(0), 0);
  EXPECT_EQ(result->ledger().pkts(Fate::kernel_qdisc), 0);
  EXPECT_GT(result->ledger().pkts_or_zero(Fate::tx_unsent), 0);
  EXPECT_TRUE(has_reason(*result, "generator_short"));
}

}  // namespace
}  // namespace pollmark
