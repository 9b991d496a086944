#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <string>

#include "datapath/frame.h"
#include "dpdk_trial.h"
#include "frame_gun.h"
#include "kernel/payload_stamp.h"

namespace pollmark {
namespace {

TEST(PayloadStamp, OfTheKernelsRoomIsWhatTheDatapathWrites) {
  const Stamp written{kStampMagic, 9, 4711, 123'456'789, 0x1122334455667788U};
  const auto read = PayloadStamp::read(
      static_cast<const std::uint8_t*>(static_cast<const void*>(&written)), sizeof written);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->epoch, written.epoch);
  EXPECT_EQ(read->flow, written.flow);
  EXPECT_EQ(read->sequence, written.sequence);
  EXPECT_EQ(read->tsc, written.ticks);
  static_assert(PayloadStamp::kBytes == sizeof(Stamp));
  static_assert(PayloadStamp::kMagic == kStampMagic);
}

TEST(DpdkEdges, RingOfAnySizeIsReadBackFromTheKernel) {
  NEEDS_DPDK_LAB();
  for (const int rx_ring : {1, 63, 1024}) {
    TrialOrder order = order_of(Path::dpdk);
    order.receiver.rx_ring = rx_ring;
    order.traffic.intended_pps = 2000;
    order.seconds = 0.02;
    order.warmup_seconds = 0.0;
    const auto result = run(order);
    ASSERT_TRUE(result) << rx_ring << ": " << result.error().text();
    expect_closed(*result);
    EXPECT_EQ(result->knobs.at("rx_ring").effective, std::to_string(rx_ring));
    EXPECT_GT(result->ledger().pkts_or_zero(Fate::received), 0);
  }
}

TEST(DpdkEdges, LargeFramesGoThroughWhole) {
  NEEDS_DPDK_LAB();
  for (const int bytes : {1518, 2000, 9018}) {
    TrialOrder order = order_of(Path::dpdk);
    order.traffic.frame_bytes = {bytes};
    order.traffic.intended_pps = 5000;
    order.seconds = 0.04;
    order.receiver.rx_ring = 512;
    order.receiver.stage = StageKind::checksum;
    const auto result = run(order);
    ASSERT_TRUE(result) << bytes << ": " << result.error().text();
    expect_closed(*result);
    const auto received = result->ledger().pkts_or_zero(Fate::received);
    EXPECT_GT(received, 0) << bytes;
    EXPECT_EQ(result->ledger().pkts(Fate::corrupt), 0) << bytes;
    EXPECT_EQ(result->streams[0].received_bytes, received * bytes);
  }
}

TEST(DpdkEdges, FrameThatThePeerRefusesIsNeitherSentNorLost) {
  NEEDS_DPDK_LAB();
  TrialOrder order = order_of(Path::dpdk);
  order.traffic.frame_bytes = {1000};
  order.traffic.intended_pps = 10'000;
  order.seconds = 0.05;
  order.warmup_seconds = 0.0;
  const auto lab = VethLab::create(order);
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->receiver_place().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_mtu("b0", 600));
  const auto result = run(order, *lab);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  // The kernel puts each refused frame back into the ring and counts every refusal as a drop.
  EXPECT_EQ(result->ledger().offered_pkts(), 0);
  EXPECT_EQ(result->ledger().pkts(Fate::tx_unsent), 500);
  EXPECT_EQ(losses_of(*result), Losses{});
  EXPECT_GT(result->counters.at("sender.link.tx_dropped").delta.value_or(0), 0);
  EXPECT_TRUE(has_reason(*result, "generator_short"));
}

