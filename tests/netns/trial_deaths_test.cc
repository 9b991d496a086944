// Ways to die in the receiver's stack, provoked during a trial and found in its own books. Where
// BPF can be had nothing stays unaccounted; without, what no counter has does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#include <memory>
#include <string>

#include "closed_books.h"
#include "deaths.h"
#include "frame_gun.h"
#include "kernel/udp_socket.h"
#include "network_lab.h"
#include "obstacles.h"
#include "ways_to_die.h"

namespace pollmark {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::int64_t kOffered = 1000;

TrialOrder udp_order() {
  TrialOrder order = veth_order(Path::udp_socket);
  order.traffic.flows = 8;
  order.seconds = 0.04;
  order.receiver.socket_buffer_bytes = 16 << 20;
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

// Every fourth frame.
GunOrder gun_that(std::function<void(FrameBytes&)> spoil) {
  GunOrder gun{.frames = kOffered};
  if (spoil) {
    gun.spoil = [spoil = std::move(spoil)](FrameBytes& frame, std::int64_t i) {
      if (i % 4 == 1) spoil(frame);
    };
  }
  return gun;
}

// Of a trial that was watched.
std::int64_t dropped_pkts(const TrialResult& result, const std::string& reason, CounterRole role) {
  std::int64_t pkts = 0;
  for (const DroppedAt& place : result.streams[0].drops->places) {
    if (place.reason == reason && place.role == role) pkts += place.pkts;
  }
  return pkts;
}

class DeathInATrial : public ::testing::TestWithParam<Death> {};

TEST_P(DeathInATrial, IsInItsBooks) {
  NEEDS_NETWORK_LAB();
  const Death& death = GetParam();
  const TrialOrder order = udp_order();
  const auto lab = VethLab::create(order);
  ASSERT_TRUE(lab) << lab.error().text();
  if (death.prepare) death.prepare(lab->receiver_place());
  if (IsSkipped() || HasFailure()) return;
  const auto result = run(order, *lab, gun_that(death.spoil));
  ASSERT_TRUE(result) << result.error().text();
  const std::int64_t dead = death.spoil ? kOffered / 4 : kOffered;
  const StreamAccount& stream = result->streams[0];
  EXPECT_EQ(stream.ledger.pkts(Fate::received), kOffered - dead);
  if (death.owner.empty() && !stream.drops) {
    EXPECT_FALSE(has_capability("CAP_BPF"));
    EXPECT_EQ(stream.ledger.unaccounted_pkts(), dead);
    return;
  }
  expect_books_closed(*result);
  EXPECT_EQ(losses_of(*result), (Losses{{std::string(fate_name(death.fate)), dead}}));
  // Generic XDP gives no reason on some kernels; then the function says where.
  const Losses nameless{{"NOT_SPECIFIED in do_xdp_generic", dead}};
  const bool is_nameless = death.reason == "XDP" && stream.kernel_other_reasons == nameless;
  if (!is_nameless) {
    EXPECT_EQ(stream.kernel_other_reasons,
              death.fate == Fate::kernel_other ? (Losses{{death.other, dead}}) : Losses{});
  }
  if (!stream.drops) return;
  EXPECT_EQ(stream.drops->source, "bpf");
  EXPECT_EQ(stream.drops->unseen_pkts, 0);
  EXPECT_EQ(dropped_pkts(*result, is_nameless ? "NOT_SPECIFIED" : death.reason,
                         death.owner.empty() ? CounterRole::owner : CounterRole::echo),
            dead);
}

INSTANTIATE_TEST_SUITE_P(Rows, DeathInATrial, ::testing::ValuesIn(deaths_in_the_stack()),
                         [](const auto& death) { return death.param.name; });

class DeathsInATrial : public ::testing::Test {
 protected:
  void SetUp() override {
    NEEDS_NETWORK_LAB();
    if (auto needed = need_capability("CAP_BPF"); !needed) GTEST_SKIP() << needed.error().text();
    auto lab = VethLab::create(udp_order());
    ASSERT_TRUE(lab) << lab.error().text();
    lab_.emplace(*std::move(lab));
  }

  std::optional<VethLab> lab_;
};

TEST_F(DeathsInATrial, WaitingForANeighbourAreKernelOther) {
  forward_to_nobody(lab_->receiver_place());
  // The first ones: all are given up before the trial ends.
  GunOrder gun{.frames = kOffered};
  gun.spoil = [](FrameBytes& frame, std::int64_t i) {
    if (i < 200) to_nobody(frame);
  };
  TrialOrder order = udp_order();
  order.seconds = 0.3;
  gun.pps = 5'000;
  const auto result = run(order, *lab_, gun);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(losses_of(*result), (Losses{{"kernel_other", 200}}));
  for (const auto& [reason, pkts] : result->streams[0].kernel_other_reasons) {
    EXPECT_THAT(reason, StartsWith("NEIGH_"));
  }
}

TEST_F(DeathsInATrial, AtAnotherProgramsXdpInTheDriverAreKernelOtherByTheFunction) {
  const auto set = drop_by_xdp(lab_->receiver_place(), XdpHook::driver);
  ASSERT_TRUE(set) << set.error().text();
  const auto result = run(udp_order(), *lab_, gun_that({}));
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(losses_of(*result), (Losses{{"kernel_other", kOffered}}));
  const auto& reasons = result->streams[0].kernel_other_reasons;
  ASSERT_EQ(reasons.size(), 1U);
  EXPECT_THAT(reasons.begin()->first, StartsWith("NOT_SPECIFIED in veth_xdp_rcv"));
}

TEST_F(DeathsInATrial, SwitchedOffTheyStayUnaccountedAndTheTrialSaysSo) {
  TrialOrder order = udp_order();
  order.drop_reasons = DropReasonsRule::off;
  const auto result = run(order, *lab_, gun_that([](FrameBytes& frame) {
                            frame[26] = 127;
                            repair_checksums(frame);
                          }));
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->ledger().unaccounted_pkts(), kOffered / 4);
  EXPECT_TRUE(has_reason(*result, "books_open"));
  EXPECT_THAT(result->not_checked, Contains("drop reasons: switched off"));
  EXPECT_FALSE(result->streams[0].drops);
}

TEST_F(DeathsInATrial, OfTheWarmUpAreNotTheWindows) {
  GunOrder gun = gun_that([](FrameBytes& frame) {
    frame[26] = 127;
    repair_checksums(frame);
  });
  gun.warmup_frames = 600;
  gun.spoil_warmup = [](FrameBytes& frame, std::int64_t i) {
    if (i % 3 != 0) return;
    frame[26] = 127;
    repair_checksums(frame);
  };
  const auto result = run(udp_order(), *lab_, gun);
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(losses_of(*result), (Losses{{"kernel_other", kOffered / 4}}));
  EXPECT_EQ(dropped_pkts(*result, "IP_LOCALNET", CounterRole::owner), kOffered / 4 + 200);
}

TEST_F(DeathsInATrial, OfCopiesAreNoLosses) {
  const UnreadSocket unread(lab_->receiver_place(), AF_PACKET, SOCK_RAW, htons(ETH_P_IP), 4096);
  const auto result = run(udp_order(), *lab_, gun_that({}));
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_THAT(losses_of(*result), IsEmpty());
  EXPECT_GT(dropped_pkts(*result, "PACKET_SOCK_ERROR", CounterRole::context), 0);
}

TEST_F(DeathsInATrial, AtAFullBufferAreRepeatedByTheirReason) {
  TrialOrder order = udp_order();
  order.receiver.socket_buffer_bytes = 4096;
  order.planted_stop_ns = 100'000'000;
  order.seconds = 0.02;
  const auto result = run(order, *lab_, {.frames = 3000});
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  const auto lost = result->ledger().pkts_or_zero(Fate::kernel_socket_buffer);
  EXPECT_GT(lost, 0);
  EXPECT_EQ(dropped_pkts(*result, "SOCKET_RCVBUFF", CounterRole::echo), lost);
}

}  // namespace
}  // namespace pollmark
