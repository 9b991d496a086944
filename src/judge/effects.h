// How each factor moved the judge's metric.
#pragma once

#include <vector>

#include "judge/factor_table.h"
#include "judge/summary.h"

namespace pollmark {

// One effect for each factor that has at least two measured levels. A level acted when the knob of
// that name was exercised in every valid trial of its cells (idle_level of judge/contrasts.h).
[[nodiscard]] std::vector<FactorEffect> factor_effects(const Question& question,
                                                       const std::vector<JudgedCell>& cells,
                                                       const std::vector<FactorTable>& tables);

// The largest loss of a ledger: "rx_missed 1 234 of 100 000 frames"; empty without a loss.
[[nodiscard]] std::string largest_loss_text(const Ledger& ledger);

}  // namespace pollmark
