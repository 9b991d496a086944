// The wall clock: every link and every receiving lcore on a thread of its own, in real time. Time
// is the TSC; t = 0 of a link's schedule is its `origin`.
//
// A trial goes through three phases. Links send warm-up frames, say so when their next frame is the
// window's, and wait until every receiving lcore has opened its window: a frame of the window is
// never met by a lcore that still counts the warm-up. From there on all links keep one schedule,
// however far apart they started. When every link is done the phase is over;
// receiving lcores poll until they find nothing, workers until their producers have ended and
// nothing is left.
#pragma once

#include <atomic>
#include <cstdint>

#include "datapath/loop_watch.h"
#include "datapath/model_run.h"
#include "datapath/receive.h"

namespace pollmark {

enum class WallPhase : std::uint32_t { warmup, window, over };

// Told to control from inside a loop, twice a trial, while no frame is in hand.
using PhaseBell = void (*)(void* listener, WallPhase phase) noexcept;

// What the threads of one trial tell each other.
struct WallBoard {
  // set by control
  std::uint32_t links = 0;
  std::uint32_t lcores = 0;
  const std::atomic<bool>* abandoned = nullptr;
  alignas(64) std::atomic<WallPhase> phase{WallPhase::warmup};
  alignas(64) std::atomic<std::uint32_t> links_at_window{0};
  std::atomic<Ticks> window_at{0};  // TSC when its schedule begins: the latest link's
  std::atomic<std::uint32_t> lcores_opened{0};
  std::atomic<std::uint32_t> links_over{0};
};

// One receiving lcore.
struct alignas(64) WallLcore {
  // set by control
  ReceiveLcore* lcore = nullptr;
  SequenceTracker* window_tracker = nullptr;    // of an rx lcore
  const WallLcore* const* producers = nullptr;  // of a worker
  std::uint32_t producer_count = 0;
  PhaseBell bell = nullptr;
  void* listener = nullptr;
  LoopWatch watch;
  LivePulse pulse;
  alignas(64) std::atomic<bool> ended{false};
};

// One link: the sender.
struct alignas(64) WallLink {
  // set by control
  LinkOrder order;
  Ticks catch_up_ticks = 0;  // debt that is worked off; what is older shifts the schedule
  Ticks lead_ticks = 0;      // before the window, to let the receiving lcores open theirs
  PhaseBell bell = nullptr;
  void* listener = nullptr;
  LoopWatch watch;
  Pacing pacing;
  LivePulse pulse;
  // written by the run
  LinkTallies tallies;
  std::uint64_t unsent = 0;    // of the whole schedule: more than the line carries
  std::uint64_t given_up = 0;  // of this link's part: still due when the window was over
  Ticks shifted_ticks = 0;     // that the schedule was put off by
  Ticks origin = 0;
  Ticks over_at = 0;  // its last frame is out
};

inline namespace PM_ISA_LEVEL {

inline void publish(LivePulse& pulse, const ReceiveLcore& lcore) noexcept {
  pulse.polled.store(lcore.tallies.polled, std::memory_order_relaxed);
  pulse.received.store(lcore.tallies.received, std::memory_order_relaxed);
  pulse.lost.store(lost_here(lcore), std::memory_order_relaxed);
}

template <typename Step>
void poll_wall(WallLcore& self, WallBoard& board, const Traffic& traffic, Step step) noexcept {
  ReceiveLcore& lcore = *self.lcore;
  LoopWatch& watch = self.watch;
  const WallClock clock;
  WallPhase phase = WallPhase::warmup;
  std::uint32_t work = 0;
  std::uint32_t rounds = 0;
  bool producers_ended = false;
  lcore.epoch = traffic.warmup_epoch;
  Ticks round_start = clock.now();
  while (!board.abandoned->load(std::memory_order_relaxed)) {
    const Ticks now = clock.now();
    if (phase == WallPhase::window) [[likely]] {
      note_round(watch, now - round_start, work);
      if (++rounds % kPulseRounds == 0) {
        publish(self.pulse, lcore);
      }
    }
    round_start = now;
    const WallPhase told = board.phase.load(std::memory_order_acquire);
    if (told != phase) [[unlikely]] {
      if (told == WallPhase::over) {
        if (phase == WallPhase::window) {
          watch.closed_at = now;
          self.bell(self.listener, WallPhase::over);
        }
      } else {
        open_window(lcore, traffic.epoch, self.window_tracker);
        self.bell(self.listener, WallPhase::window);
        watch.opened_at = round_start = clock.now();
        board.lcores_opened.fetch_add(1, std::memory_order_release);
      }
      phase = told;
      work = 0;
    }
    if (phase == WallPhase::over && !producers_ended) {
      // Read before the round that may be the last: what they pushed is there by then.
      producers_ended = true;
      for (std::uint32_t i = 0; i < self.producer_count; ++i)
        producers_ended =
            producers_ended && self.producers[i]->ended.load(std::memory_order_acquire);
    }
    work = step(lcore, clock);
    if (producers_ended && work == 0) break;
  }
  if (phase != WallPhase::warmup) publish(self.pulse, lcore);
  self.ended.store(true, std::memory_order_release);
}

// window_at: when this link's schedule has the window begin. False: the trial was abandoned
// meanwhile.
inline bool wait_for_window(WallBoard& board, Ticks window_at) noexcept {
  Ticks latest = board.window_at.load(std::memory_order_relaxed);
  while (latest < window_at &&
         !board.window_at.compare_exchange_weak(latest, window_at, std::memory_order_relaxed)) {
  }
  if (board.links_at_window.fetch_add(1, std::memory_order_acq_rel) + 1 == board.links)
    board.phase.store(WallPhase::window, std::memory_order_release);
  while (board.lcores_opened.load(std::memory_order_acquire) != board.lcores) {
    if (board.abandoned->load(std::memory_order_relaxed)) return false;
    _mm_pause();
  }
  return true;
}

template <typename Link>
void send_wall(WallLink& self, WallBoard& board, const Traffic& traffic) noexcept {
  constexpr std::uint32_t kMostAtOnce = 64;  // frames that one look at the clock stamps
  Link link;
  link.open(self.order);
  bool in_window = false;
  std::uint32_t work = 0;
  std::uint32_t rounds = 0;
  self.origin = WallClock::now();
  Ticks start = self.origin;  // of the schedule: moves when it is given up to be kept
  Ticks deadline = kNever;
  Ticks round_start = start;
  const auto open = [&] {
    self.bell(self.listener, WallPhase::window);
    in_window = true;
    if (!wait_for_window(board, start + traffic.window_start)) return;
    start = board.window_at.load(std::memory_order_relaxed) - traffic.window_start;
    self.pacing.window_open = true;
    self.watch.opened_at = round_start = WallClock::now();
    deadline = self.watch.opened_at + self.lead_ticks + self.catch_up_ticks +
               (traffic.window_end - traffic.window_start);
  };
  while (link.next_arrival() != kNever && !board.abandoned->load(std::memory_order_relaxed)) {
    const Ticks now = WallClock::now();
    if (in_window) [[likely]] {
      note_round(self.watch, now - round_start, work);
      if (++rounds % kPulseRounds == 0) {
        self.pulse.offered.store(link.tallies().offered, std::memory_order_relaxed);
        self.pulse.lost.store(link.missed(), std::memory_order_relaxed);
      }
      // Over by the clock: the rest of the schedule stays unsent.
      if (now >= deadline) [[unlikely]]
        break;
    } else if (link.next_is_of_window() && now - start + self.lead_ticks >= traffic.window_start) {
      open();
      continue;
    }
    round_start = now;
    const Ticks oldest = link.next_arrival() + self.catch_up_ticks;
    if (oldest < now - start) [[unlikely]] {
      self.shifted_ticks += now - start - oldest;
      start = now - oldest;
    }
    work = link.deliver_paced(now - start, now, kMostAtOnce, self.pacing);
  }
  // None of the window's frames came by here: the others wait for this link, too.
  if (!in_window) open();
  self.over_at = self.watch.closed_at = WallClock::now();
  self.bell(self.listener, WallPhase::over);
  if (!board.abandoned->load(std::memory_order_relaxed)) self.given_up = link.give_up_rest();
  self.unsent = link.unsent();
  self.tallies = link.tallies();
  self.pulse.offered.store(self.tallies.offered, std::memory_order_relaxed);
  self.pulse.lost.store(link.missed(), std::memory_order_relaxed);
  if (board.links_over.fetch_add(1, std::memory_order_acq_rel) + 1 == board.links)
    board.phase.store(WallPhase::over, std::memory_order_release);
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
