// One setting set against another in one metric, and what may be said of it.
//
// Shares of one are subtracted, all else is compared by log ratio (judge/scale.h); where a value
// that should be above zero is not, the values are subtracted too, and the margin is that share of
// the baseline's median. Trials are the unit, never packets.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "judge/interval.h"
#include "judge/scale.h"

namespace pollmark {

// better, worse: adjusted p < 0.05 and the difference is at least the margin. tiny: the former
// without the latter. equivalent: the 90 % interval lies within the margin. ranking_only: fewer
// than six blocks, or --quick. confounded: something else differed as well.
enum class Verdict {
  better,
  worse,
  equivalent,
  tiny,
  cannot_tell,
  not_exercised,
  ranking_only,
  confounded
};
[[nodiscard]] std::string_view name_of(Verdict verdict);  // "cannot tell"
[[nodiscard]] const std::vector<Verdict>& all_verdicts();

// paired: by shared blocks. unpaired: two runs; what differs from run to run is not in the
// interval.
enum class Pairing { paired, unpaired };
// Declared: adjusted by Holm over the metric that the experiment declared. Exploratory: by
// Benjamini and Hochberg over everything else that was looked at.
enum class Family { declared, exploratory };

struct Comparison {
  std::string group;
  std::string factor;  // empty: two runs of one cell
  std::string level;
  std::string baseline;  // the level, or run, that it is set against
  std::string metric;
  Family family = Family::declared;
  Pairing pairing = Pairing::paired;
  Scale scale = Scale::relative;
  double margin = 0.0;         // on the scale
  int combinations = 1;        // of the other factors; each block's value is the mean over them
  int left_out = 0;            // combinations without six shared blocks, where others have them
  int values = 0;              // shared blocks, or trials of the smaller side
  std::optional<double> from;  // median at the baseline, over its trials
  std::optional<double> to;    // median at the level
  std::optional<double> difference;  // baseline to level, on the scale
  std::optional<Interval> interval;
  std::optional<double> p;
  std::optional<double> adjusted_p;
  bool equivalent = false;
  std::optional<double> spread;       // of one block's difference, on the scale
  std::optional<double> detectable;   // in 4 of 5 campaigns of this size, on the scale
  std::optional<int> blocks_needed;   // to tell a difference of the margin; only for cannot_tell
  std::optional<double> noise_floor;  // of the A/A gate; on the scale
  std::string idle;                   // the level that nothing showed to act; empty: none
  std::string confounded_by;          // empty: nothing
  std::vector<std::string> warnings;  // drift, neighbours that resemble each other
  Verdict verdict = Verdict::cannot_tell;
  std::string sentence;
};

// By block. Blocks that only one side has are left out.
[[nodiscard]] Comparison compare_paired(std::string_view metric, double matters,
                                        const std::map<int, double>& from,
                                        const std::map<int, double>& to);
// The mean over several pairs of settings that differ in the same way: only blocks that all of
// them share; pairs that share too few are left out before the others lose their verdict. Not
// empty.
struct SettingPair {
  const std::map<int, double>* from = nullptr;
  const std::map<int, double>* to = nullptr;
};
[[nodiscard]] Comparison compare_paired(std::string_view metric, double matters,
                                        const std::vector<SettingPair>& pairs);
[[nodiscard]] Comparison compare_unpaired(std::string_view metric, double matters,
                                          const std::vector<double>& from,
                                          const std::vector<double>& to);

// Whether few blocks may give a verdict.
enum class Rigour { verdicts, ranking };
// Adjusts p within each family and gives every comparison its verdict and sentence.
void give_verdicts(std::vector<Comparison>& comparisons, Rigour rigour);

// The size of a difference: "3.1 %", or in the metric's unit where its values had to be subtracted.
[[nodiscard]] std::string size_text(const Comparison& comparison, double difference);
// How a difference moved what the metric measures: "carries 3.1 % more than 512 [2.2, 4.0]".
[[nodiscard]] std::string change_text(const Comparison& comparison);

}  // namespace pollmark
