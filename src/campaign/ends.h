// Which sender and receiver carry out an order: the one place that knows every path.
#pragma once

#include <vector>

#include "base/error.h"
#include "trial/endpoints.h"

namespace pollmark {

// Starts EAL when this process has not yet and the path needs it, with the memory that this order
// takes, and makes the two ends of each of its ways (directions_of). Whatever they stand on
// (namespaces, the veth pair, the host's devices in them) lives as long as the returned ends; then
// the devices are home again. Errors: host_cannot (no privilege, no memory), bad_experiment.
//   capture_files  as with_captures() wants them
[[nodiscard]] Result<std::vector<Ends>> make_ends(const TrialOrder& order,
                                                  const std::vector<int>& capture_files);

}  // namespace pollmark
