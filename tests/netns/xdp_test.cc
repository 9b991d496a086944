// The paths af_xdp and xdp_drop, with a sender whose every frame is known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closed_books.h"
#include "frame_gun.h"
#include "kernel/af_xdp.h"
#include "kernel/xdp_drop.h"
#include "network_lab.h"

#define NEEDS_XDP_LAB() \
  NEEDS_NETWORK_LAB();  \
  if (auto needed = need_capability("CAP_BPF"); !needed) GTEST_SKIP() << needed.error().text()

namespace pollmark {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TrialOrder xdp_order(Path path, XdpMode mode) {
  TrialOrder order = veth_order(path);
  order.traffic.flows = 8;
  order.seconds = 0.04;
  order.receiver.xdp_mode = mode;
  // Enough for all that these tests send: a thread that is not let run loses nothing.
  order.receiver.xdp_rx_ring = 16384;
  order.receiver.xdp_fill_ring = 16384;
  return order;
}

Result<TrialResult> run(const TrialOrder& order, GunOrder gun) {
  return gun_trial(order, std::move(gun),
                   order.path == Path::af_xdp ? make_af_xdp_receiver : make_xdp_drop_receiver);
}

class Xdp : public ::testing::TestWithParam<XdpMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, Xdp, ::testing::Values(XdpMode::native, XdpMode::generic),
                         [](const auto& mode) { return std::string(name_of(mode.param)); });

TEST_P(Xdp, SocketReceivesEveryFrameOnceWithItsBytes) {
  NEEDS_XDP_LAB();
  GunOrder gun{.frames = 5000, .warmup_frames = 500, .bytes_without_fcs = 96};
  gun.times = [](std::int64_t i) { return i % 100 == 7 ? 2 : 1; };
  const auto result = run(xdp_order(Path::af_xdp, GetParam()), gun);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 5000);
  EXPECT_EQ(result->ledger().pkts(Fate::duplicate), 50);
  EXPECT_EQ(result->ledger().lost_pkts(), 0);
  EXPECT_EQ(result->streams[0].received_bytes, 5000 * 100);
  ASSERT_TRUE(result->latency_ns.rx);
  EXPECT_EQ(result->latency_ns.rx->count() + result->latency_ns.rx->out_of_range(), 5000);
  ASSERT_TRUE(result->syscalls_per_pkt);
  EXPECT_GT(*result->syscalls_per_pkt, 0.0);
  EXPECT_FALSE(result->knobs.at("need_wakeup").exercised);
  const Knob& ring = result->knobs.at("xdp_rx_ring");
  EXPECT_EQ(ring.effective, "16384");
  EXPECT_TRUE(ring.exercised);
  EXPECT_EQ(result->knobs.at("xdp_mode").effective, name_of(GetParam()));
}

// The thread stops for 100 ms at 50 kpps; what the rings do not hold is lost.
Result<TrialResult> run_past_held_rings(XdpMode mode, int fill_ring, int rx_ring) {
  TrialOrder order = xdp_order(Path::af_xdp, mode);
  order.receiver.xdp_fill_ring = fill_ring;
  order.receiver.xdp_rx_ring = rx_ring;
  order.planted_stop_ns = 100'000'000;
  order.seconds = 0.02;
  return run(order, {.frames = 6000});
}

// All of it, by one counter, and nothing by the other.
void expect_lost_by(const TrialResult& result, const char* owner, const char* other) {
  expect_books_closed(result);
  const auto lost = result.ledger().pkts_or_zero(Fate::kernel_xdp_ring);
  EXPECT_GT(lost, 1000);
  EXPECT_EQ(lost, result.ledger().lost_pkts());
  EXPECT_EQ(result.streams[0].tracker_missing_pkts, lost);
  EXPECT_EQ(result.counters.at(owner).delta, lost);
  EXPECT_EQ(result.counters.at(other).delta, 0);
  EXPECT_EQ(result.limited_by, "kernel:xdp_ring");
}

constexpr const char* kFillEmpty = "receiver.xdp_socket.rx_dropped";
constexpr const char* kRxFull = "receiver.xdp_socket.rx_ring_full";

