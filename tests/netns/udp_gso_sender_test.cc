#include "kernel/udp_gso_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closed_books.h"
#include "host/netlink.h"
#include "kernel/books.h"
#include "kernel/udp_socket.h"
#include "kernel/veth_lab.h"
#include "network_lab.h"
#include "trial/trial.h"

namespace pollmark {
namespace {

using ::testing::HasSubstr;

TrialOrder gso_order() {
  TrialOrder order = veth_order(Path::udp_socket);
  order.sender = SenderKind::udp_gso;
  order.traffic.flows = 8;
  order.traffic.frame_bytes = {100};
  order.traffic.arrivals = {.kind = ArrivalKind::burst, .burst_frames = 16};
  order.traffic.load = Load{LoadUnit::pps, 50'000.0};
  order.traffic.intended_pps = 50'000.0;
  order.receiver.socket_buffer_bytes = 8 << 20;
  order.seconds = 0.1;
  order.warmup_seconds = 0.02;
  return order;
}

Result<TrialResult> run(const TrialOrder& order, const VethLab& lab) {
  Ends ends;
  PM_TRY(ends.sender, make_udp_gso_sender(order, lab.sender_place()));
  PM_TRY(ends.receiver, make_udp_socket_receiver(order, lab.receiver_place()));
  PM_TRY(ends.books, make_kernel_books(order, watch_trial_drops(order, lab.sender_place(),
                                                                lab.receiver_place())));
  return run_trial(order, std::move(ends));
}

Result<TrialResult> run(const TrialOrder& order) {
  PM_TRY(const VethLab lab, VethLab::create(order));
  return run(order, lab);
}

TEST(UdpGsoSender, EveryDatagramOfEveryBurstArrivesAsAFrameOfItsOwn) {
  NEEDS_NETWORK_LAB();
  const auto result = run(gso_order());
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  const auto offered = result->ledger().offered_pkts();
  EXPECT_EQ(result->ledger().pkts(Fate::received), offered);
  EXPECT_EQ(result->ledger().pkts_or_zero(Fate::tx_unsent) + offered, 5000);
  EXPECT_EQ(result->streams[0].received_bytes, offered * 100);
  EXPECT_EQ(result->streams[0].reordered_pkts, 0);
  // Frames, not joined ones, left the device.
  EXPECT_GE(result->counters.at("sender.link.tx_packets").delta, offered);
  ASSERT_TRUE(result->syscalls_per_pkt);
  EXPECT_GT(*result->syscalls_per_pkt, 0.0);
  EXPECT_LE(*result->syscalls_per_pkt, 1.1);
}

TEST(UdpGsoSender, WarmUpHasARateOfItsOwn) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = gso_order();
  order.traffic.warmup_pps = 16'000.0;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts_or_zero(Fate::tx_unsent) + result->ledger().offered_pkts(), 5000);
  // 20 ms of it: 320 frames, those less that a stall had it give up.
  EXPECT_LE(result->counters.at("sender.port.warmup_pkts").delta.value_or(0), 320);
  EXPECT_GT(result->counters.at("sender.port.warmup_pkts").delta.value_or(0), 0);
}

TEST(UdpGsoSender, WithoutAScheduleAllThatWasOfferedIsAccountedFor) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = gso_order();
  order.traffic.load = Load{LoadUnit::max, 0.0};
  order.traffic.intended_pps = 0.0;
  order.receiver.socket_buffer_bytes = 64 << 10;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_GT(result->ledger().offered_pkts(), 5000);
  EXPECT_EQ(result->ledger().lost_pkts(),
            result->ledger().pkts_or_zero(Fate::kernel_socket_buffer));
}

TEST(UdpGsoSender, CallsThatAQdiscDropsWholeAreChargedInFrames) {
  NEEDS_NETWORK_LAB();
  if (auto needed = need_capability("CAP_BPF"); !needed) GTEST_SKIP() << needed.error().text();
  const TrialOrder order = gso_order();
  const auto lab = VethLab::create(order);
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->sender_place().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_htb("a0", 1'000'000, 4));
  const auto result = run(order, *lab);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  const std::int64_t lost = result->ledger().pkts_or_zero(Fate::kernel_qdisc);
  EXPECT_GT(lost, 0);
  // Calls of 16; the last ones of the warm-up and of the window carry 8.
  EXPECT_EQ(lost % 8, 0);
  EXPECT_LT(result->counters.at("sender.qdisc.drops").delta, lost);
}

TEST(UdpGsoSender, ACallCarriesTheBurstUpToWhatADatagramHolds) {
  TrialOrder order = gso_order();
  EXPECT_EQ(gso_segments(order), 16);
  order.traffic.arrivals = {};
  EXPECT_EQ(gso_segments(order), 1);
  order.traffic.load = Load{LoadUnit::max, 0.0};
  EXPECT_EQ(gso_segments(order), 64);
  order.traffic.frame_bytes = {1518};
  EXPECT_EQ(gso_segments(order), 65'507 / 1472);
  order.kind = TrialKind::calibration;
  EXPECT_EQ(gso_segments(order), 1) << "what the trials' arrivals ask for";
}

TEST(UdpGsoSender, RefusesWhatItHasNot) {
  TrialOrder order = gso_order();
  order.traffic.frame_bytes = {64, 128};
  EXPECT_THAT(make_udp_gso_sender(order, {}).error().what, HasSubstr("one frame size"));
  order.traffic.frame_bytes = {64};
  order.traffic.flows = 2000;
  EXPECT_THAT(make_udp_gso_sender(order, {}).error().what, HasSubstr("1..512 flows"));
  order.traffic.flows = 8;
  order.traffic.frame_bytes = {1518};
  order.traffic.arrivals.burst_frames = 64;
  EXPECT_THAT(make_udp_gso_sender(order, {}).error().what, HasSubstr("at most 44 frames"));
}

}  // namespace
}  // namespace pollmark
