// What the searches of a group found, as text: the same for the terminal and for HTML.
#pragma once

#include <string>
#include <vector>

#include "report/view.h"

namespace pollmark {

struct TextTable {
  std::vector<std::string> headings;
  std::vector<std::vector<std::string>> rows;  // one field per heading
};

// One row for each cell and goal: throughput with its interval, the bounds, how many searches were
// regular, frames at the lower bound and the 95 % limit of the true loss. A throughput that is not
// regular is marked so. Empty for a group that was not searched.
[[nodiscard]] TextTable throughput_table(const ShownGroup& group);
// One row for each cell and share of the PDR.
[[nodiscard]] TextTable latency_table(const ShownGroup& group);
// "ndr: no loss in trials of 1 s, ...", each goal once.
[[nodiscard]] std::vector<std::string> goal_sentences(const ShownGroup& group);

}  // namespace pollmark
