// Several receiving sockets that share the frames of one device, each read by a thread of its own,
// and sockets to which datagrams come joined.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closed_books.h"
#include "frame_gun.h"
#include "kernel/books.h"
#include "kernel/lab_knobs.h"
#include "kernel/packet_mmap.h"
#include "kernel/trial_drops.h"
#include "kernel/udp_gso_sender.h"
#include "kernel/udp_socket.h"
#include "kernel/veth_lab.h"
#include "network_lab.h"
#include "trial/trial.h"

namespace pollmark {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kSockets = 3;
constexpr std::uint16_t kFlows = 64;

// The receiving threads may share a CPU: what is asked here is not how fast they are.
TrialOrder shared_order(Path path) {
  TrialOrder order = veth_order(path);
  order.validity = ValidityRule::as_is;
  order.traffic.flows = kFlows;
  order.seconds = 0.04;
  order.receiver.queues = kSockets;
  order.receiver.socket_buffer_bytes = 16 << 20;
  return order;
}

Result<TrialResult> run(const TrialOrder& order, GunOrder gun) {
  gun.flows = static_cast<std::uint16_t>(order.traffic.flows);
  return gun_trial(
      order, std::move(gun),
      order.path == Path::udp_socket ? make_udp_socket_receiver : make_packet_mmap_receiver);
}

double sum_of_shares(const TrialResult& result) {
  double sum = 0.0;
  for (const QueueAccount& queue : result.queues) sum += queue.share.value_or(0.0);
  return sum;
}

class SharedSockets : public ::testing::TestWithParam<Path> {};
INSTANTIATE_TEST_SUITE_P(Paths, SharedSockets,
                         ::testing::Values(Path::udp_socket, Path::packet_mmap),
                         [](const auto& path) { return std::string(name_of(path.param)); });

TEST_P(SharedSockets, EachGetsWholeFlowsAndTogetherTheyGetAllFrames) {
  NEEDS_NETWORK_LAB();
  const auto result = run(shared_order(GetParam()), {.frames = 6400});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 6400);
  EXPECT_EQ(losses_of(*result), Losses{});
  EXPECT_EQ(result->streams[0].received_bytes, 6400 * 64);
  EXPECT_EQ(result->streams[0].reordered_pkts, 0) << "a flow is one socket's";
  EXPECT_EQ(result->streams[0].tracker_missing_pkts, 0);
  ASSERT_EQ(result->queues.size(), static_cast<std::size_t>(kSockets));
  std::int64_t polled = 0;
  for (const QueueAccount& queue : result->queues) {
    EXPECT_GT(queue.polled_pkts, 0);
    EXPECT_EQ(queue.polled_pkts % (6400 / kFlows), 0) << "whole flows";
    ASSERT_TRUE(queue.latency_rx_ns);
    polled += queue.polled_pkts;
  }
  EXPECT_EQ(polled, 6400);
  EXPECT_DOUBLE_EQ(sum_of_shares(*result), 1.0);
  const LatencyHistogram& rx = *result->latency_ns.rx;
  EXPECT_EQ(rx.count() + rx.out_of_range(), 6400);
  const Knob& knob = result->knobs.at("queues");
  EXPECT_EQ(knob.effective, "3");
  EXPECT_TRUE(knob.exercised);
  EXPECT_THAT(knob.evidence, StartsWith("shares "));
}

TEST_P(SharedSockets, EveryThreadIsInTheRecordWithItsCost) {
  NEEDS_NETWORK_LAB();
  const auto result = run(shared_order(GetParam()), {.frames = 6400});
  ASSERT_TRUE(result) << result.error().text();
  std::vector<std::string> roles;
  double cores = 0.0;
  for (const LcoreHealth& lcore : result->lcores) {
    if (!lcore.role.starts_with("receiver")) continue;
    roles.push_back(lcore.role);
    EXPECT_FALSE(lcore.polling);
    ASSERT_TRUE(lcore.thread_cpu_fraction) << lcore.role;
    cores += *lcore.thread_cpu_fraction;
  }
  ASSERT_EQ(roles.size(), static_cast<std::size_t>(kSockets));
  EXPECT_THAT(roles[1], ::testing::EndsWith(" 1"));
  ASSERT_TRUE(result->cpu_cores_used);
  EXPECT_GE(*result->cpu_cores_used, cores);
  ASSERT_TRUE(result->syscalls_per_pkt);
  EXPECT_GT(*result->syscalls_per_pkt, 0.0);
}

