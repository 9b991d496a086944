#include "host/snapshot.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "host/ethtool.h"
#include "host/ethtool_numbers.h"
#include "host/facts.h"
#include "host/setting.h"

namespace pollmark {
namespace {

using Json = nlohmann::json;

constexpr std::array kSysctls{"net.core.busy_poll",
                              "net.core.busy_read",
                              "net.core.default_qdisc",
                              "net.core.dev_weight",
                              "net.core.flow_limit_cpu_bitmap",
                              "net.core.flow_limit_table_len",
                              "net.core.netdev_budget",
                              "net.core.netdev_budget_usecs",
                              "net.core.netdev_max_backlog",
                              "net.core.optmem_max",
                              "net.core.rmem_default",
                              "net.core.rmem_max",
                              "net.core.rps_sock_flow_entries",
                              "net.core.somaxconn",
                              "net.core.wmem_default",
                              "net.core.wmem_max",
                              "net.ipv4.conf.all.rp_filter",
                              "net.ipv4.icmp_ratelimit",
                              "net.ipv4.ip_forward",
                              "net.ipv4.ipfrag_high_thresh",
                              "net.ipv4.tcp_congestion_control",
                              "net.ipv4.tcp_max_syn_backlog",
                              "net.ipv4.tcp_mem",
                              "net.ipv4.tcp_rmem",
                              "net.ipv4.tcp_syncookies",
                              "net.ipv4.tcp_wmem",
                              "net.ipv4.udp_mem",
                              "net.ipv4.udp_rmem_min",
                              "net.ipv4.udp_wmem_min",
                              "net.netfilter.nf_conntrack_max",
                              "kernel.numa_balancing",
                              "vm.min_free_kbytes"};

// Below /sys/class/net/NETDEV.
constexpr std::array kNetdevFiles{"tx_queue_len",         "gro_flush_timeout",
                                  "napi_defer_hard_irqs", "threaded",
                                  "queues/rx-*/rps_cpus", "queues/rx-*/rps_flow_cnt",
                                  "queues/tx-*/xps_cpus", "queues/tx-*/xps_rxqs"};

Json host_json(const HostFacts& facts) {
  auto hugepages = Json::array();
  for (const HugepageFacts& pages : facts.hugepages) {
    hugepages.push_back(
        {{"page_size_bytes", pages.page_size_bytes}, {"total", pages.total}, {"free", pages.free}});
  }
  Json host = {{"kernel", facts.kernel},
               {"cpu_model", facts.cpu.model},
               {"cpus", facts.cpu.logical_cpus},
               {"cores", facts.cpu.cores},
               {"virtual_machine", facts.cpu.hypervisor},
               {"isolated_cpus", facts.cpu.isolated},
               {"memory_bytes", facts.memory_bytes},
               {"hugepages", std::move(hugepages)}};
  if (facts.cpu.numa_nodes > 0) host["numa_nodes"] = facts.cpu.numa_nodes;
  if (!facts.cpu.governor.empty()) host["governor"] = facts.cpu.governor;
  return host;
}

// Of one device. The calling thread is in its namespace.
class NetdevReading {
 public:
  NetdevReading(const SettingGround& ground, const LinkState& link, Json& not_told)
      : ground_(ground), link_(link), not_told_(not_told) {}

  Json take() {
    json_ = {{"netdev", link_.netdev}, {"mtu", link_.mtu},         {"mac", mac_text(link_.mac)},
             {"up", link_.up},         {"carrier", link_.carrier}, {"qdisc", link_.qdisc}};
    if (!link_.kind.empty()) json_["kind"] = link_.kind;
    read_driver();
    read_numbers("rings", NumberGroup::ring);
    read_numbers("channels", NumberGroup::channels);
    read_numbers("coalesce", NumberGroup::coalesce);
    read_features_of();
    read_files();
    read_number_file("speed_bps", "speed", 1'000'000);
    read_number_file("numa_node", "device/numa_node", 1);
    read_root_qdisc();
    return std::move(json_);
  }

 private:
  void note(std::string_view what, const Error& error) {
    not_told_[link_.netdev + " " + std::string(what)] = error.what;
  }

  void read_driver() {
    const auto driver = read_driver_facts(link_.netdev);
    if (!driver) return note("driver", driver.error());
    const auto put = [&](const char* key, const std::string& value) {
      if (!value.empty() && value != "N/A") json_[key] = value;
    };
    put("driver", driver->driver);
    put("driver_version", driver->version);
    put("firmware", driver->firmware);
    put("bus", driver->bus);
  }

  void read_numbers(const char* key, NumberGroup group) {
    const auto numbers = read_device_numbers(link_.netdev, group);
    if (!numbers) return note(key, numbers.error());
    json_[key] = *numbers;
  }

  void read_features_of() {
    const auto features = read_features(link_.netdev);
    if (!features) return note("features", features.error());
    auto active = Json::object();
    for (const auto& [name, state] : *features) active[name] = state.active;
    json_["features"] = std::move(active);
  }

