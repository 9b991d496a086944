#include "campaign/provenance_of_host.h"

#include <fmt/format.h>

#include "base/version.h"
#include "campaign/libraries.h"
#include "host/facts.h"

namespace pollmark {
namespace {

std::vector<std::string> warnings_of(const HostFacts& facts) {
  std::vector<std::string> warnings;
  if (facts.cpu.hypervisor)
    warnings.emplace_back(
        "this is a virtual machine: other guests can take its CPUs away at any moment");
  if (facts.load.load_average_1min > 0.5 * facts.cpu.logical_cpus)
    warnings.push_back(
        fmt::format("the host was busy before the start: load average {:.2f} on {} CPUs",
                    facts.load.load_average_1min, facts.cpu.logical_cpus));
  if (facts.load.steal_fraction.value_or(0.0) > 0.001)
    warnings.push_back(
        fmt::format("{:.2f} % of all CPU time since boot was stolen by the hypervisor",
                    100 * *facts.load.steal_fraction));
  if (!facts.cpu.governor.empty() && facts.cpu.governor != "performance")
    warnings.push_back(
        fmt::format("CPU frequency governor is {}, not performance", facts.cpu.governor));
  if (facts.cpu.isolated.empty())
    warnings.emplace_back("no CPU is isolated from the scheduler (isolcpus)");
  return warnings;
}

}  // namespace

Provenance provenance_of_host() {
  const HostFacts facts = read_host_facts();
  Provenance provenance;
  provenance.pollmark_version = kVersion;
  auto& host = provenance.host;
  host["kernel"] = facts.kernel;
  if (!facts.cpu.model.empty()) host["cpu_model"] = facts.cpu.model;
  host["cpus"] = std::to_string(facts.cpu.logical_cpus);
  if (facts.cpu.numa_nodes > 0) host["numa_nodes"] = std::to_string(facts.cpu.numa_nodes);
  host["virtual_machine"] = facts.cpu.hypervisor ? "yes" : "no";
  host["memory_gib"] = fmt::format("{:.1f}", static_cast<double>(facts.memory_bytes) / (1 << 30));
  for (const HugepageFacts& pages : facts.hugepages)
    host[fmt::format("hugepages_{}_kib", pages.page_size_bytes / 1024)] =
        fmt::format("{} free of {}", pages.free, pages.total);
  for (const auto& [name, version] : kLibraries) provenance.libraries[name] = version;
  provenance.warnings = warnings_of(facts);
  return provenance;
}

}  // namespace pollmark
