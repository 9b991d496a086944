#include "host/trial_cpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <utility>

namespace pollmark {
namespace {

std::vector<int> all_but(const std::vector<int>& cpus, const std::set<int>& taken) {
  std::vector<int> others;
  std::ranges::copy_if(cpus, std::back_inserter(others),
                       [&](int cpu) { return !taken.contains(cpu); });
  return others;
}

}  // namespace

std::vector<int> TrialCpus::all() const {
  std::set<int> each(senders.begin(), senders.end());
  each.insert(receivers.begin(), receivers.end());
  return {each.begin(), each.end()};
}

Result<TrialCpus> trial_cpus(const TrialOrder& order, const NumaPlan& plan) {
  const std::set<int> named(order.generator_lcores.begin(), order.generator_lcores.end());
  const std::size_t generators = std::max<std::size_t>(1, named.size());
  const auto threads = static_cast<std::size_t>(receiving_sockets(order));
  const auto too_few = [&] {
    if (generators + threads == 2) return fail(Errc::host_cannot, "needs 2 CPUs");
    return fail(Errc::host_cannot,
                fmt::format("needs {} CPUs: {} generator lcore{} and {}, each on its own; this "
                            "process may use {}{}",
                            generators + threads, generators, generators == 1 ? "" : "s",
                            threads == 1 ? std::string("a receiver")
                                         : fmt::format("{} receiving threads", threads),
                            plan.sender_cpus.size(),
                            threads == 1 ? "" : "; with validity = \"as_is\" threads share CPUs"));
  };
  if (plan.sender_cpus.size() < generators + 1) return too_few();
  std::vector<int> receivers = order.receiver_lcores;
  if (receivers.empty()) {
    receivers = all_but(plan.receiver_cpus, named.empty() ? std::set{plan.sender_cpus[0]} : named);
    // The only CPU of its node is the receiver's; the sender can go elsewhere.
    if (receivers.empty() && named.empty()) receivers = {plan.receiver_cpus[0]};
  }
  if (receivers.size() > threads) receivers.resize(threads);
  const std::size_t distinct = std::set(receivers.begin(), receivers.end()).size();
  const bool may_share = threads > 1 && order.validity == ValidityRule::as_is;
  if (distinct == 0 || (distinct < threads && !may_share)) return too_few();
  if (std::ranges::any_of(receivers, [&](int cpu) { return named.contains(cpu); })) {
    return too_few();
  }
  for (std::size_t i = 0; receivers.size() < threads; ++i) receivers.push_back(receivers[i]);
  TrialCpus chosen{.senders = order.generator_lcores, .receivers = std::move(receivers)};
  if (chosen.senders.empty()) {
    const auto free = all_but(plan.sender_cpus, {chosen.receivers.begin(), chosen.receivers.end()});
    if (free.empty()) return too_few();
    chosen.senders.push_back(free.front());
  }
  return chosen;
}

Result<TrialCpus> trial_cpus(const TrialOrder& order) {
  PM_TRY(const NumaPlan plan, numa_plan(order));
  return trial_cpus(order, plan);
}

}  // namespace pollmark
