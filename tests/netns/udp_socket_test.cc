#include "kernel/udp_socket.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include <cstring>

#include "closed_books.h"
#include "frame_gun.h"
#include "host/netlink.h"
#include "kernel/books.h"
#include "kernel/veth_lab.h"
#include "network_lab.h"
#include "trial/trial.h"

namespace pollmark {
namespace {

TrialOrder udp_order() {
  TrialOrder order = veth_order(Path::udp_socket);
  order.traffic.flows = 8;
  order.seconds = 0.04;
  return order;
}

Result<TrialResult> run(const TrialOrder& order, const VethLab& lab, GunOrder gun) {
  Ends ends;
  PM_TRY(ends.receiver, make_udp_socket_receiver(order, lab.receiver_place()));
  PM_TRY(ends.books, make_kernel_books(order, watch_trial_drops(order, lab.sender_place(),
                                                                lab.receiver_place())));
  ends.sender = std::make_unique<FrameGun>(std::move(gun), lab.sender_place());
  return run_trial(order, std::move(ends));
}

Result<TrialResult> run(const TrialOrder& order, GunOrder gun) {
  PM_TRY(const VethLab lab, VethLab::create(order));
  return run(order, lab, std::move(gun));
}

TEST(UdpSocket, EveryFrameIsReceivedWhenThereIsRoom) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = udp_order();
  order.receiver.socket_buffer_bytes = 16 << 20;
  const auto result = run(order, {.frames = 5000, .warmup_frames = 500});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().offered_pkts(), 5000);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 5000);
  EXPECT_EQ(losses_of(*result), Losses{});
  EXPECT_EQ(result->ledger().pkts(Fate::late), 0);
  EXPECT_EQ(result->ledger().pkts(Fate::foreign), 0);
  EXPECT_EQ(result->streams[0].received_bytes, 5000 * 64);
  EXPECT_EQ(result->streams[0].reordered_pkts, 0);
  ASSERT_TRUE(result->latency_ns.rx);
  EXPECT_EQ(result->latency_ns.rx->count() + result->latency_ns.rx->out_of_range(), 5000);
  EXPECT_GT(result->latency_ns.rx->min(), 0);
  const Knob& knob = result->knobs.at("socket_buffer");
  EXPECT_EQ(knob.requested, "16777216");
  EXPECT_EQ(knob.effective, "16777216");
  EXPECT_EQ(knob.state, KnobState::confirmed);
}

TEST(UdpSocket, FramesBeyondATinyBufferAreChargedToTheSocketToThePacket) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = udp_order();
  order.receiver.socket_buffer_bytes = 4096;
  order.planted_stop_ns = 100'000'000;
  order.seconds = 0.02;
  const auto result = run(order, {.frames = 3000, .warmup_frames = 0});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  const auto losses = losses_of(*result);
  ASSERT_EQ(losses.size(), 1U);
  EXPECT_EQ(losses.begin()->first, "kernel_socket_buffer");
  EXPECT_GT(losses.begin()->second, 1000);  // 60 ms of the stop at 50 kpps
  EXPECT_EQ(result->limited_by, "kernel:socket_buffer");
  EXPECT_EQ(result->streams[0].tracker_missing_pkts, losses.begin()->second);
  EXPECT_TRUE(result->streams[0].first_loss_s);
  // It slept of its own will.
  EXPECT_FALSE(has_reason(*result, "receiver_stalled"));
}

TEST(UdpSocket, FramesLostInTheWarmUpAreNotChargedToTheWindow) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = udp_order();
  order.receiver.socket_buffer_bytes = 1;  // the kernel's least: two or three small frames
  const auto result = run(order, {.frames = 2000, .warmup_frames = 20'000, .pps = 0});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  const auto drops = result->counters.at("receiver.socket.drops").delta;
  const auto arrived = result->counters.at("receiver.port.warmup_pkts").delta;
  ASSERT_TRUE(drops && arrived);
  EXPECT_EQ(*drops - (20'000 - *arrived),
            result->ledger().pkts_or_zero(Fate::kernel_socket_buffer));
}

TEST(UdpSocket, RepeatedFramesAreExtrasAndForeignOnesAreNotReceived) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = udp_order();
  order.receiver.socket_buffer_bytes = 16 << 20;
  GunOrder gun{.frames = 1000};
  gun.times = [](std::int64_t i) { return i % 100 == 7 ? 2 : 1; };
  auto result = run(order, gun);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::duplicate), 10);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 1000);

  gun = GunOrder{.frames = 1000};
  gun.spoil = [](FrameBytes& frame, std::int64_t i) {
    if (i >= 5) return;
    frame[42] = 0x11;  // another magic
    repair_checksums(frame);
  };
  result = run(order, gun);
  ASSERT_TRUE(result) << result.error().text();
  // Five were offered and never came; five came that nobody offered. Both are said.
  EXPECT_EQ(result->ledger().pkts(Fate::foreign), 5);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 995);
  EXPECT_EQ(result->ledger().unaccounted_pkts(), 5);
  EXPECT_TRUE(has_reason(*result, "books_open"));
}

