// The rules of the lockstep clock, each to the tick, with a time source and a world that are
// scripted.
#include "datapath/lockstep.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace pollmark {
namespace {

// A counter that moves only when told; reading it in a bracket costs kBracket.
struct ScriptedTsc {
  static constexpr Ticks kBracket = 7;
  static inline Ticks ticks = 0;
  static Ticks begin() noexcept { return ticks; }
  static Ticks end() noexcept { return ticks += kBracket; }
  static Ticks now() noexcept { return ticks; }
};
using Clock = LockstepClock<ScriptedTsc>;

struct Step {
  std::uint32_t lcore = 0;
  Ticks v = 0;
  std::uint32_t work = 0;
  friend bool operator==(const Step&, const Step&) = default;
};

// lcores with inputs of their own; lcore 0 may push all that it takes to lcore 1.
struct ScriptedWorld {
  struct Arrival {
    Ticks at = 0;
    std::uint32_t lcore = 0;
  };
  std::vector<Arrival> arrivals;  // by time
  std::uint32_t burst = 32;
  bool pushes = false;
  std::function<Ticks(std::uint32_t lcore, std::uint32_t work)> cost = [](auto, auto) {
    return Ticks{100};
  };
  std::function<void(const Clock&)> during = [](const Clock&) {};

  std::size_t delivered = 0;
  std::vector<std::uint32_t> queued = std::vector<std::uint32_t>(8, 0);
  struct Item {
    Ticks visible = 0;
    std::uint32_t count = 0;
  };
  std::vector<Item> ring;
  std::uint32_t just_pushed = 0;
  bool producer_done = false;
  LockstepLcore* lcores = nullptr;
  bool stop = false;

  std::vector<Step> steps;
  std::vector<Ticks> settled;
  std::vector<std::pair<std::uint32_t, Ticks>> opened;

  void deliver(Ticks v) noexcept {
    while (delivered < arrivals.size() && arrivals[delivered].at <= v)
      ++queued[arrivals[delivered++].lcore];
  }
  std::uint32_t waiting(std::uint32_t lcore, Ticks v) noexcept {
    if (pushes && lcore == 1) {
      std::uint32_t seen = 0;
      for (const Item& item : ring)
        if (item.visible <= v) seen += item.count;
      return std::min(seen, burst);
    }
    return std::min(queued[lcore], burst);
  }
  std::uint32_t step(std::uint32_t lcore, const Clock& clock) noexcept {
    const std::uint32_t work = waiting(lcore, clock.start);
    if (lcores != nullptr) steps.push_back({lcore, clock.start, work});
    during(clock);
    ScriptedTsc::ticks += cost(lcore, work);
    if (pushes && lcore == 1) {
      std::uint32_t left = work;
      for (Item& item : ring) {
        const std::uint32_t taken = std::min(left, item.count);
        item.count -= taken;
        left -= taken;
      }
    } else {
      queued[lcore] -= work;
      if (pushes && lcore == 0) just_pushed = work;
    }
    return work;
  }
  void settle(std::uint32_t lcore, Ticks v) noexcept {
    settled.push_back(v);
    if (pushes && lcore == 0 && just_pushed > 0) ring.push_back({v, just_pushed});
    just_pushed = 0;
  }
  void open_window(std::uint32_t lcore) noexcept { opened.emplace_back(lcore, lcores[lcore].v); }
  Ticks next_input(std::uint32_t lcore, Ticks v) noexcept {
    Ticks next = kNever;
    if (pushes && lcore == 1) {
      for (const Item& item : ring)
        if (item.count > 0 && item.visible > v) next = std::min(next, item.visible);
      if (!lcores[0].finished) next = std::min(next, std::max(lcores[0].v, v + 1));
      return next;
    }
    for (std::size_t i = delivered; i < arrivals.size(); ++i)
      if (arrivals[i].lcore == lcore) return arrivals[i].at;
    return kNever;
  }
  bool exhausted(std::uint32_t lcore) const noexcept {
    if (pushes && lcore == 1)
      return lcores[0].finished &&
             std::all_of(ring.begin(), ring.end(), [](const Item& i) { return i.count == 0; });
    return std::none_of(arrivals.begin() + static_cast<std::ptrdiff_t>(delivered), arrivals.end(),
                        [&](const Arrival& a) { return a.lcore == lcore; });
  }
  bool abandoned() const noexcept { return stop; }
};

struct Bench {
  ScriptedWorld world;
  std::vector<LockstepLcore> lcores;
  std::vector<std::vector<RunningMedian>> medians;
  std::vector<std::vector<HalfCost>> half_costs;
  std::vector<std::vector<Stall>> stalls;
  LockstepTimes times;
  CoreProbe probe;

