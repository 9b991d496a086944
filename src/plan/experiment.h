// The experiment: what the user wrote, checked, with every place remembered. From it come cells, a
// schedule and TrialOrders. No port is opened and no file but the experiment is read here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "record/rfc2544_order.h"
#include "record/search_goal.h"
#include "record/target.h"
#include "record/trial_order.h"

namespace pollmark {

// One column of the factorial. A simple factor sets itself; the compound `layout` sets several
// factors at once, and never appears in a cell: the factors that it sets do.
struct FactorLevels {
  std::string factor;
  std::vector<std::string> levels;  // canonical text, as in TrialOrder::cell
  // For each level what it sets: factor -> canonical level. Every level names the same factors.
  std::vector<std::vector<std::pair<std::string, std::string>>> sets;
};

// factorial: every combination of the levels. one_at_a_time: the baseline, and from it each other
// level of each factor alone.
enum class Design : std::uint8_t { factorial, one_at_a_time };

struct Group {
  std::string name;                   // "main" for the top-level tables
  TrialOrder base;                    // everything set once
  std::vector<FactorLevels> factors;  // in file order
  Design design = Design::factorial;
  std::int64_t packets = 0;  // of each trial's window; 0: base.seconds holds
};

struct JudgeOrder {
  std::string metric = "loss_ratio";
  std::map<std::string, std::string> baseline;  // factor -> level
  double matters = 0.01;
  std::string choose;  // verbatim; empty = none
};

// A search takes the place of a load: one search in every cell and block.
struct SearchPlan {
  std::vector<SearchGoal> goals;
  std::optional<Load> max_load;  // unset: line, or what the generator reaches
  std::optional<Load> min_load;  // unset: 1/1000 of the highest
  std::vector<double> latency_at{1.0, 10.0, 50.0, 90.0};  // percent of the PDR
};

struct Experiment {
  std::string name;
  std::string question;
  std::string text;                    // the file verbatim
  std::vector<std::string> overrides;  // --set key=value, in order
  std::vector<Group> groups;
  int blocks = 12;             // after planning: what the budget gives, where there is one
  std::int64_t budget_ns = 0;  // of all trials, by their expected time; 0: blocks holds
  int aa_blocks = 0;           // of the A/A gate; 0: none
  int retries = 3;
  std::uint64_t seed = 1;
  std::vector<std::string> host_allow;  // of every trial
  std::optional<SearchPlan> search;     // unset: every cell has its load
  std::optional<Rfc2544Order> rfc2544;  // its search is in `search`, as the only goal
  JudgeOrder judge;
  std::optional<Target> target;  // what each cell is asked to carry; unset: nothing was asked
};

// A cell: one combination of levels in one group.
struct Cell {
  std::size_t index = 0;  // in Plan::cells
  TrialOrder order;       // block, attempt, trial, seed, epoch not yet set
  std::string label;      // "rx_ring=512 queues=4 reta=3:1:1:1"
  // Why it cannot be run, known before anything is opened (a rule of the path, the line rate, ...).
  std::optional<std::string> refused;
  // Of a search: what order.traffic.intended_pps, its highest load, is its lowest beside. Where the
  // highest load is what the generator reaches (load "max"), both are 0.
  double min_load_pps = 0.0;
};

// A trial, or a search with its trials.
struct ScheduledTrial {
  std::size_t cell = 0;
  int block = 0;
};

// One trial of the A/A gate: the group's baseline cell, as the first or the second of two that are
// told apart by name only.
struct GateTrial {
  std::size_t cell = 0;
  int block = 0;
  int side = 1;  // 1 or 2
};

struct Plan {
  Experiment experiment;
  std::vector<Cell> cells;
  std::vector<GateTrial> gate;  // before the schedule; mirrored pairs of blocks too
  // Seeded random order within each block, every second block in the reverse order of the one
  // before it, so that a steady drift falls on all cells alike; costly factors (path) change least
  // often.
  std::vector<ScheduledTrial> schedule;
  double expected_seconds = 0.0;  // trials only, without retries
};

struct ReadOptions {
  std::vector<std::string> overrides;  // "trial.blocks=4", "factors.rx_ring=[64]"
  bool quick = false;                  // few blocks (2), ranking without verdicts
  // Where relative names in the file (pcap, stall traces) start; empty: beside the experiment.
  std::filesystem::path folder;
  // Whether those files are looked for. A report of a stored campaign needs none of them.
  enum class Files { must_exist, need_not_exist };
  // The line rate of a port that is a network device; nullopt, or no such function: not told.
  std::function<std::optional<double>(const std::string& port)> line_bps;
  Files files = Files::must_exist;
};

// Reads, checks and resolves. Errors: bad_experiment, whose text holds every mistake, one a line,
// each "file:line:column: what; allowed: ..." or "--set key=value: what; allowed: ...".
[[nodiscard]] Result<Experiment> read_experiment(const std::filesystem::path& file,
                                                 const ReadOptions& options);
[[nodiscard]] Result<Experiment> parse_experiment(std::string_view text, std::string_view file_name,
                                                  const ReadOptions& options);
// Cells of every group, refusals, and the schedule of those that can run. Errors: bad_experiment
// when there are too many cells, or none that can run (each reason once).
[[nodiscard]] Result<Plan> plan_experiment(Experiment experiment);
// The order of one scheduled trial: number, block, attempt, seed (mixed from the experiment's seed,
// block and cell pairing so that every cell of a block sees the same traffic), epoch.
[[nodiscard]] TrialOrder order_of(const Plan& plan, std::size_t scheduled, int attempt,
                                  std::int64_t trial_number);
// The order of one trial of the gate: kind probe, "aa" = "1" or "2" in its cell.
[[nodiscard]] TrialOrder gate_order_of(const Plan& plan, std::size_t gate, int attempt,
                                       std::int64_t trial_number);

// The order of one trial of a scheduled search (kind search), or behind it (latency, frame_loss,
// burst, recovery). nth: of the trials of that kind, from 0; cells of a block have the same seed at
// the same nth.
[[nodiscard]] TrialOrder search_order_of(const Plan& plan, std::size_t scheduled, TrialKind kind,
                                         int nth, std::int64_t trial_number);

}  // namespace pollmark
