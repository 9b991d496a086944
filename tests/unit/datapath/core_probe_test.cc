// Looks at the core, with a time source whose readings are scripted.
#include "datapath/core_probe.h"

#include <gtest/gtest.h>

#include <functional>

namespace pollmark {
namespace {

constexpr Ticks kChain = 400;
constexpr Ticks kMix = 1000;

struct ScriptedCore {
  static inline Ticks ticks = 0;
  static inline int readings = 0;
  static inline int peeks = 0;
  static inline std::function<Ticks(int reading)> chain;
  static inline std::function<Ticks(int reading)> mix;
  static inline std::function<Ticks(int peek)> quarter;

  static void start() {
    ticks = 0;
    readings = 0;
    peeks = 0;
    chain = [](int) { return kChain; };
    mix = [](int) { return kMix; };
    quarter = [](int) { return mix(readings) / 4; };
  }
  static CoreReading read(CoreProbe& /*probe*/) noexcept {
    const CoreReading reading{chain(readings), mix(readings)};
    ++readings;
    ticks += reading.chain + reading.mix;
    return reading;
  }
  static Ticks peek(CoreProbe& /*probe*/) noexcept { return quarter(peeks++); }
  static Ticks now() noexcept { return ticks; }
};

struct World {
  bool stop = false;
  [[nodiscard]] bool abandoned() const noexcept { return stop; }
};

struct LookAtCore : testing::Test {
  LookAtCore() {
    ScriptedCore::start();
    probe.mix_per_chain = static_cast<double>(kMix) / kChain;
    probe.limit = 1120;
    probe.patience = 1'000'000;
  }
  void look(LookIn part = LookIn::window) { look_at_core<ScriptedCore>(probe, world, part); }

  CoreProbe probe;
  World world;
};

TEST_F(LookAtCore, AQuietCoreIsPeekedAtAndNotWaitedFor) {
  ScriptedCore::mix = [](int) { return Ticks{1120}; };
  ScriptedCore::quarter = [](int) { return Ticks{1120 / 4 + kPeekGrain}; };
  for (int i = 0; i < 80; ++i) look();
  EXPECT_EQ(ScriptedCore::peeks, 80);
  EXPECT_EQ(ScriptedCore::readings, 10) << "for the means";
  EXPECT_EQ(probe.looks, 80U);
  EXPECT_EQ(probe.shared, 0U);
  EXPECT_EQ(probe.waited, 0U);
}

TEST_F(LookAtCore, OneDearReadingIsAnInterruption) {
  ScriptedCore::mix = [](int reading) { return reading == 0 ? Ticks{50'000} : kMix; };
  look();
  EXPECT_EQ(ScriptedCore::readings, 2);
  EXPECT_EQ(probe.shared, 0U);
  EXPECT_EQ(probe.waited, 0U);
}

TEST_F(LookAtCore, ASharedCoreIsWaitedForUntilItHasBeenQuietForAWhile) {
  // Two readings show it, three more find it, four are quiet, one more is not.
  ScriptedCore::mix = [](int reading) { return reading < 5 || reading == 9 ? Ticks{1400} : kMix; };
  look();
  EXPECT_EQ(ScriptedCore::readings, 10 + static_cast<int>(kQuietReadings));
  EXPECT_EQ(probe.shared, 1U);
  EXPECT_EQ(probe.waited, 4 * (kChain + 1400) + (4 + kQuietReadings) * (kChain + kMix));
  EXPECT_EQ(probe.patience, 1'000'000 - probe.waited);
}

TEST_F(LookAtCore, ADearPeekIsFollowedByAReading) {
  ScriptedCore::quarter = [](int) { return Ticks{1120 / 4 + kPeekGrain + 1}; };
  look();
  EXPECT_EQ(ScriptedCore::readings, 1);
  EXPECT_EQ(probe.shared, 0U);
}

TEST_F(LookAtCore, PatienceIsOfTheWholeTrial) {
  ScriptedCore::mix = [](int) { return Ticks{2000}; };
  probe.patience = 24'000;
  look();
  EXPECT_EQ(probe.waited, 24'000U);
  EXPECT_EQ(probe.patience, 0U);
  look();
  look();
  EXPECT_EQ(probe.waited, 24'000U);
  EXPECT_EQ(probe.shared, 3U) << "it is still seen, and counted";
}

TEST_F(LookAtCore, ATrialThatIsAbandonedWaitsNoMore) {
  ScriptedCore::mix = [&](int reading) {
    world.stop = reading >= 20;
    return Ticks{2000};
  };
  look();
  EXPECT_EQ(ScriptedCore::readings, 21);
}

TEST_F(LookAtCore, OutsideTheWindowItWaitsButCountsNothing) {
  ScriptedCore::mix = [](int reading) { return reading < 30 ? Ticks{2000} : kMix; };
  look(LookIn::outside);
  EXPECT_EQ(probe.looks, 0U);
  EXPECT_EQ(probe.shared, 0U);
  EXPECT_GT(probe.waited, 0U);
}

TEST_F(LookAtCore, AnotherFrequencyIsNoOtherThread) {
  ScriptedCore::chain = [](int) { return kChain * 13 / 10; };
  ScriptedCore::mix = [](int) { return kMix * 13 / 10; };
  for (int i = 0; i < 2000; ++i) look();
  EXPECT_LE(probe.shared, 1U) << "until its first slice was full";
  EXPECT_EQ(probe.limit, 1456U);
  EXPECT_EQ(probe.chain.sum, 520.0 * static_cast<double>(probe.slices));
}

TEST_F(LookAtCore, TheLeastOfTheSlicesIsKept) {
  ScriptedCore::mix = [](int reading) { return reading / 64 == 1 ? kMix : 3 * kMix; };
  for (int i = 0; i < 256; ++i) (void)probe_core<ScriptedCore>(probe);
  EXPECT_EQ(probe.slices, 4U);
  EXPECT_EQ(probe.least_mix_per_chain, 2.5);
}

TEST(CoreProbe, WhileNothingIsKnownNothingIsShared) {
  ScriptedCore::start();
  ScriptedCore::mix = [](int reading) { return kMix * static_cast<Ticks>(1 + reading % 3); };
  CoreProbe probe;
  for (int i = 0; i < 2000; ++i) look_at_core<ScriptedCore>(probe, World{}, LookIn::window);
  EXPECT_EQ(probe.shared, 0U);
  EXPECT_EQ(probe.limit, kNever);
}

}  // namespace
}  // namespace pollmark
