// The cells of a group laid out along one factor: rows are combinations of the others.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "judge/paired.h"
#include "judge/summary.h"

namespace pollmark {

// A cell with what it was judged from. The order is that of Summary::cells.
struct JudgedCell {
  CellSummary summary;
  std::vector<const TrialResult*> valid;      // sorted by block, attempt, trial
  std::map<std::string, BlockValues> blocks;  // by metric; absent = not measured
  BlockValues values;                         // of the judge's metric
  [[nodiscard]] bool measured() const { return !values.empty(); }
};

struct FactorRow {
  std::map<std::string, std::string> others;  // the other factors' levels
  std::map<std::string, std::size_t> cells;   // level -> index of its measured cell
};

struct FactorTable {
  std::string group;
  std::string factor;
  std::vector<std::string> levels;  // that were measured anywhere in the group, in plan order
  std::vector<FactorRow> rows;      // in plan order; rows without a measured cell are left out
  [[nodiscard]] std::vector<const FactorRow*> complete_rows() const;  // measured at every level
};

// One table for every factor of every group, groups in plan order, factors by name.
[[nodiscard]] std::vector<FactorTable> factor_tables(const std::vector<JudgedCell>& cells);

// Levels from small to large: by value where all are quantities ("512", "16 MiB", "2 M", "20 us"),
// else as they came.
[[nodiscard]] std::vector<std::string> ascending(std::vector<std::string> levels);

}  // namespace pollmark
