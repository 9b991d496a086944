// One reading of every layer of a network namespace in which a packet can die. Without a shell, and
// without changing anything. Names are "<layer>.<subject>.<counter>", the counter as the kernel or
// the driver spells it:
//
//   link.a0.rx_dropped                        rtnl_link_stats64, and carrier_changes
//   driver.a0.rx_queue_0_drops                ethtool -S
//   qstats.eth0.rx_hw_drops                   netlink family netdev, summed over the queues
//   qdisc.a0.htb[1: root].drops               each qdisc; one that has others below repeats theirs
//   class.a0.htb[1:10].drops                  each class; repeats its qdisc's
//   ingress.a0.clsact[ffff:].drops            filters at ingress
//   softnet.dropped                           sum over the CPUs of the whole host
//   ip.InHdrErrors udp.NoPorts tcpext.ListenDrops ip6.InNoRoutes ...
//   conntrack.drop
//   udp_socket[198.18.0.1:9000#4711].drops    each socket, with its inode; tcp_socket: listeners;
//                                             packet_socket[a0#4712]
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "record/counters.h"

namespace pollmark {

enum class SurveyLayer {
  link,
  driver,
  queue_stats,
  traffic_control,
  softnet,
  protocols,
  conntrack,
  sockets,
  files,
};
[[nodiscard]] std::span<const SurveyLayer> all_survey_layers();

struct SurveyOrder {
  int netns_fd = -1;  // -1: the caller's namespace
  // Of the layers of a device, this one alone; empty: every device.
  std::string netdev;
  std::span<const SurveyLayer> layers = all_survey_layers();
};

struct Survey {
  CounterSnapshot counters;
  // What rises and falls: "files.allocated", "tcp.CurrEstab", "conntrack.entries". No loss.
  std::map<std::string, std::uint64_t> levels;
  // Layer, or layer and device, -> why it could not be read: what it counts is not measured. A
  // driver without statistics of its own is not in it.
  std::map<std::string, std::string> not_read;
};

// Call from a control thread: it blocks, and is inside the namespace meanwhile. Below 5 ms on a
// host with a few devices. Errors: host_cannot when the namespace or the device is gone, or
// namespaces may not be entered.
[[nodiscard]] Result<Survey> read_survey(const SurveyOrder& order);

}  // namespace pollmark