TEST_P(Xdp, FramesBeyondAHeldFillRingAreChargedToThePacket) {
  NEEDS_XDP_LAB();
  const auto result = run_past_held_rings(GetParam(), 512, 512);
  ASSERT_TRUE(result) << result.error().text();
  expect_lost_by(*result, kFillEmpty, kRxFull);
  EXPECT_THAT(result->knobs.at("xdp_rx_ring").evidence, StartsWith("up to 512 of 512"));
}

TEST_P(Xdp, FramesBeyondAFullRxRingAreNotAddedToTheFillRings) {
  NEEDS_XDP_LAB();
  const auto result = run_past_held_rings(GetParam(), 4096, 256);
  ASSERT_TRUE(result) << result.error().text();
  expect_lost_by(*result, kRxFull, kFillEmpty);
}

TEST(XdpBusyPoll, ReaderThatPollsTheDeviceShowsThatItDid) {
  NEEDS_XDP_LAB();
  TrialOrder order = xdp_order(Path::af_xdp, XdpMode::native);
  order.receiver.socket_busy_poll_ns = 50'000;
  const auto result = run(order, {.frames = 5000});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 5000);
  const Knob& knob = result->knobs.at("socket_busy_poll");
  EXPECT_EQ(knob.effective, "50 us");
  const auto polled = result->counters.at("receiver.tcpext.BusyPollRxPackets").delta;
  ASSERT_TRUE(polled);
  EXPECT_EQ(knob.exercised, *polled > 0) << knob.evidence;
}

TEST_P(Xdp, ProgramCountsEveryFrameOfTheWindowWithItsBytes) {
  NEEDS_XDP_LAB();
  GunOrder gun{.frames = 5000, .warmup_frames = 500, .bytes_without_fcs = 96};
  gun.spoil = [](FrameBytes& frame, std::int64_t i) {
    if (i < 5) frame[12] = 0x99;            // another ethertype
    if (i >= 5 && i < 9) frame[42] = 0x11;  // another magic
  };
  const auto result = run(xdp_order(Path::xdp_drop, GetParam()), gun);
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->ledger().pkts(Fate::received), 4991);
  EXPECT_EQ(result->ledger().pkts(Fate::foreign), 9);
  EXPECT_EQ(result->ledger().unaccounted_pkts(), 9);
  EXPECT_EQ(result->streams[0].received_bytes, 4991 * 100);
  EXPECT_EQ(result->counters.at("receiver.xdp.pkts").delta, 5500);
  EXPECT_EQ(result->counters.at("receiver.link.rx_packets").delta, 5500);
  EXPECT_FALSE(result->latency_ns.rx);
  EXPECT_FALSE(result->streams[0].tracker_missing_pkts);
  EXPECT_TRUE(result->knobs.at("xdp_mode").exercised);
}

TEST(XdpRefusals, ZeroCopyOfAVethIsRefusedInTheKernelsWords) {
  NEEDS_XDP_LAB();
  TrialOrder order = xdp_order(Path::af_xdp, XdpMode::native);
  order.receiver.zero_copy = true;
  const auto result = run(order, {.frames = 10});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::host_cannot);
  EXPECT_THAT(result.error().text(), HasSubstr("Operation not supported"));
  EXPECT_THAT(result.error().text(), HasSubstr("zero-copy"));
}

TEST(XdpRefusals, AProgramHasNoStageNoStopAndOneQueue) {
  TrialOrder order = xdp_order(Path::xdp_drop, XdpMode::native);
  order.receiver.stage = StageKind::touch;
  EXPECT_THAT(make_xdp_drop_receiver(order, {}).error().what, HasSubstr("stage none"));
  order.receiver.stage = StageKind::none;
  order.planted_stop_ns = 1;
  EXPECT_THAT(make_xdp_drop_receiver(order, {}).error().what, HasSubstr("no thread"));
  order.planted_stop_ns = 0;
  order.receiver.queues = 2;
  EXPECT_EQ(make_xdp_drop_receiver(order, {}).error().what, "path xdp_drop: one queue only");
}

}  // namespace
}  // namespace pollmark
