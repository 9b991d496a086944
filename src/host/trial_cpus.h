// Which CPUs the two ends of a wall-clock trial take on this host.
#pragma once

#include "base/error.h"
#include "record/trial_order.h"

namespace pollmark {

struct TrialCpus {
  int sender = 0;
  int receiver = 1;
};

// The order's first lcore of each end; where it names none, the first and the second CPU that this
// process may use. Errors: host_cannot "needs 2 CPUs", also when both ends name the same one.
[[nodiscard]] Result<TrialCpus> trial_cpus(const TrialOrder& order);

}  // namespace pollmark
