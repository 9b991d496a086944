// The kernel's drop reasons beside its counters: which packets both have, and which the reasons
// alone. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/drop_reason_watch.h"
#include "host/kernel_counters.h"
#include "record/trial_result.h"

namespace pollmark {

// Of one way of a trial: inodes of the two namespaces.
struct WayNamespaces {
  std::uint32_t sender = 0;
  std::uint32_t receiver = 0;
};

// What was dropped between two readings, each place with the fate whose counter has it:
//
//   fate                  reasons                                      counter
//   kernel_qdisc          QDISC_*, FQ_*, TC_EGRESS                     sender.qdisc.drops
//   kernel_link_tx        in the sender's device, veth and backlog     sender.link.tx_dropped
//   kernel_link_rx        UNHANDLED_PROTO                              receiver.link.rx_dropped
//   kernel_ip             IP_CSUM, IP_INHDR, ... of IPv4               its owners of books.h
//   kernel_udp            NO_SOCKET, UDP_CSUM, ... of IPv4             Udp.NoPorts, Udp.InErrors
//   kernel_socket_buffer  SOCKET_RCVBUFF                               Udp.RcvbufErrors
//   kernel_xdp_ring       XDP, on its way to an AF_XDP socket          XDP_STATISTICS
//   kernel_other          OTHERHOST, TC_INGRESS                        rx_otherhost_dropped,
//   ingress
//
// and as owner, kernel_other, where no counter has it: what came in at the receiver or was on its
// way out of the sender for another reason. The rest is context: what went the other way, ARP, and
// the copy that a capture socket had no room for. Of tracefs, which does not tell whose packets
// they were, all is.
[[nodiscard]] KernelDrops kernel_drops(const DropReasonInterval& interval, FrameConsumer consumer,
                                       const WayNamespaces& namespaces);

// Packets that no counter has, of whoever they were.
[[nodiscard]] std::int64_t uncounted_pkts(const KernelDrops& drops);

// Frames of super-packets beyond the packets that the counter of that fate counted them as.
[[nodiscard]] std::int64_t frames_beyond_pkts(const KernelDrops& drops, Fate fate);

// A sentence when the places of those fates have more packets than their counter. Fewer is no
// contradiction: not everything that a counter has shows up with a reason (a datagram whose sum
// turns out wrong when it is read does not, on 6.18).
[[nodiscard]] std::optional<std::string> disagreement(const KernelDrops& drops,
                                                      const std::vector<Fate>& fates,
                                                      std::string_view counter,
                                                      std::int64_t counted_pkts);

// Frames of the trial that no counter has, by the reason that they died of.
//   missing_pkts  frames that no counter took, warm-up included. At most so many are charged; where
//                 more died, others' among them, those of the commonest reasons are taken, and
//                 those without a reason last: a counter may have them. When none is missing, none
//                 of these places is the trial's: they become context.
//   returns       packets by reason; "NOT_SPECIFIED in FUNCTION" where the kernel tells none
[[nodiscard]] std::map<std::string, std::int64_t> charge_reasons(KernelDrops& drops,
                                                                 std::int64_t missing_pkts);

}  // namespace pollmark
