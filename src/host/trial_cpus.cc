#include "host/trial_cpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

namespace pollmark {
namespace {

std::optional<int> first_but(const std::vector<int>& cpus, const std::set<int>& taken) {
  const auto found = std::ranges::find_if(cpus, [&](int cpu) { return !taken.contains(cpu); });
  return found == cpus.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

std::vector<int> TrialCpus::all() const {
  std::set<int> each(senders.begin(), senders.end());
  each.insert(receiver);
  return {each.begin(), each.end()};
}

Result<TrialCpus> trial_cpus(const TrialOrder& order, const NumaPlan& plan) {
  const std::set<int> named(order.generator_lcores.begin(), order.generator_lcores.end());
  const std::size_t generators = std::max<std::size_t>(1, named.size());
  const auto too_few = [&] {
    if (generators < 2) return fail(Errc::host_cannot, "needs 2 CPUs");
    return fail(Errc::host_cannot,
                fmt::format("needs {} CPUs: {} generator lcores and a receiver, each on its own; "
                            "this process may use {}",
                            generators + 1, generators, plan.sender_cpus.size()));
  };
  if (plan.sender_cpus.size() < generators + 1) return too_few();
  std::optional<int> receiver;
  if (!order.receiver_lcores.empty()) {
    receiver = order.receiver_lcores.front();
  } else {
    receiver = first_but(plan.receiver_cpus, named.empty() ? std::set{plan.sender_cpus[0]} : named);
    // The only CPU of its node is the receiver's; the sender can go elsewhere.
    if (!receiver && named.empty()) receiver = plan.receiver_cpus[0];
  }
  if (!receiver || named.contains(*receiver)) return too_few();
  TrialCpus chosen{.senders = order.generator_lcores, .receiver = *receiver};
  if (chosen.senders.empty()) {
    const auto sender = first_but(plan.sender_cpus, {*receiver});
    if (!sender) return too_few();
    chosen.senders.push_back(*sender);
  }
  return chosen;
}

Result<TrialCpus> trial_cpus(const TrialOrder& order) {
  PM_TRY(const NumaPlan plan, numa_plan(order));
  return trial_cpus(order, plan);
}

}  // namespace pollmark
