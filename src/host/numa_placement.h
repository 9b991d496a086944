// On which NUMA node a trial's memory lies, and which CPUs its lcores may take.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "host/facts.h"
#include "record/trial_order.h"
#include "record/trial_result.h"

namespace pollmark {

struct NumaTopology {
  std::vector<int> cpus;         // that this process may use, the preferred first; never empty
  std::vector<int> node_of_cpu;  // [cpu], of all CPUs; -1, or none for a CPU: not told
};

// Of this host, as it was at the first call. Preferred are the CPUs that the calling thread was
// then confined to (taskset), before the others of its cpuset: call it before EAL narrows that.
[[nodiscard]] const NumaTopology& numa_topology();

// What a trial asks for.
struct NumaOrder {
  NumaPlacement numa = NumaPlacement::local;
  std::vector<int> lcores;       // CPUs named for receiving lcores; empty: to be chosen
  std::optional<int> port_node;  // of the receiving port; nullopt: it has none (model, veth)
};
// port_node as node_of_port(). In lockstep lcores are virtual: the order's are no CPUs.
[[nodiscard]] NumaOrder numa_order(const TrialOrder& order, std::optional<int> port_node);

struct NumaPlan {
  std::optional<int> memory_node;  // of pools and rings; nullopt: the kernel tells no nodes
  std::vector<int> sender_cpus;    // all that may be used, those of the memory's node first
  std::vector<int> receiver_cpus;  // that receiving lcores may take where none is named; one node's
};

// Memory lies on the port's node; a port without one is where its local lcores are: on the node of
// the first that is named, or else of the preferred CPU (with remote lcores: on the first node that
// none of those named is on). Local lcores are on the memory's node, remote ones on another: that
// of the first named, or the first that has an allowed CPU. CPUs whose node is not told are no
// lcore's by choice, and are not refused where they are named.
//   Errors: host_cannot: no second node, no node told (remote), no CPU allowed on the port's node
//   (local), a named lcore on the wrong one.
[[nodiscard]] Result<NumaPlan> numa_plan(const NumaOrder& order, const NumaTopology& host);
// The order's on this host.
[[nodiscard]] Result<NumaPlan> numa_plan(const TrialOrder& order);

// Node of an order's port ("0000:3b:00.0", "netdev:eth2") as the NICs tell; nullopt: it has none,
// or none was told.
[[nodiscard]] std::optional<int> node_of_port(std::string_view port, const HostFacts& facts);

// What became of the placement. Confirmed: all pages of the pool lie on one node (memory_node,
// where that is known) and every receiving lcore on it (local) or none (remote). Unverifiable where
// a node was not told, unless the others contradict already.
//   pool_nodes   nodes of the pool's pages; empty: not told
//   lcores       the receiving ones, with the nodes they ran on
[[nodiscard]] Knob numa_knob(NumaPlacement numa, std::optional<int> memory_node,
                             const std::vector<int>& pool_nodes,
                             std::span<const LcoreHealth> lcores);

// Node of the CPU that the calling thread is on; nullopt: the kernel tells no nodes. No system
// call where the vDSO has getcpu.
[[nodiscard]] std::optional<int> node_of_this_thread() noexcept;
// Nodes of the pages at these addresses, ascending, each once (move_pages(2)); empty: not told.
// Pages that were never touched lie nowhere.
[[nodiscard]] std::vector<int> nodes_of_pages(std::span<void* const> addresses);
// Binds the pages of a mapping to a node, those that have been touched too (mbind(2)). The address
// is that of a page. Errors: host_cannot.
[[nodiscard]] Result<void> bind_memory(void* address, std::size_t bytes, int node);

}  // namespace pollmark
