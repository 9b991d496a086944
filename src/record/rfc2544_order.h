// The tests of RFC 2544 section 26 and RFC 9004, and with what durations and repeats they are run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/search_goal.h"

namespace pollmark {

// In the order in which they are run: each stands on the throughput.
enum class Rfc2544Test : std::uint8_t {
  throughput,
  latency,
  frame_loss_rate,
  back_to_back,
  system_recovery,
  reset
};
[[nodiscard]] std::string_view name_of(Rfc2544Test test);
[[nodiscard]] std::optional<Rfc2544Test> rfc2544_test_from_name(std::string_view name);
[[nodiscard]] const std::vector<Rfc2544Test>& all_rfc2544_tests();

// The defaults are what the RFCs ask for: the preset `strict`.
struct Rfc2544Order {
  std::string preset = "strict";
  std::vector<Rfc2544Test> tests = all_rfc2544_tests();  // in their order, each once
  double trial_seconds = 60.0;     // throughput (trials that decide) and frame loss; section 24
  double width = 0.005;            // of the throughput's bounds, relative to the upper one
  double latency_seconds = 120.0;  // section 26.2
  int latency_repeats = 20;
  double loss_step_percent = 10.0;  // of the highest load; (0, 10], section 26.3
  double burst_cap_seconds = 2.0;   // longest burst that is tried; (0, 30], RFC 9004 section 5.4
  std::int64_t burst_step_pkts = 1;
  int burst_repeats = 50;            // section 26.4
  double overload_seconds = 60.0;    // section 26.5, before the load is halved
  double recovery_seconds = 60.0;    // that the halved load is watched
  int recovery_repeats = 20;         // "a number of times"
  double wait_before_seconds = 5.0;  // section 23 b and e: on any path but the model
  double wait_after_seconds = 2.0;   // section 23 d
  friend bool operator==(const Rfc2544Order&, const Rfc2544Order&) = default;

  [[nodiscard]] bool has(Rfc2544Test test) const;
};

// "strict", or "short": seconds instead of minutes, few repeats. nullopt for another name.
[[nodiscard]] std::optional<Rfc2544Order> rfc2544_preset(std::string_view name);
[[nodiscard]] const std::vector<std::string>& rfc2544_preset_names();

// Where the order does less than the RFCs ask, one clause each: "trials of 2.00 s (60.0 s)". Empty:
// it may be called RFC 2544.
[[nodiscard]] std::vector<std::string> rfc2544_shortfalls(const Rfc2544Order& order);

// What the throughput is searched by: the goal rfc2544, or one named throughput where it is not
// that.
[[nodiscard]] SearchGoal rfc2544_goal(const Rfc2544Order& order);

// Trials and seconds of traffic, warm-up included, for plans: of one cell and block, as if the
// device carried half of what is offered. highest_pps: the highest load, each way; 0: not known.
struct Rfc2544Cost {
  Rfc2544Test test = Rfc2544Test::latency;
  int trials = 0;
  double seconds = 0.0;
  double mean_pps = 0.0;  // each way, over those seconds
};
// Of the tests behind the throughput that have trials.
[[nodiscard]] std::vector<Rfc2544Cost> expected_costs(const Rfc2544Order& order, double highest_pps,
                                                      double warmup_seconds);

// The sizes of section 9.1 for Ethernet, incl. FCS.
[[nodiscard]] const std::vector<int>& rfc2544_frame_bytes();

}  // namespace pollmark
