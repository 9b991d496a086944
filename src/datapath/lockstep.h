// The lockstep clock: a discrete-event model whose service times are measured. Its rules, as the
// tests number them:
//  1  ticks are TSC ticks, t = 0 opens the warm-up; every virtual lcore has its own clock V
//  2  the unfinished lcore with the smallest V (ties: lowest index) runs one iteration
//  3  before it, every frame with arrival <= V is delivered; nothing arrives inside an iteration
//  4  an iteration that worked is charged tsc after - tsc before - k
//  5  an iteration with only empty inputs: V += e * ceil((T - V) / e), T = its next input
//  6  what it pushed becomes visible at its end
//  7  cost above max(8 m, m + 2 us) is excised: m is charged (m = median of the last 64 iterations
//     with the same work); the halves of the window are compared at equal work
//  8  the loops read time as V + what the iteration has spent
//  9  warm-up, window and drain are virtual
// 10  the limits are stated, not modelled
// 11  after every 2500 ticks of work the engine looks at its core, at no lcore's charge; while
//     another thread shares it, time stands still (core_probe.h)
// The engine is a template over the time source and the world that it moves, so that each rule can
// be tested to the tick. One thread runs it.
#pragma once

#include <cstdint>

#include "datapath/clock.h"
#include "datapath/core_probe.h"
#include "datapath/half_cost.h"
#include "datapath/isa_level.h"
#include "datapath/running_median.h"

