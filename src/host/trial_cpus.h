// Which CPUs the two ends of a wall-clock trial take on this host.
#pragma once

#include "base/error.h"
#include "host/numa_placement.h"
#include "record/trial_order.h"

namespace pollmark {

struct TrialCpus {
  int sender = 0;
  int receiver = 1;
};

// The order's first lcore of each end. Where it names none: the receiver takes a CPU that the plan
// has for it, the sender the first of its own; the receiver the second where it could be either.
// Errors: host_cannot "needs 2 CPUs", also when both ends name the same one.
[[nodiscard]] Result<TrialCpus> trial_cpus(const TrialOrder& order, const NumaPlan& plan);
// With the order's plan on this host. Errors: those of numa_plan too.
[[nodiscard]] Result<TrialCpus> trial_cpus(const TrialOrder& order);

}  // namespace pollmark
