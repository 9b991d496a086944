#include "host/trial_cpus.h"

#include <algorithm>

#include "host/cpu_time.h"

namespace pollmark {

Result<TrialCpus> trial_cpus(const TrialOrder& order) {
  const auto cpus = allowed_cpus();
  if (cpus.size() < 2) return fail(Errc::host_cannot, "needs 2 CPUs");
  TrialCpus chosen{.sender = cpus[0], .receiver = cpus[1]};
  if (!order.generator_lcores.empty()) chosen.sender = order.generator_lcores.front();
  if (!order.receiver_lcores.empty()) {
    chosen.receiver = order.receiver_lcores.front();
  } else if (chosen.receiver == chosen.sender) {
    chosen.receiver = cpus[0];
  }
  if (order.generator_lcores.empty() && chosen.sender == chosen.receiver) {
    chosen.sender = *std::ranges::find_if(cpus, [&](int cpu) { return cpu != chosen.receiver; });
  }
  if (chosen.sender == chosen.receiver) return fail(Errc::host_cannot, "needs 2 CPUs");
  return chosen;
}

}  // namespace pollmark
