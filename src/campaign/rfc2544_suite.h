// The tests of RFC 2544 of one cell and block, behind its search.
#pragma once

#include <functional>
#include <vector>

#include "base/error.h"
#include "judge/rfc2544_tests.h"
#include "record/search_result.h"
#include "record/trial_result.h"

namespace pollmark {

// Runs one trial and keeps it on disk.
using RunRfc2544Trial = std::function<Result<TrialResult>(const Rfc2544Trial& trial)>;

// Goes on from the trials of the cell and block that are already there, in the order in which they
// were run; returns all of them when every test has its result or was given up. Errors: those of
// run.
[[nodiscard]] Result<std::vector<TrialResult>> run_rfc2544_suite(const Rfc2544Order& order,
                                                                 const SearchResult& search,
                                                                 int retries,
                                                                 std::vector<TrialResult> trials,
                                                                 const RunRfc2544Trial& run);

}  // namespace pollmark