TEST_P(SharedSockets, WhatFullOnesDropIsChargedToThePacketOfAllTogether) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = shared_order(GetParam());
  order.receiver.socket_buffer_bytes = 4096;
  order.receiver.packet_blocks = 2;
  order.receiver.packet_block_bytes = 16 << 10;
  order.planted_stop_ns = 100'000'000;
  order.seconds = 0.02;
  const auto result = run(order, {.frames = 12'000, .pps = 100'000});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  const bool of_socket = GetParam() == Path::udp_socket;
  const std::int64_t lost = result->ledger().lost_pkts();
  EXPECT_GT(lost, 0);
  EXPECT_EQ(lost, result->ledger().pkts_or_zero(of_socket ? Fate::kernel_socket_buffer
                                                          : Fate::kernel_packet_ring));
  EXPECT_EQ(result->streams[0].tracker_missing_pkts, lost);
  EXPECT_TRUE(result->streams[0].first_loss_s);
  std::int64_t sum = 0;
  for (int i = 0; i < kSockets; ++i) {
    const std::string name = of_socket ? fmt::format("receiver.socket.{}.drops", i)
                                       : fmt::format("receiver.packet_ring.{}.tp_drops", i);
    const CounterChange& drops = result->counters.at(name);
    EXPECT_EQ(drops.facts.role, CounterRole::owner);
    ASSERT_TRUE(drops.delta);
    EXPECT_GT(*drops.delta, 0);
    sum += *drops.delta;
  }
  EXPECT_EQ(sum, lost);
  EXPECT_DOUBLE_EQ(sum_of_shares(*result), 1.0);
}

TEST_P(SharedSockets, OneFlowIsOneSocketsAndShowsNothingOfTheOthers) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = shared_order(GetParam());
  order.traffic.flows = 1;
  const auto result = run(order, {.frames = 2000});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 2000);
  int used = 0;
  for (const QueueAccount& queue : result->queues) used += queue.share == 1.0 ? 1 : 0;
  EXPECT_EQ(used, 1);
  EXPECT_DOUBLE_EQ(sum_of_shares(*result), 1.0);
  const Knob& knob = result->knobs.at("queues");
  EXPECT_FALSE(knob.exercised);
  EXPECT_THAT(knob.evidence, HasSubstr("all frames came to one of 3 sockets"));
}

TEST_P(SharedSockets, TooFewCpusAreRefusedWithTheirNumberUnlessTheHostIsTakenAsItIs) {
  TrialOrder order = shared_order(GetParam());
  order.receiver_lcores = {1};
  order.generator_lcores = {0};
  order.validity = ValidityRule::strict;
  const auto make =
      GetParam() == Path::udp_socket ? make_udp_socket_receiver : make_packet_mmap_receiver;
  const auto refused = make(order, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::host_cannot);
  EXPECT_THAT(refused.error().text(), StartsWith("needs 4 CPUs: "));
}

TEST(Fanout, InTurnEachGetsAsManyAndTheFramesAreCountedNotTracked) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = shared_order(Path::packet_mmap);
  order.receiver.fanout = Fanout::lb;
  const auto result = run(order, {.frames = 6000});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 6000);
  for (const QueueAccount& queue : result->queues) EXPECT_EQ(queue.polled_pkts, 2000);
  EXPECT_FALSE(result->streams[0].tracker_missing_pkts);
  EXPECT_FALSE(result->streams[0].first_loss_s);
  EXPECT_EQ(result->knobs.at("fanout").effective, "lb");
  EXPECT_TRUE(result->knobs.at("fanout").exercised);
}

TEST(Fanout, ByCpuWhatOneCpuSendsOverAVethComesToOneSocket) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = shared_order(Path::packet_mmap);
  order.receiver.fanout = Fanout::cpu;
  order.receiver.queues = 2;
  const auto result = run(order, {.frames = 3000});
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->ledger().pkts(Fate::received), 3000);
  EXPECT_EQ(result->ledger().unaccounted_pkts(), 0);
  EXPECT_EQ(result->knobs.at("fanout").effective, "cpu");
}