  std::optional<std::string> file(const std::string& name) const {
    const auto reading = read_setting({SettingKind::netdev, name, link_.netdev}, ground_);
    return reading ? std::optional(reading->effective) : std::nullopt;
  }

  void read_files() {
    auto settings = Json::object();
    for (const char* pattern : kNetdevFiles) {
      for (const auto& name : netdev_files(link_.netdev, pattern, ground_)) {
        if (const auto text = file(name)) settings[name] = *text;
      }
    }
    json_["settings"] = std::move(settings);
  }

  // Negative, or no number: not told.
  void read_number_file(const char* key, const char* name, std::int64_t factor) {
    const auto text = file(name);
    if (!text || text->empty() || text->find_first_not_of("0123456789") != std::string::npos) {
      return;
    }
    json_[key] = std::stoll(*text) * factor;
  }

  // With its numbers, where it is one of ours or the kernel's choice ("default"); its kind stands
  // in "qdisc" whatever it is.
  void read_root_qdisc() {
    const auto reading = read_setting({SettingKind::qdisc, "root", link_.netdev}, ground_);
    if (reading) json_["root_qdisc"] = reading->effective;
  }

  const SettingGround& ground_;
  const LinkState& link_;
  Json& not_told_;
  Json json_;
};

Json qdiscs_json(const std::vector<QdiscState>& all, int ifindex) {
  auto qdiscs = Json::array();
  for (const QdiscState& qdisc : all) {
    if (qdisc.ifindex == ifindex) qdiscs.push_back(qdisc_text(qdisc));
  }
  return qdiscs;
}

std::optional<double> rise(const LinkStats& before, const LinkStats& after, std::string_view name) {
  const auto old = before.find(name);
  const auto now = after.find(name);
  if (old == before.end() || now == after.end() || now->second < old->second) return std::nullopt;
  return static_cast<double>(now->second - old->second);
}

std::optional<double> mean(double bytes, double packets) {
  return packets > 0 ? std::optional(bytes / packets) : std::nullopt;
}

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

}  // namespace

std::optional<TrafficShape> traffic_shape(const LinkStats& before, const LinkStats& after,
                                          double seconds) {
  const auto rx_pkts = rise(before, after, "rx_packets");
  const auto rx_bytes = rise(before, after, "rx_bytes");
  const auto tx_pkts = rise(before, after, "tx_packets");
  const auto tx_bytes = rise(before, after, "tx_bytes");
  if (!rx_pkts || !rx_bytes || !tx_pkts || !tx_bytes) return std::nullopt;
  return TrafficShape{.seconds = seconds,
                      .rx_pps = *rx_pkts / seconds,
                      .rx_bps = 8 * *rx_bytes / seconds,
                      .tx_pps = *tx_pkts / seconds,
                      .tx_bps = 8 * *tx_bytes / seconds,
                      .rx_mean_frame_bytes = mean(*rx_bytes, *rx_pkts),
                      .tx_mean_frame_bytes = mean(*tx_bytes, *tx_pkts)};
}

Result<Json> read_snapshot(const SnapshotOrder& order) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(order.netns_fd));
  PM_TRY(Netlink netlink, Netlink::open(-1));
  PM_TRY(auto links, netlink.links());
  if (!order.netdev.empty()) {
    PM_TRY(auto link, netlink.link(order.netdev));
    links.assign(1, std::move(link));
  }
  PM_TRY(const auto qdiscs, netlink.qdiscs());
  const SettingGround ground{.netns_fd = order.netns_fd};
  Json snapshot = {{"kind", "snapshot"}, {"host", host_json(read_host_facts())}};
  Json& not_told = snapshot["not_told"] = Json::object();
  Json& sysctls = snapshot["sysctls"] = Json::object();
  for (const char* name : kSysctls) {
    const auto reading = read_setting({SettingKind::sysctl, name, {}}, ground);
    if (reading) {
      sysctls[name] = reading->effective;
    } else {
      not_told[name] = reading.error().what;
    }
  }
  Json& netdevs = snapshot["netdevs"] = Json::array();
  for (const LinkState& link : links) {
    Json netdev = NetdevReading(ground, link, not_told).take();
    netdev["qdiscs"] = qdiscs_json(qdiscs, link.ifindex);
    netdevs.push_back(std::move(netdev));
  }
  return snapshot;
}

void put_traffic(Json& snapshot, const std::string& netdev,
                 const std::optional<TrafficShape>& shape) {
  for (Json& one : snapshot["netdevs"]) {
    if (one["netdev"] != netdev) continue;
    if (!shape) {
      one["traffic"] = nullptr;
      continue;
    }
    one["traffic"] = {{"seconds", shape->seconds},
                      {"rx_pps", shape->rx_pps},
                      {"rx_bps", shape->rx_bps},
                      {"rx_mean_frame_bytes", or_null(shape->rx_mean_frame_bytes)},
                      {"tx_pps", shape->tx_pps},
                      {"tx_bps", shape->tx_bps},
                      {"tx_mean_frame_bytes", or_null(shape->tx_mean_frame_bytes)}};
  }
}

}  // namespace pollmark
