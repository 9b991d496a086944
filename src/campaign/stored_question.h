// What a stored campaign was asked.
#pragma once

#include <filesystem>

#include "base/error.h"
#include "judge/summary.h"
#include "plan/experiment.h"
#include "store/folder.h"

namespace pollmark {

// The plan of the stored experiment text, with the options that it was run with; files that it
// names need not exist. Errors: bad_experiment.
[[nodiscard]] Result<Plan> stored_plan(const std::filesystem::path& folder,
                                       const StoredCampaign& stored);
// What judge needs to know of a plan.
[[nodiscard]] Question question_of(const Plan& plan, Rigour rigour);

}  // namespace pollmark
