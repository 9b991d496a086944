// What this host is, as far as it bears on a measurement. Read from sysfs, procfs and libnuma; a
// fact that the host does not tell is nullopt or empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pollmark {

struct CpuFacts {
  std::string model;
  int logical_cpus = 0;
  int cores = 0;                 // physical, as the topology tells
  int numa_nodes = 0;            // 0: not told
  std::vector<int> node_of_cpu;  // [cpu]; -1: not told
  bool hypervisor = false;       // CPUID says that this is a guest
  std::string governor;          // of CPU 0; empty: no frequency scaling is visible
  std::vector<int> isolated;     // isolcpus
};

struct HugepageFacts {
  std::int64_t page_size_bytes = 0;
  std::int64_t total = 0;
  std::int64_t free = 0;
};

struct LoadFacts {
  double load_average_1min = 0.0;
  std::optional<double> steal_fraction;  // of all CPU time since boot
};

struct NetdevFacts {
  std::string netdev;
  std::string driver;       // empty: a software device without one
  std::string pci_address;  // empty: not on PCI
  std::string mac;
  int mtu = 0;
  bool up = false;
  std::optional<std::int64_t> speed_bps;  // nullopt: not told, or no link
  std::optional<int> numa_node;
};

struct PciNicFacts {
  std::string pci_address;  // "0000:3b:00.0"
  std::string vendor;       // "0x14e4"
  std::string device;
  std::string driver;  // empty: none bound; "vfio-pci": ready for DPDK
  std::vector<std::string> netdevs;
  std::optional<int> numa_node;
};

struct HostFacts {
  std::string kernel;  // uname -r
  CpuFacts cpu;
  std::vector<HugepageFacts> hugepages;  // one per page size
  std::int64_t memory_bytes = 0;
  LoadFacts load;
  std::vector<NetdevFacts> netdevs;  // of the namespace that /sys was mounted in
  std::vector<PciNicFacts> pci_nics;
};

// root: prefix of /sys and /proc, "" for this host; a test gives a tree of files. NUMA nodes come
// from libnuma, hence only for this host.
[[nodiscard]] HostFacts read_host_facts(const std::string& root = "");

}  // namespace pollmark
