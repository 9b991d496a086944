#include "kernel/late_counters.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <vector>

namespace pollmark {
namespace {

using Clock = std::chrono::steady_clock;

// A frame arrives while it opens, and one while it stops; its counter tells of each only later.
class TellsLate final : public Receiver {
 public:
  explicit TellsLate(std::chrono::milliseconds late) : late_(late) {}
  Result<void> open() override {
    arrivals_.push_back(Clock::now());
    return {};
  }
  Result<CounterSnapshot> read_counters() override {
    CounterSnapshot snapshot;
    std::uint64_t told = 0;
    for (const auto& arrival : arrivals_) told += Clock::now() - arrival >= late_ ? 1U : 0U;
    snapshot.values["receiver.link.rx_packets"] = told;
    return snapshot;
  }
  Result<void> start() override { return {}; }
  Result<void> drain(std::int64_t /*quiet_ns*/, std::int64_t /*limit_ns*/) override { return {}; }
  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& /*sent*/) override {
    arrivals_.push_back(Clock::now());
    return ReceiverAccount{};
  }
  void abandon() override {}

 private:
  std::chrono::milliseconds late_;
  std::vector<Clock::time_point> arrivals_;
};

std::uint64_t told_by(Receiver& receiver) {
  const auto snapshot = receiver.read_counters();
  return snapshot ? snapshot->values.at("receiver.link.rx_packets") : 99;
}

TEST(LateCounters, WhatIsToldLateIsReadOnItsOwnSideOfTheTrial) {
  constexpr std::chrono::milliseconds kLate{40};
  const auto receiver = with_late_counters(std::make_unique<TellsLate>(kLate), kLate);
  ASSERT_TRUE(receiver->open());
  EXPECT_EQ(told_by(*receiver), 1U);
  ASSERT_TRUE(receiver->start());
  ASSERT_TRUE(receiver->drain(0, 0));
  ASSERT_TRUE(receiver->stop({}));
  EXPECT_EQ(told_by(*receiver), 2U);
}

}  // namespace
}  // namespace pollmark
