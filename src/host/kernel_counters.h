// What a trial takes of the survey: the kernel's counters at its two ends, by layer. A packet's
// death is counted by one owner; other layers repeat it. Names are "<side>.<layer>.<counter>":
//
//   sender.link.{tx_packets,tx_dropped,tx_errors,carrier_changes}
//   sender.qdisc.{drops,requeues}         root and clsact of the device; a root repeats its leaves
//   receiver.link.{rx_packets,rx_dropped,rx_missed_errors,rx_errors,rx_nohandler,
//                  rx_otherhost_dropped,carrier_changes}
//   {sender,receiver}.{driver,qstats}.*   loss that the driver counts by itself (ethtool -S, queue
//                                         statistics), as far as host/loss_causes.h knows its name
//   receiver.qdisc.ingress_drops          clsact and ingress filters
//   receiver.{ip,udp,icmp,ipext,tcpext}.* of /proc/net/{snmp,netstat}
//   host.softnet.{dropped,time_squeeze}   of the whole host, hence context only
#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"
#include "host/netns.h"
#include "record/counters.h"
#include "record/trial_order.h"

struct xdp_statistics;  // linux/if_xdp.h

namespace pollmark {

// Where the receiving end takes its frames from the kernel. A packet ring gets a copy before the IP
// layer, so for it what happens to the other copy is context. XDP takes the frame itself: none goes
// further, and what its rings lose is repeated by the link.
enum class FrameConsumer { udp_socket, packet_ring, xdp };
// Of dpdk (over AF_PACKET) and the open kernel paths; nullopt: of a path without one.
[[nodiscard]] std::optional<FrameConsumer> consumer_of(Path path);

// One reading. Leave the trial's threads alone: call from the control thread.
// Errors: host_cannot when the device or namespace is gone, or a right is missing.
[[nodiscard]] Result<CounterSnapshot> read_sender_counters(const NetdevPlace& place);
[[nodiscard]] Result<CounterSnapshot> read_receiver_counters(const NetdevPlace& place,
                                                             FrameConsumer consumer);

// Of an end of a closed loop: its device's link counters both ways, and its namespace's tcp, tcpext
// and udp counters, as "<side>.tcpext.ListenOverflows". All context: such a loop keeps its books
// itself.
[[nodiscard]] Result<CounterSnapshot> read_stack_counters(const NetdevPlace& place,
                                                          std::string_view side);

struct PacketStatistics;
// receiver.packet_ring.tp_drops (owner) and tp_packets (echo, drops included), from sums over the
// readings of one socket. which: ".0", ".1", ... of several: receiver.packet_ring.0.tp_drops.
void put_packet_ring_counters(CounterSnapshot& snapshot, const PacketStatistics& total,
                              std::string_view which = "");
// receiver.xdp_socket.{rx_dropped,rx_ring_full} (owners) and rx_fill_ring_empty_descs, which
// repeats rx_dropped (context).
void put_xdp_socket_counters(CounterSnapshot& snapshot, const xdp_statistics& now);

}  // namespace pollmark
