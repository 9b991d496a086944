#include "record/counters.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace pollmark {
namespace {

CounterChange change(std::optional<std::uint64_t> before, std::optional<std::uint64_t> after,
                     int bits = 64) {
  CounterSnapshot first;
  CounterSnapshot second;
  if (before) first.values["x"] = *before;
  if (after) second.values["x"] = *after;
  CounterFacts facts;
  facts.bits = bits;
  first.facts["x"] = facts;
  second.facts["x"] = facts;
  return difference(first, second).at("x");
}

TEST(Counters, TheDifferenceIsWhatMoved) {
  EXPECT_EQ(change(5, 12).delta, 7);
  EXPECT_EQ(change(5, 5).delta, 0);
  EXPECT_FALSE(change(5, 12).went_backwards);
}

TEST(Counters, A32BitWrapIsMeasured) {
  const CounterChange wrapped = change(0xffff'fff0U, 0x10, 32);
  EXPECT_EQ(wrapped.delta, 0x20);
  EXPECT_FALSE(wrapped.went_backwards);
  EXPECT_EQ(change(0xffff'ffffU, 0, 32).delta, 1);
}

TEST(Counters, AResetIsNotMeasuredAndSaysSo) {
  for (const CounterChange& reset :
       {change(100, 0), change(0xffff'fff0U, 0x10, 64), change(1000, 999, 32),
        change(0x8000'0000U, 0, 32), change(std::uint64_t{1} << 33, 4, 32)}) {
    EXPECT_TRUE(reset.went_backwards);
    EXPECT_EQ(reset.delta, std::nullopt);
  }
}

TEST(Counters, TheLastDistanceThatIsAWrap) {
  EXPECT_EQ(change(0x8000'0001U, 0, 32).delta, 0x7fff'ffff);
  EXPECT_TRUE(change(0x8000'0000U, 0, 32).went_backwards);
}

TEST(Counters, ANameOnOneSideIsNotMeasured) {
  const CounterChange vanished = change(5, std::nullopt);
  EXPECT_EQ(vanished.before, 5U);
  EXPECT_EQ(vanished.after, std::nullopt);
  EXPECT_EQ(vanished.delta, std::nullopt);
  EXPECT_FALSE(vanished.went_backwards);
  const CounterChange appeared = change(std::nullopt, 5);
  EXPECT_EQ(appeared.before, std::nullopt);
  EXPECT_EQ(appeared.delta, std::nullopt);
}

TEST(Counters, ADistanceThatDoesNotFitIsNotMeasured) {
  EXPECT_EQ(change(0, UINT64_MAX).delta, std::nullopt);
  EXPECT_EQ(change(0, INT64_MAX).delta, INT64_MAX);
}

TEST(Counters, FactsTravelWithTheChangeAndTheLaterOnesWin) {
  CounterSnapshot first;
  CounterSnapshot second;
  first.values["gone"] = 1;
  first.facts["gone"].layer = "udp";
  first.facts["gone"].role = CounterRole::owner;
  second.values["new"] = 2;
  second.facts["new"].trust = "trusted";
  first.values["both"] = 3;
  first.facts["both"].layer = "ip";
  second.values["both"] = 3;
  second.facts["both"].layer = "link";
  const auto changes = difference(first, second);
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(changes.at("gone").facts.layer, "udp");
  EXPECT_EQ(changes.at("gone").facts.role, CounterRole::owner);
  EXPECT_EQ(changes.at("new").facts.trust, "trusted");
  EXPECT_EQ(changes.at("both").facts.layer, "link");
}

TEST(Counters, WhateverTheStartingPointTheIncrementIsFound) {
  EXPECT_TRUE(rc::check("32 bits, wrapping", [] {
    const auto before = *rc::gen::arbitrary<std::uint32_t>();
    const auto moved = *rc::gen::inRange<std::uint32_t>(0, 0x8000'0000U);
    RC_ASSERT(change(before, before + moved, 32).delta == std::int64_t{moved});
  }));
}

}  // namespace
}  // namespace pollmark
