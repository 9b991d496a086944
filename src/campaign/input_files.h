// The files beside an experiment, read before anything is opened.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/error.h"
#include "plan/experiment.h"

namespace pollmark {

// Reads once, whole, each capture, stall trace and pattern file that a cell of the plan would take;
// patterns are compiled, and payloads made of them as often as a cell asks.
// Returns the digest of each by its name from `folder`, where the experiment is.
//   Errors: bad_experiment, whose text holds every file that cannot be used, one a line, each with
//   the place in the file and the reason.
[[nodiscard]] Result<std::map<std::string, std::string>> check_input_files(
    const Plan& plan, const std::filesystem::path& folder);

// Refuses to mix trials of two versions of an input file.
//   begun: what the folder was begun with; a file that it does not name is not asked for.
//   Errors: bad_experiment.
[[nodiscard]] Result<void> check_same_inputs(const std::map<std::string, std::string>& begun,
                                             const std::map<std::string, std::string>& now);

}  // namespace pollmark
