#include <fmt/format.h>

#include <cstdio>

#include "apps/verbs.h"
#include "base/text.h"
#include "base/units.h"
#include "host/facts.h"
#include "host/netdev_home.h"
#include "host/port_guard.h"
#include "host/privilege.h"

namespace pollmark {
namespace {

// Why a trial would not take the device.
std::string obstacle_text(const std::string& netdev) {
  if (const auto lendable = need_lendable_netdev(netdev, -1); !lendable)
    return "; no port: " + lendable.error().what.substr(0, lendable.error().what.find(';'));
  const auto uses = uses_of_netdev(netdev);
  if (!uses || uses->empty()) return "";
  return "; in use: " + join(*uses, ", ");
}

std::string ports_text(const HostFacts& facts) {
  std::string text = "Ports that an experiment can name today\n";
  text += "  model  a modelled link and NIC receive side, in lockstep time; needs nothing\n";
  const auto lab = need_network_lab();
  text += fmt::format("  veth   a veth pair in namespaces that pollmark makes and owns; {}\n",
                      lab ? "ready" : lab.error().text());
  text += "\nNICs on PCI (as ports: not yet)\n";
  if (facts.pci_nics.empty()) text += "  none\n";
  for (const PciNicFacts& nic : facts.pci_nics) {
    text += fmt::format("  {}  {}:{}  driver {}", nic.pci_address, nic.vendor, nic.device,
                        nic.driver.empty() ? "none" : nic.driver);
    for (const std::string& netdev : nic.netdevs) text += "  " + netdev;
    text += nic.numa_node ? fmt::format("  NUMA node {}\n", *nic.numa_node) : "\n";
  }
  text += "\nKernel network devices (two that a cable joins are ports: netdev:NAME)\n";
  for (const NetdevFacts& dev : facts.netdevs) {
    text +=
        fmt::format("  {:<12} {:<12} mtu {:<6} {:<5} speed {}{}\n", dev.netdev,
                    dev.driver.empty() ? "software" : dev.driver, dev.mtu, dev.up ? "up" : "down",
                    dev.speed_bps ? si(static_cast<double>(*dev.speed_bps), "bps") : "not told",
                    obstacle_text(dev.netdev));
  }
  text += fmt::format("\nCPUs {}, NUMA nodes {}", facts.cpu.logical_cpus,
                      facts.cpu.numa_nodes > 0 ? std::to_string(facts.cpu.numa_nodes) : "not told");
  for (const HugepageFacts& pages : facts.hugepages)
    text += fmt::format(", hugepages of {} KiB: {} free of {}", pages.page_size_bytes / 1024,
                        pages.free, pages.total);
  return text + "\n";
}

}  // namespace

void add_ports(CLI::App& app, Action& action) {
  CLI::App* verb =
      app.add_subcommand("ports", "what is there to send and receive on")->group("look");
  verb->footer("Touches nothing. Example: pollmark ports");
  verb->callback([&action] {
    action = []() -> Result<int> {
      std::fputs(ports_text(read_host_facts()).c_str(), stdout);
      return 0;
    };
  });
}

}  // namespace pollmark
