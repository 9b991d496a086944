// Devices whose truth is known: methods of a throughput search are tried on them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "judge/search.h"

namespace pollmark {

// Forwards up to a capacity that wanders a little from trial to trial; in some seconds it stalls
// and loses a share of that second.
struct SimulatedDevice {
  double capacity_pps = 10e6;
  double capacity_spread = 0.0005;  // standard deviation, relative
  double stall_chance = 0.0;        // of a second
  double stall_loss = 0.01;         // of that second's frames
  double overload_change = 0.0;     // of the capacity, at twice the load and above
  std::mt19937_64 random{1};

  SearchTrial run(double load_pps, std::int64_t duration_ns) {
    const double seconds = static_cast<double>(duration_ns) / 1e9;
    std::normal_distribution<double> normal(capacity_pps, capacity_pps * capacity_spread);
    double capacity = normal(random);
    capacity *= 1.0 + overload_change * std::clamp(load_pps / capacity - 1.0, 0.0, 1.0);
    double lost = std::max(0.0, 1.0 - capacity / load_pps) * seconds;
    std::bernoulli_distribution stalls(stall_chance);
    for (double second = 0.0; second < seconds; second += 1.0) {
      if (stalls(random)) lost += stall_loss * std::min(1.0, seconds - second);
    }
    SearchTrial trial;
    trial.load_pps = load_pps;
    trial.duration_ns = duration_ns;
    trial.offered_pkts = static_cast<std::int64_t>(load_pps * seconds);
    trial.lost_pkts = std::min(
        trial.offered_pkts,
        static_cast<std::int64_t>(lost / seconds * static_cast<double>(trial.offered_pkts)));
    return trial;
  }
};

struct Searched {
  std::vector<SearchTrial> trials;
  std::vector<GoalResult> goals;
  SearchStep last;
};

inline Searched search(SimulatedDevice& device, const SearchOrder& order, int most_trials = 5000) {
  Searched searched;
  for (int i = 0; i < most_trials; ++i) {
    searched.last = next_step(order, searched.trials);
    if (searched.last.kind != SearchStep::Kind::trial) break;
    searched.trials.push_back(device.run(searched.last.load_pps, searched.last.duration_ns));
  }
  searched.goals = goal_results(order, searched.trials);
  return searched;
}

inline SearchOrder order_of_presets(const std::vector<std::string>& names) {
  SearchOrder order;
  for (const std::string& name : names) order.goals.push_back(*preset_goal(name));
  order.min_load_pps = 37.2e3;
  order.max_load_pps = 37202381.0;
  return order;
}

}  // namespace pollmark
