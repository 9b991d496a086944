// What judge found beyond medians, arranged for a reader: sentences under headings.
#pragma once

#include <string>
#include <vector>

#include "judge/summary.h"

namespace pollmark {

struct ShownFinding {
  std::string group;
  std::string sentence;
  std::string badge;  // a verdict, or "gate failed"
};

struct FindingList {
  std::string title;
  std::string note;  // how it was found
  std::vector<ShownFinding> findings;
  bool exploratory = false;
};

// Against the target; against the baseline; the gate's noise floor; other metrics that moved;
// interactions. Lists without a finding are left out.
[[nodiscard]] std::vector<FindingList> findings_of(const Summary& summary);

}  // namespace pollmark
