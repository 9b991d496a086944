// A device whose answers to the tests of RFC 2544 are known: it forwards at a fixed rate, and what
// comes faster waits in a ring of fixed size.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "judge/rfc2544_tests.h"

namespace pollmark::support {

// The short preset, with bursts told to the frame.
inline Rfc2544Order short_tests() {
  Rfc2544Order order = *rfc2544_preset("short");
  order.burst_cap_seconds = 0.01;
  order.burst_step_pkts = 1;
  return order;
}

inline std::vector<const TrialResult*> pointers_to(const std::vector<TrialResult>& trials) {
  std::vector<const TrialResult*> pointers;
  for (const TrialResult& trial : trials) pointers.push_back(&trial);
  return pointers;
}

struct RingedDevice {
  double capacity_pps = 10e6;
  double ring_pkts = 1000.0;
  double line_pps = 12.5e6;
  int ways = 1;
  double offered_share = 1.0;  // of what is ordered, in bursts
  std::int64_t latency_ns = 20'000;
  TrialOrder base;

  // Sent at `pps`, from a ring that holds `waiting`. Returns what is lost; each way.
  [[nodiscard]] double lost(double pps, double pkts, double waiting = 0.0) const {
    const double capacity = capacity_pps / ways;
    if (pps <= capacity) return 0.0;
    return std::max(0.0, pkts * (1.0 - capacity / pps) - (ring_pkts - waiting));
  }
  // Until the ring holds only what is forwarded at once: nothing is lost below the capacity.
  [[nodiscard]] TrialResult run(const Rfc2544Trial& trial, std::int64_t number) const {
    TrialResult result;
    result.order = base;
    TrialOrder& order = result.order;
    order.kind = trial.kind;
    order.trial = number;
    order.attempt = trial.attempt;
    order.seconds = trial.seconds;
    order.traffic.direction = ways == 2 ? Direction::both : Direction::one_way;
    order.traffic.intended_pps = trial.load_pps / ways;
    if (trial.warmup_pps) order.traffic.warmup_pps = *trial.warmup_pps / ways;
    if (trial.warmup_seconds) order.warmup_seconds = *trial.warmup_seconds;
    result.valid = true;
    double pkts = std::round(trial.load_pps / ways * trial.seconds);
    if (trial.kind == TrialKind::burst) pkts = std::floor(pkts * offered_share);
    const auto lost_pkts = static_cast<std::int64_t>(std::ceil(lost(trial.load_pps / ways, pkts)));
    for (int way = 0; way < ways; ++way) {
      StreamAccount stream;
      stream.ledger.set_offered(static_cast<std::int64_t>(pkts));
      stream.ledger.add(Fate::rx_missed, lost_pkts);
      stream.ledger.add(Fate::received, static_cast<std::int64_t>(pkts) - lost_pkts);
      if (trial.kind == TrialKind::recovery) recover(trial, stream);
      result.streams.push_back(stream);
    }
    if (trial.kind == TrialKind::latency) {
      result.latency_ns.rx.emplace();
      for (int i = 0; i < 1000; ++i) result.latency_ns.rx->record(latency_ns);
    }
    return result;
  }
  // The first frames behind the overload meet a full ring: one is lost a millisecond later.
  static void recover(const Rfc2544Trial& trial, StreamAccount& stream) {
    if (!trial.warmup_pps) return;
    stream.ledger.add(Fate::rx_missed, 1);
    stream.ledger.add(Fate::received, -1);
    stream.last_loss_s = 0.001;
  }

  // Its search, as the campaign would have it.
  [[nodiscard]] SearchResult searched(const Rfc2544Order& order) const {
    SearchResult search;
    search.group = base.group;
    search.cell = base.cell;
    search.path = base.path;
    search.block = base.block;
    search.max_load_pps = line_pps;
    search.complete = true;
    GoalResult goal;
    goal.goal = rfc2544_goal(order);
    goal.lower_bound_pps = std::min(capacity_pps, line_pps);
    goal.throughput_pps = goal.lower_bound_pps;
    goal.regular = capacity_pps < line_pps;
    if (goal.regular) goal.upper_bound_pps = capacity_pps * 1.005;
    search.goals = {goal};
    return search;
  }
  // One of its trials at the highest load, which tells of the ways.
  [[nodiscard]] TrialResult search_trial(std::int64_t number) const {
    Rfc2544Trial trial;
    trial.kind = TrialKind::search;
    trial.load_pps = line_pps;
    trial.seconds = 0.01;
    return run(trial, number);
  }

  // Group "main", on a link of 10G.
  void stand_in_cell(int frame_bytes, int rx_ring) {
    ring_pkts = rx_ring;
    base.group = "main";
    base.cell = {{"frame", std::to_string(frame_bytes)}, {"rx_ring", std::to_string(rx_ring)}};
    base.traffic.frame_bytes = {frame_bytes};
    base.receiver.rx_ring = rx_ring;
    base.model.link_bps = 10e9;
  }
  // All that the tests ask of it behind that search, one of whose trials comes first. first: its
  // number.
  [[nodiscard]] std::vector<TrialResult> all_trials(const Rfc2544Order& order,
                                                    const SearchResult& search,
                                                    std::int64_t first) const {
    constexpr int kRetries = 3;
    std::vector<TrialResult> trials{search_trial(first)};
    while (const auto next = next_rfc2544_trial(
               order, rfc2544_ground(search, pointers_to(trials), kRetries), pointers_to(trials)))
      trials.push_back(run(*next, first + static_cast<std::int64_t>(trials.size())));
    return trials;
  }
};

}  // namespace pollmark::support
