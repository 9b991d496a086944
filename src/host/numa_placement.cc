#include "host/numa_placement.h"

#include <fmt/format.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "base/text.h"
#include "host/cpu_time.h"

namespace pollmark {
namespace {

bool nodes_are_told() noexcept {
  static const bool told = numa_available() >= 0;
  return told;
}

std::optional<int> node_of(const NumaTopology& host, int cpu) {
  if (cpu < 0 || static_cast<std::size_t>(cpu) >= host.node_of_cpu.size()) return std::nullopt;
  const int node = host.node_of_cpu[static_cast<std::size_t>(cpu)];
  return node >= 0 ? std::optional(node) : std::nullopt;
}

// Each once, in the order of the CPUs.
std::vector<int> nodes_of(const NumaTopology& host, const std::vector<int>& cpus) {
  std::vector<int> nodes;
  for (const int cpu : cpus) {
    const auto node = node_of(host, cpu);
    if (node && std::ranges::find(nodes, *node) == nodes.end()) nodes.push_back(*node);
  }
  return nodes;
}

std::vector<int> cpus_on(const NumaTopology& host, int node) {
  std::vector<int> cpus;
  for (const int cpu : host.cpus)
    if (node_of(host, cpu) == node) cpus.push_back(cpu);
  return cpus;
}

std::optional<int> first_but(const std::vector<int>& nodes, const std::vector<int>& others) {
  const auto found = std::ranges::find_if(
      nodes, [&](int node) { return std::ranges::find(others, node) == others.end(); });
  return found == nodes.end() ? std::nullopt : std::optional(*found);
}

// "node 0", "nodes 0 and 1".
std::string nodes_text(std::vector<int> nodes) {
  std::ranges::sort(nodes);
  std::vector<std::string> parts;
  for (const int node : nodes) parts.push_back(std::to_string(node));
  if (parts.size() == 1) return "node " + parts.front();
  const std::string last = parts.back();
  parts.pop_back();
  return fmt::format("nodes {} and {}", join(parts, ", "), last);
}

Error no_second_node(const NumaTopology& host, const std::vector<int>& allowed_nodes) {
  const std::set<int> all(host.node_of_cpu.begin(), host.node_of_cpu.end());
  const bool one = std::ranges::count_if(all, [](int node) { return node >= 0; }) == 1;
  return {Errc::host_cannot,
          fmt::format("numa = \"remote\" needs a second NUMA node with an allowed CPU; {}",
                      one ? "this host has one"
                          : "this process may use CPUs of " + nodes_text(allowed_nodes)),
          ""};
}

Result<void> check_named(const NumaOrder& order, int memory_node, const NumaTopology& host) {
  const bool local = order.numa == NumaPlacement::local;
  for (const int cpu : order.lcores) {
    const auto node = node_of(host, cpu);
    if (!node || (*node == memory_node) == local) continue;
    return fail(Errc::host_cannot,
                fmt::format("lcores: CPU {} is on NUMA node {}, memory on {}; allowed: CPUs of {} "
                            "node, or numa = \"{}\"",
                            cpu, *node, memory_node, local ? "that" : "another",
                            name_of(local ? NumaPlacement::remote : NumaPlacement::local)));
  }
  return {};
}

}  // namespace

const NumaTopology& numa_topology() {
  static const NumaTopology kHost = [] {
    NumaTopology host;
    cpu_set_t mine;
    CPU_ZERO(&mine);
    const bool known = sched_getaffinity(0, sizeof mine, &mine) == 0;
    host.cpus = allowed_cpus();
    std::stable_partition(host.cpus.begin(), host.cpus.end(), [&](int cpu) {
      return known && CPU_ISSET(static_cast<std::size_t>(cpu), &mine);
    });
    if (!nodes_are_told()) return host;
    for (int cpu = 0; cpu < numa_num_configured_cpus(); ++cpu)
      host.node_of_cpu.push_back(numa_node_of_cpu(cpu));
    return host;
  }();
  return kHost;
}

NumaOrder numa_order(const TrialOrder& order, std::optional<int> port_node) {
  NumaOrder asked{.numa = order.receiver.numa, .lcores = {}, .port_node = port_node};
  if (order.clock == ClockKind::wall) asked.lcores = order.receiver_lcores;
  return asked;
}

Result<NumaPlan> numa_plan(const NumaOrder& order, const NumaTopology& host) {
  PM_CHECK(!host.cpus.empty());
  const bool local = order.numa == NumaPlacement::local;
  NumaPlan plan{.memory_node = {}, .sender_cpus = host.cpus, .receiver_cpus = host.cpus};
  const std::vector<int> allowed = nodes_of(host, host.cpus);
  if (allowed.empty()) {
    if (local) return plan;
    return fail(Errc::host_cannot,
                "numa = \"remote\" needs NUMA nodes; this host's kernel tells none");
  }
  const std::vector<int> named = nodes_of(host, order.lcores);

  plan.memory_node = order.port_node;
  if (!plan.memory_node && local) plan.memory_node = named.empty() ? allowed[0] : named[0];
  if (!plan.memory_node) plan.memory_node = first_but(allowed, named);
  if (!plan.memory_node) return tl::unexpected<Error>(no_second_node(host, allowed));
  PM_TRYV(check_named(order, *plan.memory_node, host));

  std::optional<int> lcores_node = plan.memory_node;
  if (!local) lcores_node = named.empty() ? first_but(allowed, {*plan.memory_node}) : named[0];
  if (!lcores_node) return tl::unexpected<Error>(no_second_node(host, allowed));
  plan.receiver_cpus = cpus_on(host, *lcores_node);
  if (plan.receiver_cpus.empty()) {
    return fail(Errc::host_cannot,
                fmt::format("numa = \"{}\" needs an allowed CPU on NUMA node {}; this process may "
                            "use CPUs of {}",
                            name_of(order.numa), *lcores_node, nodes_text(allowed)));
  }
  std::stable_partition(plan.sender_cpus.begin(), plan.sender_cpus.end(),
                        [&](int cpu) { return node_of(host, cpu) == plan.memory_node; });
  return plan;
}

namespace {

// A device that was lent to another namespace is not to be found, but is where it was.
std::optional<int> node_of_port_once(const std::string& port) {
  static std::map<std::string, std::optional<int>> nodes;
  const auto known = nodes.find(port);
  if (known != nodes.end()) return known->second;
  return nodes[port] = node_of_port(port, read_host_facts());
}

}  // namespace

Result<NumaPlan> numa_plan(const TrialOrder& order) {
  const NumaTopology& host = numa_topology();
  std::optional<int> port_node;
  // The NICs are looked at only for a port that may be one.
  if (order.receiver_port != "model" && order.receiver_port != "veth")
    port_node = node_of_port_once(order.receiver_port);
  return numa_plan(numa_order(order, port_node), host);
}

std::optional<int> node_of_port(std::string_view port, const HostFacts& facts) {
  constexpr std::string_view kNetdev = "netdev:";
  for (const PciNicFacts& nic : facts.pci_nics)
    if (nic.pci_address == port) return nic.numa_node;
  if (!port.starts_with(kNetdev)) return std::nullopt;
  for (const NetdevFacts& netdev : facts.netdevs)
    if (netdev.netdev == port.substr(kNetdev.size())) return netdev.numa_node;
  return std::nullopt;
}

Knob numa_knob(NumaPlacement numa, std::optional<int> memory_node,
               const std::vector<int>& pool_nodes, std::span<const LcoreHealth> lcores) {
  Knob knob;
  knob.requested = std::string(name_of(numa));
  std::vector<int> lcore_nodes;
  for (const LcoreHealth& lcore : lcores)
    if (lcore.node && std::ranges::find(lcore_nodes, *lcore.node) == lcore_nodes.end())
      lcore_nodes.push_back(*lcore.node);
  if (pool_nodes.empty() || lcore_nodes.empty()) return knob;
  const bool all_told =
      std::ranges::all_of(lcores, [](const LcoreHealth& lcore) { return lcore.node.has_value(); });
  const std::string seen = fmt::format("mbuf pool on {}, receiving lcores on {}",
                                       nodes_text(pool_nodes), nodes_text(lcore_nodes));
  const bool one_pool =
      pool_nodes.size() == 1 && (!memory_node || pool_nodes.front() == *memory_node);
  const bool together = lcore_nodes == pool_nodes;
  const bool apart = std::ranges::find(lcore_nodes, pool_nodes.front()) == lcore_nodes.end();
  const bool as_asked = one_pool && (numa == NumaPlacement::local ? together : apart);
  if (as_asked && !all_told) return knob;
  knob.exercised = as_asked;
  knob.state = as_asked ? KnobState::confirmed : KnobState::differs;
  knob.effective = as_asked ? knob.requested : seen;
  knob.evidence = seen;
  return knob;
}

std::optional<int> node_of_this_thread() noexcept {
  unsigned cpu = 0;
  unsigned node = 0;
  if (!nodes_are_told() || getcpu(&cpu, &node) != 0) return std::nullopt;
  return static_cast<int>(node);
}

std::vector<int> nodes_of_pages(std::span<void* const> addresses) {
  if (!nodes_are_told() || addresses.empty()) return {};
  std::vector<void*> pages(addresses.begin(), addresses.end());
  std::vector<int> status(pages.size(), -1);
  if (numa_move_pages(0, pages.size(), pages.data(), nullptr, status.data(), 0) != 0) return {};
  std::set<int> nodes;
  for (const int node : status)
    if (node >= 0) nodes.insert(node);
  return {nodes.begin(), nodes.end()};
}

Result<void> bind_memory(void* address, std::size_t bytes, int node) {
  const auto cannot = [&](std::string_view why) {
    return fail(Errc::host_cannot,
                fmt::format("memory cannot be bound to NUMA node {}: {}", node, why));
  };
  if (!nodes_are_told()) return cannot("the kernel tells no nodes");
  bitmask* nodes = numa_allocate_nodemask();
  if (node < 0 || static_cast<unsigned long>(node) >= nodes->size) {
    numa_bitmask_free(nodes);
    return cannot("no such node");
  }
  numa_bitmask_setbit(nodes, static_cast<unsigned>(node));
  const long failed = mbind(address, bytes, MPOL_BIND, nodes->maskp, nodes->size + 1,
                            MPOL_MF_MOVE | MPOL_MF_STRICT);
  const int error = errno;
  numa_bitmask_free(nodes);
  if (failed != 0) return cannot(std::strerror(error));
  return {};
}

}  // namespace pollmark
