// DPDK's environment layer, started once per process. Unprivileged: no PCI, no hugepage mount, no
// files shared with other processes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pollmark {

struct EalOrder {
  int cpu = -1;                    // the one lcore; -1: the lowest CPU this thread may run on
  std::int64_t memory_mib = 256;   // for pools, rings and ports of all trials of this process
  int memory_node = -1;            // NUMA node that it is bound to; -1: left to the kernel
  bool use_hugepages = true;       // where enough are free and usable; else 4 KiB pages
  std::vector<std::string> vdevs;  // "net_af_packet0,iface=veth0", probed at start
};

struct EalFacts {
  std::int64_t page_size_bytes = 0;  // of the memory that pools come from
  std::int64_t memory_mib = 0;
  std::optional<int> memory_node;  // as ordered; nullopt: not bound
  int cpu = 0;
  double tsc_hz = 0.0;
  std::string dpdk_version;
  std::string hugepages;  // why they are used, or why not: one sentence
};

// Starts EAL on the first call; every later call returns what the first one returned, whatever its
// order says (a process has one EAL). The calling thread stays pinned to `cpu` afterwards: call it
// from the control thread, before other threads are made. DPDK's own messages stay off the
// terminal.
//   Errors: host_cannot with DPDK's reason, or why memory cannot be bound to memory_node.
[[nodiscard]] Result<EalFacts> start_eal(const EalOrder& order);
// What start_eal returned; nullopt before it, or when it failed.
[[nodiscard]] std::optional<EalFacts> eal_facts();
// For DPDK's socket_id arguments: the node that memory is bound to, or SOCKET_ID_ANY.
[[nodiscard]] int memory_socket();
// The latest line that DPDK wrote to its log and forgets it; empty when there is none. For errors
// of calls that say no more than a number.
[[nodiscard]] std::string take_dpdk_message();

}  // namespace pollmark
