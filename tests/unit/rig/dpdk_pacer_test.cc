#include "rig/dpdk_pacer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

namespace pollmark {
namespace {

std::vector<Ticks> slots_of(const PacerOrder& order) {
  std::vector<Ticks> slots;
  for (Pacer pacer(order); pacer.has_slot(); pacer.advance()) slots.push_back(pacer.due());
  return slots;
}

TEST(Pacer, FrameIsDueAtItsMultipleOfTheGapHoweverLongTheScheduleIs) {
  EXPECT_TRUE(rc::check([] {
    PacerOrder order;
    order.start = *rc::gen::inRange<Ticks>(0, 1U << 30);
    order.ticks_per_frame = *rc::gen::inRange(1000, 1'000'000) / 7.0;
    const auto frames = *rc::gen::inRange<std::uint64_t>(1, 20'000);
    order.end = ~Ticks{0};
    Pacer pacer(order);
    for (std::uint64_t i = 0; i < frames; ++i) pacer.advance();
    const long double exact =
        static_cast<long double>(order.start) +
        static_cast<long double>(order.ticks_per_frame) * static_cast<long double>(frames);
    RC_ASSERT(std::fabs(static_cast<double>(static_cast<long double>(pacer.due()) - exact)) <= 1.0);
  }));
}

TEST(Pacer, WindowHoldsAsManySlotsAsTheRateSays) {
  PacerOrder order;
  order.ticks_per_frame = 52'000.0;  // 50 kpps at 2.6 GHz
  order.end = 520'000'000;           // 0.2 s
  EXPECT_EQ(slots_of(order).size(), 10'000U);
}

TEST(Pacer, BurstsAreDueTogetherAndKeepTheMeanRate) {
  PacerOrder order;
  order.law = ArrivalLaw::burst;
  order.burst_frames = 4;
  order.ticks_per_frame = 100.0;
  order.start = 1000;
  order.end = 1000 + 1600;
  EXPECT_EQ(slots_of(order), (std::vector<Ticks>{1000, 1000, 1000, 1000, 1400, 1400, 1400, 1400,
                                                 1800, 1800, 1800, 1800, 2200, 2200, 2200, 2200}));
}

TEST(Pacer, PoissonFollowsFromItsSeedAndKeepsTheMeanRate) {
  PacerOrder order;
  order.law = ArrivalLaw::poisson;
  order.ticks_per_frame = 1000.0;
  order.end = 100'000'000;
  order.seed = 7;
  const auto slots = slots_of(order);
  // 100 000 expected, standard deviation 316.
  EXPECT_NEAR(static_cast<double>(slots.size()), 100'000.0, 1'600.0);
  EXPECT_EQ(slots, slots_of(order));
  order.seed = 8;
  EXPECT_NE(slots, slots_of(order));
}

TEST(Pacer, SlotsThatAreTooOldAreGivenUpAndCountedAndNoOthers) {
  PacerOrder order;
  order.ticks_per_frame = 10.0;
  order.end = 1000;
  Pacer pacer(order);
  EXPECT_EQ(pacer.give_up_before(0), 0);
  EXPECT_EQ(pacer.give_up_before(95), 10);  // 0, 10, ... 90
  EXPECT_EQ(pacer.due(), 100U);
  EXPECT_EQ(pacer.give_up_before(100), 0);
  // Never more than the window holds.
  EXPECT_EQ(pacer.give_up_before(5000), 90);
  EXPECT_FALSE(pacer.has_slot());
}

TEST(Pacer, EverySlotIsSentOrGivenUp) {
  EXPECT_TRUE(rc::check([] {
    PacerOrder order;
    order.law = *rc::gen::element(ArrivalLaw::constant, ArrivalLaw::poisson, ArrivalLaw::burst);
    order.burst_frames = *rc::gen::inRange<std::uint32_t>(1, 64);
    order.ticks_per_frame = *rc::gen::inRange(10, 5000) / 3.0;
    order.end = 200'000;
    const auto slots = static_cast<std::int64_t>(slots_of(order).size());
    Pacer pacer(order);
    std::int64_t handled = 0;
    Ticks now = 0;
    while (pacer.has_slot()) {
      now += *rc::gen::inRange<Ticks>(1, 60'000);
      handled += pacer.give_up_before(now > 10'000 ? now - 10'000 : 0);
      while (pacer.has_slot() && pacer.due() <= now) {
        pacer.advance();
        ++handled;
      }
    }
    RC_ASSERT(handled == slots);
  }));
}

TEST(Pacer, WithoutAScheduleThereAlwaysIsASlotAndNothingIsGivenUp) {
  PacerOrder order;
  order.law = ArrivalLaw::back_to_back;
  order.end = 10;
  Pacer pacer(order);
  EXPECT_EQ(pacer.give_up_before(1'000'000), 0);
  EXPECT_TRUE(pacer.has_slot());
}

TEST(Pacer, OnAndOffSlotsFallIntoTheOnTimesAndKeepTheMeanRate) {
  PacerOrder order;
  order.law = ArrivalLaw::on_off;
  order.on_ticks = 400;
  order.off_ticks = 1200;
  order.ticks_per_frame = 400.0;  // 100 while on
  order.start = 1000;
  order.end = 1000 + 3200;
  EXPECT_EQ(slots_of(order), (std::vector<Ticks>{1000, 1100, 1200, 1300, 2600, 2700, 2800, 2900}));
}

TEST(Pacer, AdvancingByManyIsAdvancingThatOften) {
  EXPECT_TRUE(rc::check([] {
    PacerOrder order;
    order.law = *rc::gen::element(ArrivalLaw::constant, ArrivalLaw::poisson, ArrivalLaw::burst,
                                  ArrivalLaw::on_off, ArrivalLaw::back_to_back);
    order.burst_frames = *rc::gen::inRange<std::uint32_t>(1, 64);
    order.ticks_per_frame = *rc::gen::inRange(10, 5000) / 3.0;
    order.on_ticks = 3000;
    order.off_ticks = 500;
    order.end = ~Ticks{0};
    order.slots = 300;
    Pacer by_many(order);
    Pacer one_by_one(order);
    for (int i = 0; i < 10; ++i) {
      const auto slots = *rc::gen::inRange<std::uint32_t>(0, 40);
      by_many.advance_by(slots);
      for (std::uint32_t slot = 0; slot < slots; ++slot) one_by_one.advance();
      RC_ASSERT(by_many.due() == one_by_one.due());
      RC_ASSERT(by_many.has_slot() == one_by_one.has_slot());
    }
  }));
}

TEST(Pacer, GapsGoInTurnAndSlotsEndWithTheirNumber) {
  const std::vector<FixedTicks> gaps = {FixedTicks{50} << 64, FixedTicks{7} << 64, 0};
  PacerOrder order;
  order.gaps = gaps.data();
  order.gap_count = 3;
  order.start = 100;
  order.end = 10'000;
  order.slots = 7;
  EXPECT_EQ(slots_of(order), (std::vector<Ticks>{100, 107, 107, 157, 164, 164, 214}));
}

}  // namespace
}  // namespace pollmark