// Its checksum is looked at when it is read: no counter and no reason tells it like those of short
// ones.
TEST(UdpSocket, LongDatagramsWithABadChecksumAreTheUdpLayers) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = udp_order();
  order.receiver.socket_buffer_bytes = 16 << 20;
  GunOrder gun{.frames = 1000};
  gun.spoil = [](FrameBytes& frame, std::int64_t i) {
    if (i % 4 != 1) return;
    frame.resize(1000);
    frame[16] = 986 >> 8;
    frame[17] = 986 & 255;
    frame[38] = 966 >> 8;
    frame[39] = 966 & 255;
    repair_checksums(frame);
    frame[900] ^= 0x55;
  };
  const auto result = run(order, gun);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(losses_of(*result), (Losses{{"kernel_udp", 250}}));
  EXPECT_EQ(result->ledger().pkts(Fate::received), 750);
}

TEST(BooksOverVeth, FramesBeyondThePeersMtuAreChargedOnceThoughVethCountsThemTwice) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = udp_order();
  order.traffic.frame_bytes = {1000};
  order.receiver.socket_buffer_bytes = 16 << 20;
  const auto lab = VethLab::create(order);
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->receiver_place().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_mtu("b0", 600));
  const auto result = run(order, *lab, {.frames = 500, .bytes_without_fcs = 996});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(losses_of(*result), (Losses{{"kernel_link_tx", 500}}));
  EXPECT_EQ(result->counters.at("receiver.link.rx_dropped").delta, 500);
}

TEST(BooksOverVeth, PeerThatIsDownIsTheSendersDeviceDropping) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = udp_order();
  order.receiver.socket_buffer_bytes = 16 << 20;
  const auto lab = VethLab::create(order);
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->receiver_place().netns_fd);
  GunOrder gun{.frames = 600};
  gun.before = [&](std::int64_t i) {
    if (i != 500) return;
    EXPECT_TRUE(netlink->set_down("b0"));
  };
  const auto result = run(order, *lab, gun);
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->ledger().unaccounted_pkts(), 0);
  EXPECT_EQ(losses_of(*result), (Losses{{"kernel_link_tx", 100}}));
  EXPECT_TRUE(has_reason(*result, "link_flap"));
}

TEST(BooksOverVeth, TokenBucketsDropsAreTheQdiscs) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = udp_order();
  order.receiver.socket_buffer_bytes = 16 << 20;
  const auto lab = VethLab::create(order);
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->sender_place().netns_fd);
  // 1 MB/s, a bucket of 2000 bytes and room for 3000: a burst of 2000 small frames overflows it.
  const auto set = netlink->set_tbf("a0", 1'000'000, 2000, 3000);
  ASSERT_TRUE(set) << set.error().text();
  const auto result = run(order, *lab, {.frames = 2000, .pps = 0});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  const auto losses = losses_of(*result);
  ASSERT_EQ(losses.size(), 1U);
  EXPECT_EQ(losses.begin()->first, "kernel_qdisc");
  EXPECT_GT(losses.begin()->second, 0);
}

TEST(UdpSocket, OneCpuForBothEndsIsRefused) {
  TrialOrder order = udp_order();
  order.generator_lcores = {0};
  order.receiver_lcores = {0};
  const auto made = make_udp_socket_receiver(order, NetdevPlace{});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::host_cannot);
  EXPECT_EQ(made.error().text(), "needs 2 CPUs");
}

}  // namespace
}  // namespace pollmark