  explicit Bench(std::size_t count)
      : lcores(count),
        medians(count, std::vector<RunningMedian>(65)),
        half_costs(count, std::vector<HalfCost>(65)),
        stalls(count) {
    times.window_start = 0;
    times.window_end = 1'000'000'000;
    times.excision_floor_ticks = 4600;
    times.bracket_ticks = ScriptedTsc::kBracket;
  }
  void run() {
    for (std::size_t i = 0; i < lcores.size(); ++i) {
      lcores[i].medians = medians[i].data();
      lcores[i].half_costs = half_costs[i].data();
      lcores[i].max_work = 64;
      lcores[i].stalls = stalls[i].data();
      lcores[i].stall_count = static_cast<std::uint32_t>(stalls[i].size());
    }
    world.lcores = lcores.data();
    run_lockstep<ScriptedTsc>(world, lcores.data(), static_cast<std::uint32_t>(lcores.size()),
                              times, probe);
  }
};

TEST(LockstepRule1, EveryLcoreHasItsOwnClockFromZero) {
  Bench bench(2);
  bench.world.arrivals = {{0, 0}, {0, 1}};
  bench.world.cost = [](std::uint32_t lcore, auto) { return Ticks{lcore == 0 ? 50U : 900U}; };
  bench.run();
  EXPECT_EQ(bench.world.steps, (std::vector<Step>{{0, 0, 1}, {1, 0, 1}}));
  EXPECT_EQ(bench.lcores[0].v, 50U);
  EXPECT_EQ(bench.lcores[1].v, 900U);
}

TEST(LockstepRule2, SmallestClockStepsFirstAndTiesGoToTheLowestIndex) {
  EXPECT_TRUE(rc::check("order of steps", [] {
    const auto count = *rc::gen::inRange<std::uint32_t>(1, 5);
    const auto costs =
        *rc::gen::container<std::vector<Ticks>>(count, rc::gen::inRange<Ticks>(1, 4));
    Bench bench(count);
    for (std::uint32_t i = 0; i < count; ++i)
      bench.world.arrivals.insert(bench.world.arrivals.end(), 20, {0, i});
    bench.world.burst = 1;
    bench.world.cost = [&](std::uint32_t lcore, auto) { return costs[lcore]; };
    bench.run();
    std::vector<Ticks> clocks(count, 0);
    std::vector<int> left(count, 20);
    for (const Step& step : bench.world.steps) {
      std::uint32_t turn = count;
      for (std::uint32_t i = 0; i < count; ++i)
        if (left[i] > 0 && (turn == count || clocks[i] < clocks[turn])) turn = i;
      RC_ASSERT(step.lcore == turn);
      RC_ASSERT(step.v == clocks[turn]);
      clocks[turn] += costs[turn];
      --left[turn];
    }
    RC_ASSERT(bench.world.steps.size() == 20 * count);
  }));
}

TEST(LockstepRule3, AnIterationTakesWhatHasArrivedByItsStartAndNothingThatArrivesInside) {
  Bench bench(1);
  // The third arrives one tick after the first iteration begins, long before it ends.
  bench.world.arrivals = {{10, 0}, {10, 0}, {11, 0}, {109, 0}, {110, 0}, {111, 0}};
  bench.lcores[0].empty_round_ticks = 1;
  bench.run();
  EXPECT_EQ(bench.world.steps, (std::vector<Step>{{0, 10, 2}, {0, 110, 3}, {0, 210, 1}}));
}

TEST(LockstepRule4, ChargesTheBracketWithoutItsOwnCost) {
  EXPECT_EQ(calibrate_bracket<ScriptedTsc>(), ScriptedTsc::kBracket);
  Bench bench(1);
  bench.world.arrivals = {{0, 0}};
  bench.world.cost = [](auto, auto) { return Ticks{1234}; };
  bench.run();
  EXPECT_EQ(bench.lcores[0].v, 1234U);
  EXPECT_EQ(bench.lcores[0].busy_ticks, 1234U);
  EXPECT_EQ(bench.lcores[0].iterations, 1U);
  EXPECT_EQ(bench.lcores[0].work, 1U);
}

TEST(LockstepRule4, NoIterationIsFree) {
  Bench bench(1);
  bench.world.arrivals = {{0, 0}};
  bench.world.cost = [](auto, auto) { return Ticks{0}; };
  bench.run();
  EXPECT_EQ(bench.lcores[0].v, 1U);
}

TEST(LockstepRule5, EmptyRoundsMoveTheClockInWholeRoundsPastTheNextInput) {
  EXPECT_TRUE(rc::check("V += e * ceil((T - V) / e)", [] {
    const auto e = *rc::gen::inRange<Ticks>(1, 60);
    const auto gap = *rc::gen::inRange<Ticks>(1, 5000);
    Bench bench(1);
    bench.world.arrivals = {{0, 0}, {100 + gap, 0}};
    bench.lcores[0].empty_round_ticks = e;
    bench.run();
    const Ticks begins = 100 + e * ((gap + e - 1) / e);
    RC_ASSERT(bench.world.steps.at(1) == (Step{0, begins, 1}));
    RC_ASSERT(bench.lcores[0].idle_ticks == begins - 100);
    RC_ASSERT(bench.lcores[0].busy_ticks == 200U);
  }));
}

TEST(LockstepRule5, CalibratesAnEmptyRoundAndNeverBelowOneTick) {
  ScriptedWorld world;
  world.cost = [](auto, auto) { return Ticks{33}; };
  EXPECT_EQ((calibrate_empty_round<ScriptedTsc>(world, 0U, ScriptedTsc::kBracket)), 33U);
  world.cost = [](auto, auto) { return Ticks{0}; };
  EXPECT_EQ((calibrate_empty_round<ScriptedTsc>(world, 0U, ScriptedTsc::kBracket)), 1U);
}

TEST(LockstepRule6, PushedItemsAreVisibleFromTheEndOfTheProducersIteration) {
  Bench bench(2);
  bench.world.pushes = true;
  bench.world.arrivals = {{0, 0}, {0, 0}, {0, 0}};
  bench.world.cost = [](std::uint32_t lcore, auto) { return Ticks{lcore == 0 ? 500U : 10U}; };
  bench.lcores[1].empty_round_ticks = 20;
  bench.run();
  ASSERT_EQ(bench.world.steps.size(), 2U);
  EXPECT_EQ(bench.world.steps[0], (Step{0, 0, 3}));
  EXPECT_EQ(bench.world.settled.front(), 500U);
  // Not at 0, where the producer pushed them in real time; in its first round from 500 on.
  EXPECT_EQ(bench.world.steps[1], (Step{1, 500, 3}));
}

TEST(LockstepRule6, AnIdleConsumerTakesAnItemInItsFirstRoundFromThenOn) {
  EXPECT_TRUE(rc::check("visibility", [] {
    Bench bench(2);
    bench.world.pushes = true;
    bench.world.burst = *rc::gen::inRange(1U, 8U);
    const auto gaps = *rc::gen::container<std::vector<Ticks>>(30, rc::gen::inRange<Ticks>(0, 300));
    Ticks at = 0;
    for (const Ticks gap : gaps) bench.world.arrivals.push_back({at += gap, 0});
    const auto rx = *rc::gen::inRange<Ticks>(1, 200);
    const auto worker = *rc::gen::inRange<Ticks>(1, 200);
    bench.world.cost = [=](std::uint32_t lcore, std::uint32_t work) {
      return (lcore == 0 ? rx : worker) * work;
    };
    const auto e = *rc::gen::inRange<Ticks>(1, 30);
    bench.lcores[1].empty_round_ticks = e;
    bench.run();
    // The same items by plain reckoning: what is visible when, and when the worker is free.
    std::vector<Ticks> visible;
    for (const Step& step : bench.world.steps)
      if (step.lcore == 0) visible.insert(visible.end(), step.work, step.v + rx * step.work);
    std::size_t taken = 0;
    Ticks free_at = 0;
    for (const Step& step : bench.world.steps) {
      if (step.lcore != 1) continue;
      RC_ASSERT(step.v >= free_at);
      RC_ASSERT(visible.at(taken) <= step.v);
      RC_ASSERT(step.v < std::max(free_at, visible.at(taken)) + e);
      taken += step.work;
      RC_ASSERT(visible.at(taken - 1) <= step.v);
      free_at = step.v + worker * step.work;
    }
    RC_ASSERT(taken == visible.size());
    RC_ASSERT(taken == 30U);
  }));
}

// 80 iterations with the same work; the one numbered `which` costs `cost`, all others 100.
LockstepLcore excised(Ticks usual, int which, Ticks cost) {
  Bench bench(1);
  for (int i = 0; i < 80; ++i) bench.world.arrivals.push_back({0, 0});
  bench.world.burst = 1;
  int number = 0;
  bench.world.cost = [&](auto, auto) { return number++ == which ? cost : usual; };
  bench.run();
  return bench.lcores[0];
}

TEST(LockstepRule7, ChargesTheMedianForWhatExceedsBothThresholds) {
  // m = 100: 8 m = 800, m + 2 us = 4700.
  const LockstepLcore below = excised(100, 70, 4700);
  EXPECT_EQ(below.excised, 0U);
  EXPECT_EQ(below.busy_ticks, 79U * 100 + 4700);
  const LockstepLcore above = excised(100, 70, 4701);
  EXPECT_EQ(above.excised, 1U);
  EXPECT_EQ(above.busy_ticks, 80U * 100);
  EXPECT_EQ(above.v, 80U * 100);
  EXPECT_EQ(above.excised_ticks, 4601U);
  EXPECT_EQ(above.longest_excised_ticks, 4701U);
  // m = 1000: 8 m = 8000, m + 2 us = 5600.
  EXPECT_EQ(excised(1000, 70, 8000).excised, 0U);
  EXPECT_EQ(excised(1000, 70, 8001).excised, 1U);
}

TEST(LockstepRule7, ComparesOnlyIterationsWithTheSameWork) {
  Bench bench(1);
  // Single frames at 100 each, then one burst of 32 at 32 000: dear, but nothing unusual for it.
  for (int i = 0; i < 40; ++i) bench.world.arrivals.push_back({Ticks(1000 * i), 0});
  for (int burst = 0; burst < 8; ++burst)
    for (int i = 0; i < 32; ++i) bench.world.arrivals.push_back({Ticks(100'000 * (burst + 1)), 0});
  bench.world.cost = [](auto, std::uint32_t work) { return Ticks{work == 1 ? 100U : 4000U}; };
  bench.run();
  EXPECT_EQ(bench.lcores[0].excised, 0U);
  EXPECT_EQ(bench.lcores[0].busy_ticks, 40U * 100 + 8 * 4000);
}

TEST(LockstepRule7, AWorkThatIsNewIsHeldAgainstItsNeighbours) {
  Bench bench(1);
  for (int i = 0; i < 40; ++i) bench.world.arrivals.push_back({Ticks(1000 * i), 0});
  bench.world.arrivals.push_back({100'000, 0});
  bench.world.arrivals.push_back({100'000, 0});
  // The first iteration with two frames is preempted for a long time.
  bench.world.cost = [](auto, std::uint32_t work) { return Ticks{work == 1 ? 100U : 9'000'000U}; };
  bench.run();
  EXPECT_EQ(bench.lcores[0].excised, 1U);
  EXPECT_EQ(bench.lcores[0].busy_ticks, 40U * 100 + 200);
}

TEST(LockstepRule7, TheVeryFirstIterationIsHeldAgainstAGenerousGuess) {
  EXPECT_EQ(excised(100, 0, 8000).excised, 0U);
  const LockstepLcore preempted = excised(100, 0, 10'000'000);
  EXPECT_EQ(preempted.excised, 1U);
  EXPECT_EQ(preempted.busy_ticks, 1001U + 79 * 100);
}

TEST(LockstepRule7, HalvesOfTheWindowAreKeptApart) {
  Bench bench(1);
  bench.times.window_start = 1000;
  bench.times.window_end = 3000;
  for (Ticks at = 0; at < 4000; at += 100) bench.world.arrivals.push_back({at, 0});
  bench.lcores[0].empty_round_ticks = 1;
  Bench* self = &bench;
  bench.world.cost = [self](auto, auto) { return Ticks{self->lcores[0].v < 2000 ? 40U : 60U}; };
  bench.run();
  const HalfCost& cost = bench.half_costs[0][1];
  EXPECT_EQ(cost.iterations[0], 10U);
  EXPECT_EQ(cost.ticks[0], 400U);
  EXPECT_EQ(cost.iterations[1], 10U);
  EXPECT_EQ(cost.ticks[1], 600U);
}

TEST(LockstepRule7, HalvesAreComparedAtEqualWork) {
  // Frames come alone in the first half and mostly in fours in the second, at unchanged cost.
  std::vector<HalfCost> costs(9);
  costs[1] = {{9000 * 40, 900 * 40}, {9000, 900}};
  costs[4] = {{900 * 100, 9000 * 100}, {900, 9000}};
  HalfDrift steady;
  steady.add(costs.data(), 8);
  ASSERT_TRUE(steady.value());
  EXPECT_DOUBLE_EQ(*steady.value(), 0.0);

  // Every work 10 % dearer: the shares of work do not hide it.
  costs[1].ticks[1] = 900 * 44;
  costs[4].ticks[1] = 9000 * 110;
  HalfDrift dearer;
  dearer.add(costs.data(), 8);
  ASSERT_TRUE(dearer.value());
  EXPECT_NEAR(*dearer.value(), 0.1, 1e-12);
}

TEST(LockstepRule7, HalvesWithoutEnoughCommonWorkAreNotCompared) {
  const auto drift = [](HalfCost ones, HalfCost fours) {
    std::vector<HalfCost> costs(9);
    costs[1] = ones;
    costs[4] = fours;
    HalfDrift of;
    of.add(costs.data(), 8);
    return of.value();
  };
  EXPECT_FALSE(drift({}, {}));
  EXPECT_FALSE(drift({{360'000, 0}, {9000, 0}}, {{0, 900'000}, {0, 9000}}));
  // Few frames, though all of one work; and enough of them.
  EXPECT_FALSE(drift({{40 * 999, 40 * 999}, {999, 999}}, {}));
  EXPECT_TRUE(drift({{40 * 1000, 40 * 1000}, {1000, 1000}}, {}));
  // A hundredth of the time says nothing about the rest.
  EXPECT_FALSE(drift({{40 * 1000, 40 * 1000}, {1000, 1000}}, {{0, 8'000'000}, {0, 80'000}}));
}

TEST(LockstepRule7, TheDearestEighthOfASliceIsAnInterruption) {
  SliceMean slice;
  for (std::uint32_t i = 0; i < kProbeSlice; ++i)
    slice.costs[i] = i % 8 == 3 ? 1'000'000 : 700 + 200 * (i % 2);
  EXPECT_EQ(close_slice(slice), 700.0 + 200.0 * 24 / 56);
  EXPECT_EQ(slice.last, slice.sum);
}

TEST(LockstepRule8, ClockShowsStartPlusWhatTheIterationHasSpent) {
  Bench bench(1);
  bench.world.arrivals = {{500, 0}};
  bench.lcores[0].empty_round_ticks = 1;
  std::vector<Ticks> seen;
  bench.world.during = [&](const Clock& clock) {
    seen.push_back(clock.now());
    ScriptedTsc::ticks += 42;
    seen.push_back(clock.now());
  };
  bench.run();
  EXPECT_EQ(seen, (std::vector<Ticks>{500, 542}));
}

TEST(LockstepRule8, ADisturbedIterationShowsItsUsualCostToTheLoops) {
  Bench bench(1);
  for (int i = 0; i < 65; ++i) bench.world.arrivals.push_back({0, 0});
  bench.world.burst = 1;
  int number = 0;
  Ticks shown = 0;
  bench.world.during = [&](const Clock& clock) {
    if (number++ != 64) return;
    ScriptedTsc::ticks += 1'000'000;  // preempted
    shown = clock.now();
  };
  bench.run();
  EXPECT_EQ(shown, 64U * 100 + 100);
  EXPECT_EQ(bench.lcores[0].v, 65U * 100);
}

TEST(LockstepRule9, CountsOnlyIterationsThatBeginInTheWindowAndDrainsBehindIt) {
  Bench bench(1);
  bench.times.window_start = 1000;
  bench.times.window_end = 2000;
  // One a hundred ticks from 0 on; those behind 2000 are the drain's.
  for (Ticks at = 0; at <= 2500; at += 100) bench.world.arrivals.push_back({at, 0});
  bench.lcores[0].empty_round_ticks = 1;
  bench.world.cost = [](auto, auto) { return Ticks{60}; };
  bench.run();
  ASSERT_EQ(bench.world.opened.size(), 1U);
  EXPECT_EQ(bench.world.opened[0].first, 0U);
  EXPECT_EQ(bench.world.opened[0].second, 1000U);
  EXPECT_EQ(bench.lcores[0].iterations, 10U);
  EXPECT_EQ(bench.lcores[0].busy_ticks, 600U);
  EXPECT_EQ(bench.world.steps.size(), 26U);
  EXPECT_TRUE(bench.lcores[0].finished);
}

TEST(LockstepRule9, BusyIdleAndStalledFillTheWindow) {
  Bench bench(1);
  bench.times.window_end = 1'000'000;
  for (Ticks at = 0; at < 1'000'000; at += 997) bench.world.arrivals.push_back({at, 0});
  bench.stalls[0] = {{10'000, 5000}, {500'000, 20'000}};
  bench.lcores[0].empty_round_ticks = 3;
  bench.run();
  const LockstepLcore& lcore = bench.lcores[0];
  EXPECT_EQ(lcore.stalled_ticks, 25'000U);
  const Ticks all = lcore.busy_ticks + lcore.idle_ticks + lcore.stalled_ticks;
  // From 0 to its end without a gap.
  EXPECT_EQ(all, lcore.v);
}

TEST(LockstepRule11, TheCoreIsLookedAtByTheWorkDoneAndAtNoLcoresCharge) {
  Bench bench(1);
  bench.times.window_start = 50'000;
  for (int i = 0; i < 1000; ++i)
    bench.world.arrivals.push_back({static_cast<Ticks>(50'000 + 200 * i), 0});
  const Ticks before = ScriptedTsc::ticks;
  bench.run();
  EXPECT_EQ(bench.lcores[0].busy_ticks, 100'000U);
  EXPECT_EQ(bench.probe.looks, 100'000U / kLookAfter);
  // In real time a look takes one bracket, and every so often three.
  const Ticks looks = bench.probe.looks + 2 * (bench.probe.looks / kPeeksPerReading);
  EXPECT_EQ(ScriptedTsc::ticks - before, 100'000U + (1000 + looks) * ScriptedTsc::kBracket);
}

TEST(LockstepStall, BeginsWithTheIterationThatWouldBeginInsideItAndLastsInFull) {
  Bench bench(1);
  bench.world.arrivals = {{0, 0}, {90, 0}, {2000, 0}};
  // Nominally from 50 on; the iteration that began at 0 ends at 100.
  bench.stalls[0] = {{50, 1000}};
  bench.lcores[0].empty_round_ticks = 1;
  bench.run();
  EXPECT_EQ(bench.world.steps, (std::vector<Step>{{0, 0, 1}, {0, 1100, 1}, {0, 2000, 1}}));
  EXPECT_EQ(bench.lcores[0].injected_stalls, 1U);
  EXPECT_EQ(bench.lcores[0].stalled_ticks, 1000U);
}

TEST(LockstepStall, AnIdleLcoreIsStalledOnTime) {
  Bench bench(1);
  bench.world.arrivals = {{1500, 0}};
  bench.stalls[0] = {{1000, 700}};
  bench.lcores[0].empty_round_ticks = 10;
  bench.run();
  EXPECT_EQ(bench.world.steps, (std::vector<Step>{{0, 1700, 1}}));
  EXPECT_EQ(bench.lcores[0].idle_ticks, 1000U);
}

TEST(LockstepAbandon, EndsAtTheNextStep) {
  Bench bench(1);
  for (int i = 0; i < 1000; ++i) bench.world.arrivals.push_back({0, 0});
  bench.world.burst = 1;
  bench.world.during = [&](const Clock&) {
    if (bench.world.steps.size() == 5) bench.world.stop = true;
  };
  bench.run();
  EXPECT_EQ(bench.world.steps.size(), 5U);
}

}  // namespace
}  // namespace pollmark
