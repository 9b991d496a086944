// What the instrument sees between two things that are the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "judge/factor_table.h"
#include "judge/summary.h"

namespace pollmark {

// The level of a cell that marks a trial of the A/A gate, beside those of its setting: kind
// probe, cell {..., "aa": "1"} and {..., "aa": "2"}.
inline constexpr std::string_view kGateFactor = "aa";

// One for each group with valid trials of a gate, by name.
[[nodiscard]] std::vector<NoiseFloor> noise_floors_of(const Question& question,
                                                      const std::vector<TrialResult>& trials);

// Groups whose first blocks differ from the rest, though all settings were measured in each: the
// machine had not settled. By MSER on the blocks' means, from twelve blocks on, and only where the
// two parts' ranks say so too (p < 0.01).
[[nodiscard]] std::vector<std::string> unsettled_blocks(const Question& question,
                                                        const std::vector<JudgedCell>& cells);

}  // namespace pollmark
