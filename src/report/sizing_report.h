// A sizing, for stdout: what was measured, what was stated, and what models say of it, apart.
#pragma once

#include <string>
#include <vector>

#include "judge/sizing.h"
#include "judge/summary.h"
#include "record/json.h"

namespace pollmark {

struct SizingReport {
  std::string folder;  // as printed
  SizingOrder order;
  std::vector<SizedSetting> settings;
  std::vector<CellSummary> cells;  // for what they missed beside what the model gives
  bool last_record_cut = false;    // of the folder: left out
};

// width: columns of the terminal, at least 60.
[[nodiscard]] std::string render_sizing(const SizingReport& report, int width);
[[nodiscard]] Json sizing_json(const SizingReport& report);

// "1.08": the greater of both over the lesser; nullopt unless both are above 0.
[[nodiscard]] std::optional<double> apart(double predicted, double measured);

}  // namespace pollmark
