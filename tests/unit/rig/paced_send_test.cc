// The paced loop against a clock that stands still where it is told to.
#include "rig/paced_send.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

namespace pollmark {
namespace {

constexpr Ticks kStart = 1'000'000;

struct HandTime {
  static inline Ticks at = 0;
  static inline Ticks step = 10;
  static inline Ticks stop_at = 0;  // once, there
  static inline Ticks stop_for = 0;
  static Ticks now() {
    at += step;
    if (stop_for != 0 && at >= stop_at) {
      at += stop_for;
      stop_for = 0;
    }
    return at;
  }
  static void begin(Ticks step_ticks) {
    at = kStart - 100;
    step = step_ticks;
    stop_for = 0;
  }
};

PacedOrder usual_order() {
  PacedOrder order;
  order.catch_up_ticks = 100'000;
  order.stall_ticks = 5000;
  order.near_ticks = {64, 128, 256, 512};
  return order;
}

Pacer constant(double ticks_per_frame, Ticks length) {
  PacerOrder order;
  order.ticks_per_frame = ticks_per_frame;
  order.start = kStart;
  order.end = kStart + length;
  return Pacer(order);
}

const std::atomic<bool> kGoOn{false};

TEST(PacedSend, AnUndisturbedLoopLeavesEverySlotWithinOneTurn) {
  HandTime::begin(10);
  Pacer pacer = constant(1000.0, 1'000'000);
  PacedTallies tallies;
  std::vector<Ticks> late;
  send_paced<HandTime>(
      pacer, 0, usual_order(), kGoOn,
      [&](const Ticks* due, std::uint32_t count, Ticks now) {
        EXPECT_EQ(count, 1U);
        late.push_back(now - due[0]);
        return count;
      },
      tallies);
  EXPECT_EQ(tallies.accepted_pkts, 1000);
  EXPECT_EQ(tallies.given_up_pkts, 0);
  EXPECT_EQ(tallies.stalls, 0);
  EXPECT_EQ(tallies.departure_gaps, 999);
  EXPECT_EQ(tallies.near[0], 999);
  EXPECT_EQ(tallies.back_to_back, 0);
  for (const Ticks ticks : late) EXPECT_LT(ticks, 10U);
}

TEST(PacedSend, AStallIsKeptApartWithTheDebtThatItLeaves) {
  HandTime::begin(10);
  HandTime::stop_at = kStart + 500'000;
  HandTime::stop_for = 50'000;
  Pacer pacer = constant(1000.0, 1'000'000);
  PacedTallies tallies;
  send_paced<HandTime>(
      pacer, 0, usual_order(), kGoOn,
      [](const Ticks*, std::uint32_t count, Ticks) { return count; }, tallies);
  EXPECT_EQ(tallies.accepted_pkts, 1000);
  EXPECT_EQ(tallies.stalls, 1);
  EXPECT_GE(tallies.stalled_ticks, 50'000U);
  // Fifty slots fell into it.
  EXPECT_GE(tallies.stalled_departure_gaps, 50);
  EXPECT_LE(tallies.stalled_departure_gaps, 52);
  EXPECT_EQ(tallies.departure_gaps + tallies.stalled_departure_gaps, 999);
  // The first gap behind the debt reaches back to it.
  EXPECT_GE(tallies.near[0], tallies.departure_gaps - 1);
}

TEST(PacedSend, DebtBeyondTheLimitIsGivenUpAndCounted) {
  HandTime::begin(10);
  HandTime::stop_at = kStart + 300'000;
  HandTime::stop_for = 400'000;
  Pacer pacer = constant(1000.0, 1'000'000);
  PacedTallies tallies;
  send_paced<HandTime>(
      pacer, 0, usual_order(), kGoOn,
      [](const Ticks*, std::uint32_t count, Ticks) { return count; }, tallies);
  EXPECT_EQ(tallies.accepted_pkts + tallies.given_up_pkts, 1000);
  EXPECT_GE(tallies.given_up_pkts, 299);
  EXPECT_LE(tallies.given_up_pkts, 301);
}

TEST(PacedSend, ATurnLongerThanAFrameSendsBackToBackAndSaysSo) {
  HandTime::begin(4000);
  Pacer pacer = constant(1000.0, 4'000'000);
  PacedTallies tallies;
  send_paced<HandTime>(
      pacer, 0, usual_order(), kGoOn,
      [](const Ticks*, std::uint32_t count, Ticks) { return count; }, tallies);
  EXPECT_EQ(tallies.accepted_pkts, 4000);
  EXPECT_NEAR(static_cast<double>(tallies.back_to_back), 3000.0, 4.0);
  EXPECT_EQ(tallies.near[3], 0);
}

TEST(PacedSend, WhateverIsTakenEverySlotIsSentOrGivenUp) {
  EXPECT_TRUE(rc::check("books", [] {
    HandTime::begin(*rc::gen::inRange<Ticks>(1, 3000));
    HandTime::stop_at = kStart + *rc::gen::inRange<Ticks>(0, 500'000);
    HandTime::stop_for = *rc::gen::inRange<Ticks>(0, 300'000);
    const double ticks = *rc::gen::inRange(300, 3000);
    Pacer pacer = constant(ticks, 500'000);
    PacedTallies tallies;
    std::int64_t sent = 0;
    std::uint64_t draw = *rc::gen::arbitrary<std::uint64_t>();
    send_paced<HandTime>(
        pacer, 0, usual_order(), kGoOn,
        [&](const Ticks* due, std::uint32_t count, Ticks now) {
          for (std::uint32_t i = 0; i < count; ++i) EXPECT_LE(due[i], now);
          draw = drawn(draw, count);
          const auto taken = static_cast<std::uint32_t>(draw % (count + 1));
          sent += taken;
          return taken;
        },
        tallies);
    Pacer all = constant(ticks, 500'000);
    std::int64_t slots = 0;
    for (; all.has_slot(); all.advance()) ++slots;
    RC_ASSERT(tallies.accepted_pkts == sent);
    RC_ASSERT(tallies.accepted_pkts + tallies.given_up_pkts == slots);
  }));
}

TEST(PacedSend, WithoutAScheduleItSendsFullBurstsUntilTheEnd) {
  HandTime::begin(100);
  PacerOrder order;
  order.law = ArrivalLaw::back_to_back;
  order.start = kStart;
  Pacer pacer(order);
  PacedTallies tallies;
  send_paced<HandTime>(
      pacer, kStart + 10'000, usual_order(), kGoOn,
      [](const Ticks*, std::uint32_t count, Ticks) { return count; }, tallies);
  EXPECT_NEAR(static_cast<double>(tallies.accepted_pkts), 100.0 * kSenderBurst, 2.0 * kSenderBurst);
  EXPECT_EQ(tallies.departure_gaps, 0);
}

}  // namespace
}  // namespace pollmark
