#include "kernel/packet_mmap.h"

#include <gtest/gtest.h>

#include "closed_books.h"
#include "frame_gun.h"
#include "network_lab.h"

namespace pollmark {
namespace {

TrialOrder ring_order() {
  TrialOrder order = veth_order(Path::packet_mmap);
  order.traffic.flows = 8;
  order.seconds = 0.04;
  return order;
}

Result<TrialResult> run(const TrialOrder& order, GunOrder gun) {
  return gun_trial(order, std::move(gun), make_packet_mmap_receiver);
}

TEST(PacketMmap, EveryFrameIsReceivedOnceWithItsBytes) {
  NEEDS_NETWORK_LAB();
  GunOrder gun{.frames = 5000, .warmup_frames = 500, .bytes_without_fcs = 96};
  gun.times = [](std::int64_t i) { return i % 100 == 7 ? 2 : 1; };
  const auto result = run(ring_order(), gun);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 5000);
  EXPECT_EQ(result->ledger().pkts(Fate::duplicate), 50);
  EXPECT_EQ(result->ledger().lost_pkts(), 0);
  EXPECT_EQ(result->streams[0].received_bytes, 5000 * 100);
  ASSERT_TRUE(result->latency_ns.rx);
  EXPECT_EQ(result->latency_ns.rx->count() + result->latency_ns.rx->out_of_range(), 5000);
  EXPECT_GT(result->latency_ns.rx->min(), 0);
  EXPECT_EQ(result->counters.at("receiver.packet_ring.tp_packets").delta, 5000 + 50 + 500);
  const Knob& knob = result->knobs.at("packet_blocks");
  EXPECT_EQ(knob.requested, "64");
  EXPECT_EQ(knob.state, KnobState::confirmed);
  EXPECT_TRUE(knob.exercised);
}

TEST(PacketMmap, FramesBeyondAHeldRingAreChargedToItToThePacket) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = ring_order();
  order.receiver.packet_blocks = 2;
  order.receiver.packet_block_bytes = 16 << 10;
  order.planted_stop_ns = 100'000'000;
  order.seconds = 0.02;
  const auto result = run(order, {.frames = 6000});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  const auto lost = result->ledger().pkts_or_zero(Fate::kernel_packet_ring);
  EXPECT_GT(lost, 1000);  // most of the 100 ms of the stop at 50 kpps
  EXPECT_EQ(lost, result->ledger().lost_pkts());
  EXPECT_EQ(result->streams[0].tracker_missing_pkts, lost);
  EXPECT_EQ(result->limited_by, "kernel:packet_ring");
  EXPECT_TRUE(result->streams[0].first_loss_s);
  EXPECT_EQ(result->knobs.at("packet_blocks").evidence, "up to 2 of 2 blocks held frames at once");
}

TEST(PacketMmap, FramesThatAreNotTheTrialsAreForeign) {
  NEEDS_NETWORK_LAB();
  GunOrder gun{.frames = 1000};
  gun.spoil = [](FrameBytes& frame, std::int64_t i) {
    if (i < 5)
      frame[12] = 0x99;  // another ethertype
    else if (i < 9)
      frame[42] = 0x11;  // another magic
  };
  const auto result = run(ring_order(), gun);
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->ledger().pkts(Fate::received), 991);
  EXPECT_EQ(result->ledger().pkts(Fate::foreign), 9);
  EXPECT_EQ(result->ledger().unaccounted_pkts(), 9);
}

TEST(PacketMmap, RefusesWhatItHasNot) {
  TrialOrder order = ring_order();
  order.receiver.workers = 2;
  const auto receiver = make_packet_mmap_receiver(order, {});
  ASSERT_FALSE(receiver);
  EXPECT_EQ(receiver.error().what, "path packet_mmap: no workers");
}

}  // namespace
}  // namespace pollmark
