// Every factor's levels against its baseline, the others held still; and whether two factors'
// effects depend on each other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "judge/comparison.h"
#include "judge/factor_table.h"
#include "judge/summary.h"

namespace pollmark {

// Main effects, in plan order: in each group each level of each factor against the factor's
// baseline (declared, else the first of the plan), over the combinations of the others that have
// both. One value a block, so that a factor that costs much to change (set up once in a block, an
// outer plot) is judged by as many values as it was set up. First all of the judge's metric, then
// the other metrics (exploratory).
[[nodiscard]] std::vector<Comparison> level_contrasts(const Question& question,
                                                      const std::vector<JudgedCell>& cells,
                                                      const std::vector<FactorTable>& tables);

// The level that others of that factor are set against.
[[nodiscard]] std::string baseline_level(const Question& question, const FactorTable& table);

// Two-way interactions in the judge's metric: does a level's effect differ between a level of
// another factor and that factor's baseline? All pairs of levels; exploratory.
[[nodiscard]] std::vector<Interaction> interactions_of(const Question& question,
                                                       const std::vector<JudgedCell>& cells,
                                                       const std::vector<FactorTable>& tables);

// The first of the levels that nothing shows to have acted in these rows; empty when all did.
// Levels that ask for nothing ("none", "off", "0", "auto", "default") need no evidence, nor do
// factors that no knob carries (path, frame, load, ...).
[[nodiscard]] std::string idle_level(const std::vector<JudgedCell>& cells,
                                     const std::vector<const FactorRow*>& rows,
                                     const std::string& factor,
                                     const std::vector<std::string>& levels);

}  // namespace pollmark
