// One search, in one cell and block: its proposals run as trials, its trials become a record.
#pragma once

#include <functional>
#include <vector>

#include "base/error.h"
#include "judge/search.h"
#include "record/search_result.h"
#include "record/trial_result.h"

namespace pollmark {

// Runs the nth trial (from 0) of a search at this load and keeps it on disk.
using RunSearchTrial = std::function<Result<TrialResult>(double load_pps, double seconds, int nth)>;

// Goes on from the trials that are already there, which may be none. Errors: those of run; a search
// that gave up for lack of valid trials is a record that is not complete.
[[nodiscard]] Result<SearchResult> search_cell(const SearchOrder& order,
                                               std::vector<TrialResult> trials,
                                               const RunSearchTrial& run);

}  // namespace pollmark
