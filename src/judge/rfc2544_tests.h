// The tests of RFC 2544 behind the throughput of one cell and block: which trial is next, and what
// the stored ones amount to. Pure, and nothing is kept beside the trials: repetitions are told by
// replaying the procedures of judge/rfc2544.h over them, so that a run goes on where it stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "judge/rfc2544.h"
#include "record/rfc2544_order.h"
#include "record/search_result.h"
#include "record/trial_result.h"

namespace pollmark {

// What the tests of a cell and block stand on. Rates are of both ways together.
struct Rfc2544Ground {
  int ways = 1;
  double highest_pps = 0.0;     // the highest load that can be offered: where the search began
  double throughput_pps = 0.0;  // the highest load without a loss; 0: none was found
  std::string why_no_throughput;
  int retries = 3;  // of an invalid trial
  [[nodiscard]] bool throughput_is_highest() const {
    return throughput_pps >= highest_pps * (1.0 - 1e-9);
  }
};
// search: by rfc2544_goal() alone. trials: of that cell and block, any kind.
[[nodiscard]] Rfc2544Ground rfc2544_ground(const SearchResult& search,
                                           const std::vector<const TrialResult*>& trials,
                                           int retries);

// What a burst search looks through, each way.
[[nodiscard]] BurstOrder burst_order_of(const Rfc2544Order& order, const Rfc2544Ground& ground);
// Frames of a burst trial, each way, as ordered.
[[nodiscard]] std::int64_t ordered_burst_pkts(const TrialOrder& order);

struct Rfc2544Trial {
  Rfc2544Test test = Rfc2544Test::latency;
  TrialKind kind = TrialKind::latency;
  double load_pps = 0.0;
  double seconds = 0.0;
  // nullopt: those of the experiment, at the trial's own load.
  std::optional<double> warmup_pps;
  std::optional<double> warmup_seconds;
  int nth = 0;       // of its kind in the cell and block, from 0
  int attempt = 0;   // of this one
  std::string what;  // "latency, 3 of 20"
};
// nullopt when every test has its result, or cannot have one. trials: of that cell and block in the
// order in which they were run; other kinds are left aside. Deterministic.
[[nodiscard]] std::optional<Rfc2544Trial> next_rfc2544_trial(
    const Rfc2544Order& order, const Rfc2544Ground& ground,
    const std::vector<const TrialResult*>& trials);

// Why a test has no result.
enum class NoResult : std::uint8_t { not_applicable, not_measured, invalid };
[[nodiscard]] std::string_view name_of(NoResult kind);  // "not applicable", ...
struct WithoutResult {
  NoResult kind = NoResult::not_measured;
  std::string why;
  friend bool operator==(const WithoutResult&, const WithoutResult&) = default;
};

struct LossAtLoad {
  double load_pps = 0.0;
  double load_percent = 0.0;  // of the highest load
  std::int64_t offered_pkts = 0;
  std::int64_t lost_pkts = 0;
};

// Of one cell and block.
struct Rfc2544Values {
  std::vector<double> latency_mean_ns;  // of each repetition, over all its frames
  std::vector<double> latency_p999_ns;  // of each repetition
  std::vector<LossAtLoad> frame_loss;   // from the highest load down
  std::vector<double> burst_pkts;       // longest of each repetition, as offered each way; 0: none
  std::vector<double> recovery_s;       // of each repetition
  double overload_pps = 0.0;            // before the load was halved; 0: not run
  // Of tests of the order that are over and have no result, and of those that were given up.
  std::vector<std::pair<Rfc2544Test, WithoutResult>> without;
};
[[nodiscard]] Rfc2544Values rfc2544_values(const Rfc2544Order& order, const Rfc2544Ground& ground,
                                           const std::vector<const TrialResult*>& trials);

}  // namespace pollmark
