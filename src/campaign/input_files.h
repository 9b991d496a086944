// The files beside an experiment, read before anything is opened.
#pragma once

#include "base/error.h"
#include "plan/experiment.h"

namespace pollmark {

// Reads once, whole, each capture, stall trace and pattern file that a cell of the plan would take;
// patterns are compiled, and payloads made of them as often as a cell asks.
//   Errors: bad_experiment, whose text holds every file that cannot be used, one a line, each with
//   the place in the file and the reason.
[[nodiscard]] Result<void> check_input_files(const Plan& plan);

}  // namespace pollmark
