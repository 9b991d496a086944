// The loop of a generator that keeps a schedule (dpdk_pacer.h): spins until a slot is due, sends
// what is due, and keeps account of how well it did. Template over the time source, the slots
// (all of a schedule or one lcore's) and what sends.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "datapath/clock.h"
#include "datapath/latency_tally.h"
#include "rig/dpdk_pacer.h"

namespace pollmark {

// How far from its ideal a gap between departures may be, as MoonGen's tables have it.
inline constexpr std::array<std::int64_t, 4> kNearNs = {64, 128, 256, 512};

struct PacedOrder {
  Ticks catch_up_ticks = 0;  // debt that is worked off; older slots are given up
  Ticks stall_ticks = 0;     // two looks at the clock further apart: somebody else had the CPU
  std::array<Ticks, kNearNs.size()> near_ticks{};
};

// Sending thread: wo; control: ro after join.
struct PacedTallies {
  std::int64_t accepted_pkts = 0;
  std::int64_t given_up_pkts = 0;
  Ticks longest_gap_ticks = 0;  // between two looks at the clock
  std::int64_t stalls = 0;
  Ticks stalled_ticks = 0;
  // Departures, from each to the next. While a stall's debt is worked off they are not the pacer's.
  std::int64_t departure_gaps = 0;
  Ticks gap_ticks = 0;                      // their sum
  Ticks ideal_gap_ticks = 0;                // and the schedule's for them
  std::int64_t stalled_departure_gaps = 0;  // beside them
  std::int64_t back_to_back = 0;  // of departure_gaps: in one burst, though not so planned
  std::array<std::int64_t, kNearNs.size()> near{};  // of departure_gaps
  LatencyTally late;  // ticks behind the slot; counts are the caller's, nullptr: none wanted
};

// Until the schedule is over (or its end, where it has none), or somebody gives it up.
//   Schedule                  Pacer, or SharedPacer
//   Time::now()               ticks
//   send(due, count, now)     sends the next `count` frames; due: their slots. Returns how many
//   were
//                             taken; the others come again.
template <typename Time, typename Schedule, typename Send>
void send_paced(Schedule& pacer, Ticks end, const PacedOrder& order,
                const std::atomic<bool>& given_up, Send&& send, PacedTallies& tallies) {
  const bool scheduled = pacer.is_scheduled();
  Ticks due[kSenderBurst];
  Ticks last_departure = 0;
  Ticks last_due = 0;
  bool in_debt = false;  // of a stall
  Ticks prev = Time::now();
  while (!given_up.load(std::memory_order_relaxed)) {
    const Ticks now = Time::now();
    const Ticks gap = now - prev;
    prev = now;
    if (gap > tallies.longest_gap_ticks) tallies.longest_gap_ticks = gap;
    if (gap > order.stall_ticks) [[unlikely]] {
      ++tallies.stalls;
      tallies.stalled_ticks += gap;
      in_debt = true;
    }
    if ((!scheduled && now >= end) || !pacer.has_slot()) break;
    if (pacer.due() > now) {
      in_debt = false;
      continue;
    }
    tallies.given_up_pkts +=
        pacer.give_up_before(now > order.catch_up_ticks ? now - order.catch_up_ticks : 0);
    Schedule ahead = pacer;
    std::uint32_t wanted = 0;
    while (wanted < kSenderBurst && ahead.has_slot() && ahead.due() <= now) {
      due[wanted++] = ahead.due();
      ahead.advance();
    }
    if (wanted == 0) continue;
    const std::uint32_t sent = send(due, wanted, now);
    tallies.accepted_pkts += sent;
    if (sent == wanted) {
      pacer = ahead;
    } else {
      for (std::uint32_t i = 0; i < sent; ++i) pacer.advance();
    }
    if (!scheduled) continue;
    for (std::uint32_t i = 0; i < sent; ++i) {
      if (tallies.late.counts != nullptr) record(tallies.late, now - due[i]);
      if (last_departure != 0) {
        const Ticks left = now - last_departure;
        const Ticks ideal = due[i] - last_due;
        const Ticks apart = left > ideal ? left - ideal : ideal - left;
        if (in_debt) {
          ++tallies.stalled_departure_gaps;
        } else {
          ++tallies.departure_gaps;
          tallies.gap_ticks += left;
          tallies.ideal_gap_ticks += ideal;
          tallies.back_to_back += left == 0 && ideal != 0 ? 1 : 0;
          for (std::size_t at = 0; at < kNearNs.size(); ++at)
            tallies.near[at] += apart <= order.near_ticks[at] ? 1 : 0;
        }
      }
      last_departure = now;
      last_due = due[i];
    }
    if (tallies.late.counts != nullptr) keep_from_wrapping(tallies.late, sent);
  }
}

}  // namespace pollmark