// Bursts of one flow each, cut into frames before they leave, over a veth that joins them again.
TrialOrder joined_order() {
  TrialOrder order = shared_order(Path::udp_socket);
  order.sender = SenderKind::udp_gso;
  order.traffic.flows = 8;
  order.traffic.frame_bytes = {200};
  order.traffic.arrivals = {.kind = ArrivalKind::burst, .burst_frames = 16};
  order.traffic.load = Load{LoadUnit::pps, 100'000.0};
  order.traffic.intended_pps = 100'000.0;
  order.receiver.queues = 1;
  order.receiver.udp_gro = true;
  order.kernel_knobs["gro"] = "on";
  order.seconds = 0.1;
  order.warmup_seconds = 0.02;
  return order;
}

enum class Reasons { watched, not_watched };

Result<TrialResult> run_joined(const TrialOrder& order, Reasons reasons = Reasons::watched) {
  PM_TRY(const VethLab lab, VethLab::create(order));
  Ends ends;
  PM_TRY(ends.sender, make_udp_gso_sender(order, lab.sender_place()));
  PM_TRY(ends.receiver, make_udp_socket_receiver(order, lab.receiver_place()));
  PM_TRY(std::shared_ptr<LabKnobs> knobs,
         LabKnobs::turn(order, lab.sender_place(), lab.receiver_place(), HostWide{}));
  ends.receiver = with_knobs(std::move(ends.receiver), std::move(knobs));
  const auto drops = reasons == Reasons::watched
                         ? watch_trial_drops(order, lab.sender_place(), lab.receiver_place())
                         : nullptr;
  PM_TRY(ends.books, make_kernel_books(order, drops));
  return run_trial(order, std::move(ends));
}

TEST(UdpGro, JoinedDatagramsAreReceivedOneByOne) {
  NEEDS_NETWORK_LAB();
  const auto result = run_joined(joined_order());
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  const std::int64_t offered = result->ledger().offered_pkts();
  EXPECT_GT(offered, 0);
  EXPECT_EQ(result->ledger().pkts(Fate::received), offered);
  EXPECT_EQ(result->streams[0].received_bytes, offered * 200);
  EXPECT_EQ(result->streams[0].reordered_pkts, 0);
  EXPECT_LT(result->counters.at("receiver.ip.InReceives").delta, offered / 2);
  ASSERT_TRUE(result->syscalls_per_pkt);
  const Knob& knob = result->knobs.at("udp_gro");
  EXPECT_EQ(knob.effective, "true");
  EXPECT_EQ(knob.state, KnobState::confirmed);
  EXPECT_TRUE(knob.exercised);
  EXPECT_THAT(knob.evidence, HasSubstr(" datagrams came in "));
  EXPECT_TRUE(result->knobs.at("gro").exercised);
}

TEST(UdpGro, WithoutGroOfTheDeviceItIsSetAndDoesNothing) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = joined_order();
  order.kernel_knobs.clear();
  const auto result = run_joined(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::received), result->ledger().offered_pkts());
  const Knob& knob = result->knobs.at("udp_gro");
  EXPECT_EQ(knob.state, KnobState::confirmed);
  EXPECT_FALSE(knob.exercised);
}

// A reader that stops for a while, and next to no room meanwhile.
TrialOrder held_joined_order() {
  TrialOrder order = joined_order();
  order.receiver.socket_buffer_bytes = 4096;
  order.planted_stop_ns = 50'000'000;
  return order;
}

TEST(UdpGro, WhatAFullBufferDropsJoinedIsChargedInFrames) {
  NEEDS_NETWORK_LAB();
  if (auto needed = need_capability("CAP_BPF"); !needed) GTEST_SKIP() << needed.error().text();
  for (const int sockets : {1, 2}) {
    TrialOrder order = held_joined_order();
    order.receiver.queues = sockets;
    const auto result = run_joined(order);
    ASSERT_TRUE(result) << result.error().text();
    expect_books_closed(*result);
    const std::int64_t lost = result->ledger().pkts_or_zero(Fate::kernel_socket_buffer);
    EXPECT_GT(lost, 0);
    EXPECT_EQ(lost, result->ledger().lost_pkts());
    EXPECT_EQ(result->streams[0].tracker_missing_pkts, lost);
    const auto joined = result->counters.at("receiver.udp.RcvbufErrors");
    ASSERT_TRUE(joined.delta);
    EXPECT_LT(*joined.delta, lost / 2) << "frames were dropped joined";
  }
}

TEST(UdpGro, WithoutTheReasonsWhatIsDroppedJoinedStaysUnaccountedAndIsSaid) {
  NEEDS_NETWORK_LAB();
  const auto result = run_joined(held_joined_order(), Reasons::not_watched);
  ASSERT_TRUE(result) << result.error().text();
  const auto joined = result->counters.at("receiver.socket.drops");
  EXPECT_EQ(joined.facts.unit, "super_packets");
  EXPECT_EQ(joined.facts.role, CounterRole::echo);
  EXPECT_GT(joined.delta, 0);
  EXPECT_EQ(losses_of(*result), Losses{});
  EXPECT_EQ(result->ledger().unaccounted_pkts(), result->streams[0].tracker_missing_pkts);
  EXPECT_TRUE(has_reason(*result, "books_open"));
  EXPECT_TRUE(has_reason(*result, "echo_disagrees"));
}

}  // namespace
}  // namespace pollmark
