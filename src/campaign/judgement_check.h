// Does the judge see what is there, and nothing else, on this machine? Live on the model in
// lockstep: equal settings set against each other, and a stage that burns a known share more.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "campaign/selftest.h"

namespace pollmark {

// 30 comparisons of 12 mirrored blocks each, every block with three trials: a setting twice, and
// one whose stage works 3 % longer for each frame. Findings: at most 4 of the 30 A/A comparisons
// have p < 0.05; the slower stage is called worse (matters = 1 %) in at least 24.
//
// The burn is real work of the stage and nothing else: it verifies the checksum of a longer frame.
// How much longer is calibrated here, from the cost of frames twice as long; what share it then
// really was, over all blocks, is told with the result. Errors: as of run_selftest.
[[nodiscard]] Result<std::vector<Finding>> run_judgement_check(
    const std::function<void(const Finding&)>& tell);

}  // namespace pollmark
