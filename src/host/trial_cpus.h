// Which CPUs the two ends of a wall-clock trial take on this host.
#pragma once

#include <vector>

#include "base/error.h"
#include "host/numa_placement.h"
#include "record/trial_order.h"

namespace pollmark {

struct TrialCpus {
  std::vector<int> senders;       // one for each of the order's generator lcores, one at least
  std::vector<int> receivers{1};  // one for each of receiving_sockets(order)
  [[nodiscard]] std::vector<int> all() const;  // each once
};

// The order's generator lcores and as many of its receiving ones as it has receiving threads. Where
// it names none: the receivers take CPUs that the plan has for them, the sender the first of its
// own; a single receiver the second where it could be either. Where receiving CPUs are too few for
// the threads, an order of validity as_is has its threads share them, in turn.
// Errors: host_cannot "needs 2 CPUs", "needs 3 CPUs: ...", also when both ends name the same one.
// (That the generator names one twice is the caller's wish: its lcores share it.)
[[nodiscard]] Result<TrialCpus> trial_cpus(const TrialOrder& order, const NumaPlan& plan);
// With the order's plan on this host. Errors: those of numa_plan too.
[[nodiscard]] Result<TrialCpus> trial_cpus(const TrialOrder& order);

}  // namespace pollmark
