// Verdicts from stored campaigns, without running anything.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace pollmark {

struct CompareOrder {
  // One: its levels against their baselines, paired by block. Two: the second against the first,
  // cell by cell. More: how each cell moved from one to the next, in order of time.
  std::vector<std::filesystem::path> folders;
  std::string by;                    // only this factor; one folder only
  std::vector<std::string> where;    // "factor=level": only such cells
  std::string metric;                // empty: that of the (first) experiment
  std::string baseline;              // "level" of `by`, or "factor=level"; one folder only
  std::vector<std::string> expect;   // keys of environment differences that are meant; two folders
  std::vector<std::string> fail_on;  // verdicts that turn the exit code to 1
};

struct CompareOutcome {
  std::string text;
  bool gate_said_no = false;  // a verdict of fail_on was given
};

// Two runs share no block, hence they are compared unpaired, and what differs from run to run by
// itself is not in the interval; the text says so. Where --expect says what is meant to differ, any
// other difference of the environment makes every verdict "confounded". page_size is part of a
// cell's identity: unless expected, cells of different page sizes are not compared at all.
//
// Errors: bad_experiment for whatever cannot be compared: no such folder, another schema, a damaged
// record, no shared cell, a factor, level or verdict that does not exist, a metric that was not
// measured.
[[nodiscard]] Result<CompareOutcome> compare_folders(const CompareOrder& order, int width);

}  // namespace pollmark
