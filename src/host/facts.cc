#include "host/facts.h"

#include <numa.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "base/text.h"
#include "host/cpu_time.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return std::string(trimmed(line));
}

template <typename T>
std::optional<T> number_in(const fs::path& file) {
  const std::string text = first_line(file);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::string link_name(const fs::path& link) {
  std::error_code error;
  const fs::path target = fs::read_symlink(link, error);
  return error ? std::string() : target.filename().string();
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::ranges::sort(entries);
  return entries;
}

// "0-3,8" -> 0 1 2 3 8.
std::vector<int> cpu_list(const std::string& text) {
  std::vector<int> cpus;
  for (const auto& part : split(text, ',')) {
    std::istringstream in(part);
    int first = 0;
    int last = 0;
    char dash = 0;
    if (!(in >> first)) continue;
    if (!(in >> dash >> last)) last = first;
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

std::optional<int> node_in(const fs::path& device) {
  const auto node = number_in<int>(device / "numa_node");
  return node && *node >= 0 ? node : std::nullopt;
}

CpuFacts read_cpu(const std::string& root) {
  CpuFacts cpu;
  std::ifstream info(root + "/proc/cpuinfo");
  std::set<std::pair<std::string, std::string>> cores;
  std::string package;
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto key = trimmed(std::string_view(line).substr(0, colon));
    const std::string value(trimmed(std::string_view(line).substr(colon + 1)));
    if (key == "processor") ++cpu.logical_cpus;
    if (key == "model name") cpu.model = value;
    if (key == "physical id") package = value;
    if (key == "core id") cores.emplace(package, value);
    if (key == "flags") {
      for (const auto& flag : split(value, ' ')) cpu.hypervisor |= flag == "hypervisor";
    }
  }
  cpu.cores = cores.empty() ? cpu.logical_cpus : static_cast<int>(cores.size());
  cpu.governor = first_line(root + "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  cpu.isolated = cpu_list(first_line(root + "/sys/devices/system/cpu/isolated"));
  if (root.empty() && numa_available() >= 0) {
    cpu.numa_nodes = numa_num_configured_nodes();
    for (int i = 0; i < cpu.logical_cpus; ++i) cpu.node_of_cpu.push_back(numa_node_of_cpu(i));
  }
  return cpu;
}

std::vector<HugepageFacts> read_hugepages(const std::string& root) {
  std::vector<HugepageFacts> sizes;
  constexpr std::string_view kPrefix = "hugepages-";
  for (const auto& folder : entries_of(root + "/sys/kernel/mm/hugepages")) {
    const std::string name = folder.filename().string();  // hugepages-2048kB
    if (!name.starts_with(kPrefix)) continue;
    std::int64_t kib = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), kib);
    sizes.push_back({.page_size_bytes = kib * 1024,
                     .total = number_in<std::int64_t>(folder / "nr_hugepages").value_or(0),
                     .free = number_in<std::int64_t>(folder / "free_hugepages").value_or(0)});
  }
  std::ranges::sort(sizes, {}, &HugepageFacts::page_size_bytes);
  return sizes;
}

std::vector<NetdevFacts> read_netdevs(const std::string& root) {
  std::vector<NetdevFacts> netdevs;
  for (const auto& folder : entries_of(root + "/sys/class/net")) {
    NetdevFacts netdev;
    netdev.netdev = folder.filename().string();
    netdev.driver = link_name(folder / "device/driver");
    if (link_name(folder / "device/subsystem") == "pci") {
      netdev.pci_address = link_name(folder / "device");
    }
    netdev.mac = first_line(folder / "address");
    netdev.mtu = number_in<int>(folder / "mtu").value_or(0);
    netdev.up = first_line(folder / "operstate") == "up";
    // Mbit/s; -1 or an error when there is no link.
    if (const auto speed = number_in<std::int64_t>(folder / "speed"); speed && *speed > 0) {
      netdev.speed_bps = *speed * 1'000'000;
    }
    netdev.numa_node = node_in(folder / "device");
    netdevs.push_back(std::move(netdev));
  }
  return netdevs;
}

std::vector<PciNicFacts> read_pci_nics(const std::string& root) {
  std::vector<PciNicFacts> nics;
  for (const auto& folder : entries_of(root + "/sys/bus/pci/devices")) {
    // Class 02xxxx: network controller.
    if (!first_line(folder / "class").starts_with("0x02")) continue;
    PciNicFacts nic;
    nic.pci_address = folder.filename().string();
    nic.vendor = first_line(folder / "vendor");
    nic.device = first_line(folder / "device");
    nic.driver = link_name(folder / "driver");
    for (const auto& netdev : entries_of(folder / "net")) {
      nic.netdevs.push_back(netdev.filename().string());
    }
    // virtio hangs its netdev one level deeper.
    for (const auto& child : entries_of(folder)) {
      if (!child.filename().string().starts_with("virtio")) continue;
      for (const auto& netdev : entries_of(child / "net")) {
        nic.netdevs.push_back(netdev.filename().string());
      }
    }
    nic.numa_node = node_in(folder);
    nics.push_back(std::move(nic));
  }
  return nics;
}

std::int64_t memory_bytes(const std::string& root) {
  std::ifstream info(root + "/proc/meminfo");
  std::string key;
  std::int64_t kib = 0;
  info >> key >> kib;  // the first line is MemTotal
  return key == "MemTotal:" ? kib * 1024 : 0;
}

}  // namespace

HostFacts read_host_facts(const std::string& root) {
  HostFacts facts;
  facts.kernel = first_line(root + "/proc/sys/kernel/osrelease");
  facts.cpu = read_cpu(root);
  facts.hugepages = read_hugepages(root);
  facts.memory_bytes = memory_bytes(root);
  std::ifstream load(root + "/proc/loadavg");
  load >> facts.load.load_average_1min;
  std::int64_t steal = 0;
  std::int64_t total = 0;
  for (const auto& cpu : cpu_stats(root)) {
    steal += cpu.steal_ns;
    total += cpu.total_ns;
  }
  if (total > 0)
    facts.load.steal_fraction = static_cast<double>(steal) / static_cast<double>(total);
  facts.netdevs = read_netdevs(root);
  facts.pci_nics = read_pci_nics(root);
  return facts;
}

}  // namespace pollmark
