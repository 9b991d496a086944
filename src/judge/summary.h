// A campaign in numbers: per cell, medians with order-statistic intervals over its valid trials;
// factor effects; the answer. Pure: the order of the trials does not matter.
//
// Trials of kind `trial` are judged; where the load was searched, the searches and the trials of
// kind `latency` are. Only valid ones enter a number, and of a search only a goal that is regular:
// its throughput is the metric <goal>_mpps of the search's block. A block counts in a
// comparison only where both sides have a valid trial in it (of several, the first attempt). Fewer
// than six blocks, or --quick: a ranking, no verdict.
//
// Differences are absolute for metrics that are shares of one (*_ratio, *_fraction), else relative
// (log ratio). A difference does not matter when it is within the margin: for shares min(matters,
// 0.001) (the default of 1 % would call a loss of 0.9 % nothing), else matters. They are estimated
// by Hodges and Lehmann over blocks and tested by Wilcoxon's signed ranks (judge/shift.h);
// judge/comparison.h says what makes a verdict.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "judge/comparison.h"
#include "judge/estimate.h"
#include "judge/interval.h"
#include "judge/rfc2544_summary.h"
#include "judge/search_summary.h"
#include "record/ledger.h"
#include "record/search_result.h"
#include "record/target.h"
#include "record/trial_result.h"