TEST(DpdkEdges, ArrivalLawsKeepTheirRateAndTheirBooks) {
  NEEDS_DPDK_LAB();
  for (const ArrivalKind kind : {ArrivalKind::poisson, ArrivalKind::burst}) {
    TrialOrder order = order_of(Path::dpdk);
    order.seconds = 0.1;
    order.traffic.arrivals = {.kind = kind, .burst_frames = kind == ArrivalKind::burst ? 64 : 1};
    const auto result = run(order);
    ASSERT_TRUE(result) << result.error().text();
    expect_closed(*result);
    // Poisson: 5 000 +- 5 standard deviations; bursts: whole ones.
    EXPECT_NEAR(static_cast<double>(result->ledger().intended_pkts()), 5'000.0, 354.0);
    if (kind == ArrivalKind::burst) {
      EXPECT_EQ(result->ledger().intended_pkts() % 64, 0);
    }
  }
}

TEST(DpdkEdges, CaptureIsReplayedFrameByFrame) {
  NEEDS_DPDK_LAB();
  const auto file = std::filesystem::temp_directory_path() /
                    ("pollmark_replay_" + std::to_string(getpid()) + ".pcap");
  pcap_t* dead = pcap_open_dead(DLT_EN10MB, 65535);
  pcap_dumper_t* dumper = pcap_dump_open(dead, file.c_str());
  ASSERT_NE(dumper, nullptr);
  for (const std::size_t bytes : {60U, 200U, 1500U}) {
    FrameBytes frame = stamped_frame(NetdevPlace{}, 1, 0, 0, bytes);
    pcap_pkthdr header{};
    header.caplen = header.len = static_cast<bpf_u_int32>(bytes);
    pcap_dump(static_cast<u_char*>(static_cast<void*>(dumper)), &header, frame.data());
  }
  pcap_dump_close(dumper);
  pcap_close(dead);
  TrialOrder order = order_of(Path::dpdk);
  order.traffic.kind = TrafficKind::replay;
  order.traffic.pcap = file.string();
  order.traffic.intended_pps = 3000;
  order.seconds = 0.1;
  const auto result = run(order);
  std::filesystem::remove(file);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  const Ledger ledger = result->ledger();
  EXPECT_EQ(ledger.intended_pkts(), 300);
  EXPECT_FALSE(result->streams[0].tracker_missing_pkts);
  if (losses_of(*result).empty()) {
    EXPECT_EQ(result->streams[0].received_bytes, result->streams[0].offered_bytes);
    EXPECT_EQ(ledger.pkts(Fate::received), ledger.offered_pkts());
  }
}

TEST(DpdkEdges, ManyTrialsInOneProcessLeaveNoPortAndNoDescriptorBehind) {
  NEEDS_DPDK_LAB();
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  TrialOrder order = order_of(Path::dpdk);
  order.seconds = 0.01;
  order.warmup_seconds = 0.0;
  ASSERT_TRUE(run(order));
  const auto before = descriptors();
  for (int i = 0; i < 3; ++i) {
    const auto result = run(order);
    ASSERT_TRUE(result) << result.error().text();
    expect_closed(*result);
  }
  EXPECT_EQ(descriptors(), before);
}

TEST(DpdkEdges, WhatThisPathHasNotIsRefusedByName) {
  const NetdevPlace nowhere;
  TrialOrder order = order_of(Path::dpdk);
  order.receiver.queues = 2;
  EXPECT_EQ(make_dpdk_receiver(order, nowhere).error().code, Errc::bad_experiment);
  order = order_of(Path::dpdk);
  order.receiver.rx_offloads = {"checksum"};
  EXPECT_EQ(make_dpdk_receiver(order, nowhere).error().code, Errc::bad_experiment);
  order = order_of(Path::dpdk);
  order.traffic.frame_bytes = {9018};
  const auto sender = make_dpdk_sender(order, nowhere);
  ASSERT_FALSE(sender);
  EXPECT_EQ(sender.error().code, Errc::bad_experiment);
  order = order_of(Path::dpdk);
  order.generator_lcores = {0};
  order.receiver_lcores = {0};
  EXPECT_EQ(make_dpdk_receiver(order, nowhere).error().text(), "needs 2 CPUs");
}

}  // namespace
}  // namespace pollmark
