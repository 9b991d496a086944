// Plans, factors and keys as text for a terminal.
#pragma once

#include <string>

#include "plan/experiment.h"

namespace pollmark {

// What would run: cells, the order of the first block, refusals with their reasons, time.
[[nodiscard]] std::string render_plan(const Plan& plan);
// Every factor: how a level is written, limits, default, paths, ethtool and testpmd name.
[[nodiscard]] std::string render_factors();
// Every key of an experiment file with what is allowed; factors among them.
[[nodiscard]] std::string render_keys();

}  // namespace pollmark