namespace pollmark {

struct CellSummary {
  std::string group;
  std::map<std::string, std::string> cell;
  Path path = Path::model;
  int trials = 0;  // all attempts
  int valid = 0;
  std::map<std::string, Estimate> metrics;  // by metric name; absent = not measured
  // metric -> median of paired ratios to the baseline cell (the cell that has the baseline's levels
  // of the factors of its group and otherwise its own) over the blocks they share. Absent for the
  // baseline itself, and where the baseline was zero in any of them.
  std::map<std::string, double> ratio_to_baseline;
  // What the stall model says of rx_missed_ratio (judge/miss_curve.h): no measurement. nullopt
  // where it says nothing.
  std::optional<double> predicted_missed_ratio;
  std::vector<GoalSummary> goals;         // of a cell that was searched, one search a block
  std::vector<LatencyAtLoad> latency_at;  // after the searches, at shares of the PDR
  Ledger ledger;                          // summed over the valid trials; a fate is measured in it
                                          // where any of them measured it
  // Where the kernel says that frames of the ledger's losses died, over the valid trials; by fate,
  // the most packets first. Warm-up included. Empty: not watched, or nothing died.
  std::vector<DroppedAt> drops;
  // Sums over the valid trials, in its own unit: no CPU, TCP or segments. nullopt: no closed loop.
  std::optional<ClosedLoopAccount> closed_loop;
  std::optional<LatencyHistogram> latency_ns;  // merged over the valid trials; done,
                                               // else rx, else round_trip
  std::string latency_kind;                    // "done", "rx" or "round_trip"
  std::map<std::string, int> invalid_reasons;  // code -> times
  std::vector<std::string> not_checked;
  std::string limited_by;  // most frequent among valid trials
  std::string limited_why;
  std::map<std::string, Knob> knobs;        // of the last valid trial
  std::optional<std::string> not_measured;  // why there is no number at all
};

// How one factor moved the metric, the others held still: its worst level against its best over
// every pair of cells of the group that differ in that factor alone. The two are chosen by what was
// measured, so that p counts every pair of the factor's levels; what is declared beforehand, each
// level against the baseline, stands in Summary::comparisons.
struct FactorEffect {
  std::string group;
  std::string factor;
  std::string best_level;
  std::string worst_level;
  std::string metric;
  double worst = 0.0;  // median over the others' combinations at that level
  double best = 0.0;
  bool exercised = true;
  int combinations = 0;  // of the other factors, that have a number at every level
  int blocks = 0;        // shared by the two levels
  // worst to best, over blocks of the median over combinations; absolute or log ratio, as above.
  // nullopt below six blocks.
  std::optional<Interval> difference;
  // "differs", "differs in some combinations", "equivalent", "no difference", "cannot tell",
  // "ranking only", "not exercised"
  std::string verdict;
  std::string sentence;  // plain, with the numbers and the reason (limited_by, fates)
};

// An effect that depends on another factor's level: how much more a level differs from its baseline
// at with_level than at with_baseline. Exploratory.
struct Interaction {
  std::string group;
  std::string factor;
  std::string level;
  std::string baseline;
  std::string with_factor;
  std::string with_level;
  std::string with_baseline;
  std::string metric;
  int blocks = 0;
  double difference = 0.0;  // absolute or log ratio, as above
  Interval interval;
  double p = 1.0;
  double adjusted_p = 1.0;  // Benjamini and Hochberg over all of them
  bool shown = false;       // adjusted_p < 0.05, and it matters
  std::string sentence;
};

// The A/A gate: one setting measured as if it were two, as often as the others. A difference below
// its floor is not to be told from the instrument's own.
struct NoiseFloor {
  std::string group;
  std::map<std::string, std::string> cell;
  std::string metric;
  int blocks = 0;
  std::optional<double> difference;  // absolute or log ratio, as above
  std::optional<Interval> interval;  // nullopt below six blocks
  std::optional<double> floor;       // half of the interval's width
  bool passed = false;               // the interval holds 0, and the floor is within what matters
  std::string sentence;
};

enum class TargetVerdict : std::uint8_t { yes, no, cannot_tell };
[[nodiscard]] std::string_view name_of(TargetVerdict verdict);

struct TargetCriterion {
  std::string name;  // "loss", "p99", "cores"; "frame" where the cell says nothing of the target's
  TargetVerdict verdict = TargetVerdict::cannot_tell;
  std::string why;  // with the numbers
};

// How a cell stands to the target; judge/target.h says by what rule.
struct CellTarget {
  std::string group;
  std::map<std::string, std::string> cell;
  TargetVerdict verdict = TargetVerdict::cannot_tell;
  std::optional<double> target_pps;  // with the cell's frames, both directions together
  // The load that the cell carries with so little loss over the target's, less 1: at least and at
  // most. nullopt: no end was found.
  std::optional<double> headroom_low;
  std::optional<double> headroom_high;
  std::vector<TargetCriterion> criteria;
  std::string sentence;
};

struct TargetAnswer {
  Target target;
  std::vector<CellTarget> cells;  // in the order of Summary::cells
  std::string sentence;           // one for all of them
};

struct Summary {
  std::string name;
  std::string question;
  std::string answer;  // one sentence; says "model, not a NIC" where its numbers come from a model
  std::string metric;  // of the judge
  std::vector<CellSummary> cells;  // in plan order
  std::vector<FactorEffect> effects;
  std::vector<Comparison> comparisons;  // levels against baselines: the judge's metric, then others
  std::vector<Interaction> interactions;
  std::vector<NoiseFloor> noise_floors;   // one a group that had a gate
  std::optional<TargetAnswer> target;     // nullopt: none was asked
  std::vector<std::string> warnings;      // of blocks in which the machine had not settled
  std::optional<Rfc2544Summary> rfc2544;  // where its tests were asked for
  Ledger ledger;                          // all valid trials
  int trials = 0;
  int valid = 0;
  bool quick = false;
};

// What judge needs to know of the plan (judge may not see plan).
struct Question {
  std::string name;
  std::string question;
  std::string metric = "loss_ratio";
  std::map<std::string, std::string> baseline;
  double matters = 0.01;
  std::string choose;
  std::optional<Target> target;
  bool quick = false;
  struct PlannedCell {
    std::string group;
    std::map<std::string, std::string> cell;
    Path path = Path::model;
    std::optional<std::string> refused;
  };
  std::vector<PlannedCell> cells;
  std::optional<Rfc2544Order> rfc2544;  // nullopt: its tests were not asked for
  int retries = 3;                      // of an invalid trial of theirs
};

// Adds the books of another trial, or cell, of the same unit.
void add_closed_loop(std::optional<ClosedLoopAccount>& sum, const ClosedLoopAccount& books);

// Adds the places that have a fate, each to its own.
void add_drops(std::vector<DroppedAt>& sum, const std::vector<DroppedAt>& places);

// The trials that enter a cell: those at its load, or those of its searches and after them.
[[nodiscard]] bool is_of_a_cell(const TrialResult& trial);

[[nodiscard]] Summary summarise(const Question& question, const std::vector<TrialResult>& trials,
                                const std::vector<SearchResult>& searches = {});

}  // namespace pollmark
