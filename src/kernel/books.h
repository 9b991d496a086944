// Charges the kernel's counters to the fates of a trial over a kernel netdev: every lost frame
// once, by the counter that owns it. Counters that repeat it are asserted, never added.
//
//   fate                  owner                                       repeated by
//   kernel_qdisc          sender.qdisc.drops (*)                      -
//   kernel_link_tx        sender.link.tx_dropped (*)                  receiver.link.rx_dropped
//   kernel_link_rx        receiver.link.rx_dropped beyond             -
//                         tx_dropped, rx_missed_errors
//                         (of drivers, below: rx_errors too)
//   kernel_ip             Ip.In{HdrErrors,AddrErrors,UnknownProtos,   IpExt.InCsumErrors is part of
//                         Discards}, Ip.FragFails, IpExt.In{NoRoutes, InHdrErrors
//                         TruncatedPkts}, IPReversePathFilter
//   kernel_udp            Udp.NoPorts, Udp.InErrors - RcvbufErrors    Udp.InCsumErrors, MemErrors
//   kernel_socket_buffer  the socket's drops (SK_MEMINFO_DROPS)       Udp.RcvbufErrors
//   kernel_packet_ring    tp_drops                                    tp_packets includes them
//   kernel_xdp_ring       rx_dropped + rx_ring_full of the AF_XDP     receiver.link.rx_dropped
//                         socket                                      (native)
//   kernel_other          rx_otherhost_dropped, rx_nohandler,         -
//                         ingress filters: with their reasons; then
//                         what no counter has, by the kernel's drop
//                         reasons (kernel/drop_ledger.h)
// (*) less the frames that AF_PACKET's transmit ring sent again after a refusal: what left the
// device or was dropped beyond what the sender put on it. A receiving packet ring takes its copy
// before the IP layer, and XDP the frame itself: for them only qdisc, link_tx and the ring are
// charged. Sockets with udp_gro count joined datagrams: how many frames they were the drop reasons
// tell, by BPF; without them they stay unaccounted, which is said as a doubt. Martian sources,
// unresolved neighbours and what a firewall drops have no counter: where the drop reasons are not
// watched, or not told by namespace, they stay unaccounted. Elsewhere they are charged by reason,
// never more than is missing, and for the others the reasons are one more echo of the owner.
#pragma once

#include <memory>

#include "base/error.h"
#include "kernel/trial_drops.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// Counter names that the ends add to the kernel's own.
//   sender.port.accepted_pkts    taken by TX since open, warm-up included, those still unsent not
//   sender.port.warmup_pkts      the part of them that was warm-up
//   receiver.port.warmup_pkts    warm-up frames that arrived
//   receiver.socket.drops        SK_MEMINFO_DROPS of the receiving socket; of several
//                                receiver.socket.0.drops and so on, and they are summed
//   receiver.packet_ring.tp_packets, tp_drops   PACKET_STATISTICS, accumulated over its resets; of
//                                several receiver.packet_ring.0.tp_drops and so on
//   receiver.xdp_socket.*        XDP_STATISTICS of the receiving socket
//   receiver.xdp.pkts            frames that the program of xdp_drop counted
// The kernel's counters cannot tell warm-up from window. Frames lost in the warm-up (sent less
// arrived) are therefore taken off the owner that charged them; with several owners off the largest
// first, which is said as a doubt.

// What joins the two devices. veth_pair: the two ends of one veth, whose counters repeat each
// other. drivers: each device's driver counts for itself, some with a delay, and the wire may carry
// others' frames: nothing of one device is asserted of the other. There the drivers' error counters
// (tx_errors, rx_errors, rx_missed_errors, ixgbe's rx_no_dma_resources) own frames too, and
// rx_dropped what goes up the stack: of a packet ring and of XDP it is not known whether the frame
// had been there already.
enum class LinkKind { veth_pair, drivers };

// Of one way over dpdk and the open kernel paths. drops: watched for the whole trial; nullptr: not.
// Errors: bad_experiment for a path that is not the kernel's.
[[nodiscard]] Result<std::unique_ptr<CounterBooks>> make_kernel_books(
    const TrialOrder& way, std::shared_ptr<const TrialDrops> drops = nullptr,
    LinkKind link = LinkKind::veth_pair);

}  // namespace pollmark
