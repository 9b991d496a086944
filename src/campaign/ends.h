// Which sender and receiver carry out an order: the one place that knows every path.
#pragma once

#include "base/error.h"
#include "trial/endpoints.h"

namespace pollmark {

// Starts EAL when this process has not yet, with the memory that this order takes, and makes the
// two ends of the order's path. Whatever they stand on (namespaces, the veth pair) lives as long as
// the returned ends. Errors: host_cannot (no privilege, no memory), bad_experiment.
[[nodiscard]] Result<Ends> make_ends(const TrialOrder& order);

}  // namespace pollmark