namespace pollmark {

// Time in which an lcore does nothing. It begins with the first iteration that would begin at or
// after `start` and lasts `length` from there.
struct Stall {
  Ticks start = 0;
  Ticks length = 0;
};

inline constexpr std::uint32_t kMedianTrust = 4;  // fewer costs than this are no usual cost
inline constexpr Ticks kGuessedTicks = 1000;      // per frame, before any is known
inline constexpr Ticks kLookAfter = 2500;         // of work, rule 11

// One virtual lcore. Tallies cover iterations that began in the window [window_start, window_end).
struct LockstepLcore {
  // set by control before the run
  const Stall* stalls = nullptr;  // by start
  std::uint32_t stall_count = 0;
  RunningMedian* medians = nullptr;  // [max_work + 1], by work
  HalfCost* half_costs = nullptr;    // [max_work + 1], by work
  std::uint32_t max_work = 0;
  // engine: rw, control: ro after the run
  Ticks v = 0;
  Ticks empty_round_ticks = 1;  // e
  std::uint32_t next_stall = 0;
  bool window_open = false;
  bool finished = false;
  Ticks busy_ticks = 0;
  Ticks idle_ticks = 0;
  Ticks stalled_ticks = 0;
  std::uint64_t work = 0;
  std::uint64_t iterations = 0;  // that worked
  std::uint64_t injected_stalls = 0;
  std::uint64_t excised = 0;
  Ticks excised_ticks = 0;  // measured minus charged
  Ticks longest_excised_ticks = 0;
};

struct LockstepTimes {
  Ticks window_start = 0;
  Ticks window_end = 0;
  Ticks excision_floor_ticks = 0;  // 2 us
  Ticks bracket_ticks = 0;         // k
};

inline namespace PM_ISA_LEVEL {

// k: the usual distance of begin() and end() with nothing between.
template <typename Tsc>
Ticks calibrate_bracket() noexcept {
  RunningMedian median;
  for (int round = 0; round < 4096; ++round) {
    const Ticks before = Tsc::begin();
    const Ticks after = Tsc::end();
    record(median, static_cast<std::uint32_t>(after - before));
  }
  return median_of(median);
}

// e of one lcore: the usual cost of an iteration whose inputs are all empty; at least 1.
template <typename Tsc, typename World>
Ticks calibrate_empty_round(World& world, std::uint32_t lcore, Ticks bracket_ticks) noexcept {
  RunningMedian median;
  LockstepClock<Tsc> clock;
  for (int round = 0; round < 1024; ++round) {
    const Ticks before = Tsc::begin();
    clock.begun = before;
    world.step(lcore, clock);
    const Ticks after = Tsc::end();
    record(median, static_cast<std::uint32_t>(after - before));
  }
  const Ticks usual = median_of(median);
  return usual > bracket_ticks ? usual - bracket_ticks : 1;
}

// The usual cost of that work: the median of its last 64 costs. While it has too few: that of the
// nearest work that has enough, in proportion; at the very beginning a guess, so generous that only
// a preempted iteration exceeds it eightfold.
inline Ticks usual_cost(const LockstepLcore& lcore, std::uint32_t work) noexcept {
  if (lcore.medians[work].count >= kMedianTrust) return median_of(lcore.medians[work]);
  for (std::uint32_t away = 1; away <= lcore.max_work; ++away) {
    for (int side = 0; side < 2; ++side) {
      const std::uint32_t near = side == 0 ? work - away : work + away;
      if (near == 0 || near > lcore.max_work) continue;  // work - away may have wrapped
      if (lcore.medians[near].count >= kMedianTrust)
        return Ticks{median_of(lcore.medians[near])} * work / near;
    }
  }
  return lcore.empty_round_ticks + Ticks{work} * kGuessedTicks;
}

// Runs the lcores of one group to the end of the drain. World:
//   deliver(v)                 every frame with arrival <= v enters its queue, in order
//   waiting(lcore, v)          frames and visible items that an iteration at v will take
//   step(lcore, clock)         one iteration; returns the frames and items taken
//   settle(lcore, v)           the iteration ended at v: what it pushed is visible from v
//   open_window(lcore)         its clock has reached the window: tallies begin anew
//   next_input(lcore, v)       earliest time > v at which something may wait for it; kNever
//   exhausted(lcore)           nothing will ever wait for it again
//   abandoned()                somebody wants it to end at once
template <typename Tsc, typename World>
void run_lockstep(World& world, LockstepLcore* lcores, std::uint32_t count,
                  const LockstepTimes& times, CoreProbe& probe) noexcept {
  const Ticks middle = times.window_start + (times.window_end - times.window_start) / 2;
  LockstepClock<Tsc> clock;
  Ticks worked = 0;  // since the last look at the core
  for (;;) {
    std::uint32_t turn = count;
    for (std::uint32_t i = 0; i < count; ++i)
      if (!lcores[i].finished && (turn == count || lcores[i].v < lcores[turn].v)) turn = i;
    if (turn == count || world.abandoned()) return;
    LockstepLcore& lcore = lcores[turn];

    if (!lcore.window_open && lcore.v >= times.window_start) {
      lcore.window_open = true;
      world.open_window(turn);
    }
    const bool counted = lcore.window_open && lcore.v < times.window_end;

    if (lcore.next_stall < lcore.stall_count && lcore.stalls[lcore.next_stall].start <= lcore.v) {
      const Ticks length = lcore.stalls[lcore.next_stall++].length;
      lcore.v += length;
      if (counted) {
        lcore.stalled_ticks += length;
        ++lcore.injected_stalls;
      }
      continue;
    }

    world.deliver(lcore.v);
    const std::uint32_t expected = world.waiting(turn, lcore.v);
    if (expected == 0) {
      if (world.exhausted(turn)) {
        lcore.finished = true;
        continue;
      }
      Ticks next = world.next_input(turn, lcore.v);
      if (lcore.next_stall < lcore.stall_count && lcore.stalls[lcore.next_stall].start < next)
        next = lcore.stalls[lcore.next_stall].start;
      const Ticks e = lcore.empty_round_ticks;
      const Ticks spent = next > lcore.v ? e * ((next - lcore.v + e - 1) / e) : e;
      lcore.v += spent;
      if (counted) lcore.idle_ticks += spent;
      continue;
    }

    const Ticks usual = usual_cost(lcore, expected);
    const Ticks above_floor = usual + times.excision_floor_ticks;
    const Ticks limit = 8 * usual > above_floor ? 8 * usual : above_floor;
    clock.start = lcore.v;
    clock.limit = limit;
    clock.usual = usual;
    clock.begun = Tsc::begin();
    const std::uint32_t work = world.step(turn, clock);
    const Ticks after = Tsc::end();

    const Ticks bracketed = after - clock.begun;
    const Ticks cost = bracketed > times.bracket_ticks ? bracketed - times.bracket_ticks : 1;
    const bool disturbed = cost > limit;
    const Ticks charged = disturbed ? usual : cost;
    const std::uint32_t at = work < lcore.max_work ? work : lcore.max_work;
    record(lcore.medians[at], static_cast<std::uint32_t>(cost < 0xffffffffU ? cost : 0xffffffffU));
    if (counted) {
      lcore.busy_ticks += charged;
      lcore.work += work;
      ++lcore.iterations;
      const int half = lcore.v >= middle ? 1 : 0;
      lcore.half_costs[at].ticks[half] += charged;
      ++lcore.half_costs[at].iterations[half];
      if (disturbed) {
        ++lcore.excised;
        lcore.excised_ticks += cost - charged;
        if (cost > lcore.longest_excised_ticks) lcore.longest_excised_ticks = cost;
      }
    }
    lcore.v += charged;
    world.settle(turn, lcore.v);
    worked += charged;
    if (worked >= kLookAfter) {
      worked = 0;
      look_at_core<CoreReader<Tsc>>(probe, world, counted ? LookIn::window : LookIn::outside);
    }
  }
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
