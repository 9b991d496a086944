#include "record/rfc2544_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/units.h"

namespace pollmark {

namespace {

constexpr std::array<std::string_view, 6> kTestNames = {
    "throughput", "latency", "frame_loss_rate", "back_to_back", "system_recovery", "reset"};

// Of the highest load, taken for the throughput as long as it is not known.
constexpr double kCarried = 0.5;

}  // namespace

std::string_view name_of(Rfc2544Test test) {
  const auto at = static_cast<std::size_t>(test);
  PM_CHECK(at < kTestNames.size());
  return kTestNames[at];
}

std::optional<Rfc2544Test> rfc2544_test_from_name(std::string_view name) {
  for (const Rfc2544Test test : all_rfc2544_tests()) {
    if (name_of(test) == name) return test;
  }
  return std::nullopt;
}

const std::vector<Rfc2544Test>& all_rfc2544_tests() {
  static const std::vector<Rfc2544Test> kTests = {
      Rfc2544Test::throughput,   Rfc2544Test::latency,         Rfc2544Test::frame_loss_rate,
      Rfc2544Test::back_to_back, Rfc2544Test::system_recovery, Rfc2544Test::reset};
  return kTests;
}

bool Rfc2544Order::has(Rfc2544Test test) const {
  return std::find(tests.begin(), tests.end(), test) != tests.end();
}

std::optional<Rfc2544Order> rfc2544_preset(std::string_view name) {
  Rfc2544Order order;
  if (name == "strict") return order;
  if (name != "short") return std::nullopt;
  order.preset = "short";
  order.trial_seconds = 1.0;
  order.latency_seconds = 1.0;
  order.latency_repeats = 3;
  order.burst_cap_seconds = 0.2;
  order.burst_step_pkts = 16;
  order.burst_repeats = 5;
  order.overload_seconds = 1.0;
  order.recovery_seconds = 1.0;
  order.recovery_repeats = 3;
  order.wait_before_seconds = 0.0;
  order.wait_after_seconds = 0.0;
  return order;
}

const std::vector<std::string>& rfc2544_preset_names() {
  static const std::vector<std::string> kNames = {"strict", "short"};
  return kNames;
}

std::vector<std::string> rfc2544_shortfalls(const Rfc2544Order& order) {
  const Rfc2544Order asked;
  std::vector<std::string> clauses;
  const auto seconds = [&](std::string_view what, double own, double least) {
    if (own >= least) return;
    const std::string asked_for = duration_text(least * 1e9);
    clauses.push_back(own > 0.0
                          ? fmt::format("{} of {} ({})", what, duration_text(own * 1e9), asked_for)
                          : fmt::format("no {} ({})", what, asked_for));
  };
  const auto repeats = [&](std::string_view what, int own, int least) {
    if (own >= least) return;
    clauses.push_back(fmt::format("{} {} {} ({})", what, own, own == 1 ? "time" : "times", least));
  };
  if (order.has(Rfc2544Test::throughput) || order.has(Rfc2544Test::frame_loss_rate))
    seconds("trials", order.trial_seconds, asked.trial_seconds);
  if (order.has(Rfc2544Test::latency)) {
    seconds("latency streams", order.latency_seconds, asked.latency_seconds);
    repeats("latency", order.latency_repeats, asked.latency_repeats);
  }
  if (order.has(Rfc2544Test::back_to_back)) {
    seconds("longest bursts", order.burst_cap_seconds, asked.burst_cap_seconds);
    repeats("back-to-back", order.burst_repeats, asked.burst_repeats);
  }
  if (order.has(Rfc2544Test::system_recovery)) {
    seconds("overload", order.overload_seconds, asked.overload_seconds);
    repeats("recovery", order.recovery_repeats, 2);
  }
  seconds("waits before trials", order.wait_before_seconds, asked.wait_before_seconds);
  seconds("waits behind trials", order.wait_after_seconds, asked.wait_after_seconds);
  return clauses;
}

SearchGoal rfc2544_goal(const Rfc2544Order& order) {
  SearchGoal goal = *preset_goal("rfc2544");
  goal.width = order.width;
  goal.final_trial_seconds = goal.duration_sum_seconds = order.trial_seconds;
  goal.initial_trial_seconds = std::min(goal.initial_trial_seconds, order.trial_seconds);
  if (goal != preset_goal("rfc2544")) goal.name = "throughput";
  return goal;
}

std::vector<Rfc2544Cost> expected_costs(const Rfc2544Order& order, double highest_pps,
                                        double warmup_seconds) {
  const double carried_pps = kCarried * highest_pps;
  std::vector<Rfc2544Cost> costs;
  for (const Rfc2544Test test : order.tests) {
    Rfc2544Cost cost{test, 0, 0.0, carried_pps};
    switch (test) {
      case Rfc2544Test::throughput:
      case Rfc2544Test::reset:
        continue;
      case Rfc2544Test::latency:
        cost.trials = order.latency_repeats;
        cost.seconds = cost.trials * (order.latency_seconds + warmup_seconds);
        break;
      case Rfc2544Test::frame_loss_rate:
        // Down to what is carried, and a second load without a loss.
        cost.trials =
            2 + static_cast<int>(std::ceil(100.0 * (1.0 - kCarried) / order.loss_step_percent));
        cost.seconds = cost.trials * (order.trial_seconds + warmup_seconds);
        cost.mean_pps = (highest_pps + carried_pps) / 2.0;
        break;
      case Rfc2544Test::back_to_back: {
        // Halving, half of it tried twice. The first ones are the longest: the cap twice, half of
        // it twice, ...
        const double cap_pkts = order.burst_cap_seconds * (highest_pps > 0.0 ? highest_pps : 1e6);
        const double halvings =
            std::log2(std::max(2.0, cap_pkts / static_cast<double>(order.burst_step_pkts)));
        cost.trials = order.burst_repeats * static_cast<int>(std::ceil(2.0 + 1.5 * halvings));
        cost.seconds = order.burst_repeats * 4.0 * order.burst_cap_seconds;
        cost.mean_pps = highest_pps;
        break;
      }
      case Rfc2544Test::system_recovery:
        cost.trials = order.recovery_repeats;
        cost.seconds = cost.trials * (order.overload_seconds + order.recovery_seconds);
        break;
    }
    costs.push_back(cost);
  }
  return costs;
}

const std::vector<int>& rfc2544_frame_bytes() {
  static const std::vector<int> kSizes = {64, 128, 256, 512, 1024, 1280, 1518};
  return kSizes;
}

}  // namespace pollmark
