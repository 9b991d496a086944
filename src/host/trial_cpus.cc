#include "host/trial_cpus.h"

#include <algorithm>
#include <optional>

namespace pollmark {
namespace {

std::optional<int> other_than(const std::vector<int>& cpus, int other) {
  const auto found = std::ranges::find_if(cpus, [other](int cpu) { return cpu != other; });
  return found == cpus.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

Result<TrialCpus> trial_cpus(const TrialOrder& order, const NumaPlan& plan) {
  const auto cannot = [] { return fail(Errc::host_cannot, "needs 2 CPUs"); };
  if (plan.sender_cpus.size() < 2) return cannot();
  std::optional<int> sender;
  std::optional<int> receiver;
  if (!order.generator_lcores.empty()) sender = order.generator_lcores.front();
  if (!order.receiver_lcores.empty()) receiver = order.receiver_lcores.front();
  if (!receiver) receiver = other_than(plan.receiver_cpus, sender.value_or(plan.sender_cpus[0]));
  // The only CPU of its node is the receiver's; the sender can go elsewhere.
  if (!receiver && !sender) receiver = plan.receiver_cpus[0];
  if (!sender && receiver) sender = other_than(plan.sender_cpus, *receiver);
  if (!sender || !receiver || *sender == *receiver) return cannot();
  return TrialCpus{.sender = *sender, .receiver = *receiver};
}

Result<TrialCpus> trial_cpus(const TrialOrder& order) {
  PM_TRY(const NumaPlan plan, numa_plan(order));
  return trial_cpus(order, plan);
}

}  // namespace pollmark
