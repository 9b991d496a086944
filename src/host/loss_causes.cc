#include "host/loss_causes.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace pollmark {
namespace {

constexpr auto owner = CounterRole::owner;
constexpr auto echo = CounterRole::echo;
constexpr auto context = CounterRole::context;

constexpr std::string_view kLargerRing =
    "ethtool -G NETDEV rx N (ethtool -g NETDEV tells the most)";
constexpr std::string_view kCableOrOptic =
    "check cable, transceiver and the other end: ethtool -m NETDEV, ethtool --show-fec NETDEV";
constexpr std::string_view kSeeTcpdump = "tcpdump -eni NETDEV shows what arrives";
constexpr std::string_view kLargerSocketBuffer =
    "sysctl -w net.core.rmem_max=N and a larger SO_RCVBUF in the program, or a faster reader";
constexpr std::string_view kLargerSendBuffer =
    "sysctl -w net.core.wmem_max=N and a larger SO_SNDBUF, or send more slowly";
constexpr std::string_view kMoreUdpMemory = "sysctl -w net.ipv4.udp_mem='LOW PRESSURE HIGH'";
constexpr std::string_view kLargerListenQueue =
    "sysctl -w net.core.somaxconn=N and a larger backlog in listen(), or accept faster";
constexpr std::string_view kMoreConntrack = "sysctl -w net.netfilter.nf_conntrack_max=N";
constexpr std::string_view kRoutes = "ip route get ADDRESS, ip -6 route";
constexpr std::string_view kChecksumAtSource =
    "look at the sender; tcpdump -vvni NETDEV marks bad checksums";

// Sources: facts of net/ in the kernel, tried one by one in network namespaces where a row has an
// owner of this namespace.
constexpr std::array kCauses{
    LossCause{"link", "rx_missed_errors", owner,
              "the NIC had no free receive descriptor: the host fetches frames too slowly or in "
              "gaps that its ring cannot bridge",
              kLargerRing},
    LossCause{"link", "rx_dropped", owner,
              "the kernel took the frame from the device and threw it away: a protocol or VLAN "
              "that nobody listens to, a full per-CPU backlog, or on veth a frame that did not "
              "fit its peer",
              kSeeTcpdump},
    LossCause{"link", "rx_otherhost_dropped", owner,
              "the frame was addressed to another MAC: a flooding switch, a wrong static "
              "neighbour, or a generator with a wrong destination",
              "ip neigh at the sender; ip link show NETDEV tells this device's MAC"},
    LossCause{"link", "rx_nohandler", owner,
              "the frame came in on a device that must not receive (the idle leg of a bond)",
              "none needed where the bond means it so"},
    LossCause{"link", "rx_errors", owner, "the NIC received a damaged frame", kCableOrOptic},
    LossCause{"link", "rx_crc_errors", echo, "the frame check sequence was wrong", kCableOrOptic},
    LossCause{"link", "rx_frame_errors", echo, "the frame did not end at a byte", kCableOrOptic},
    LossCause{"link", "rx_length_errors", echo,
              "the frame was shorter or longer than this device takes",
              "ip link set NETDEV mtu N, the same as at the sender"},
    LossCause{"link", "rx_over_errors", echo, "the NIC's receive memory overflowed", kLargerRing},
    LossCause{"link", "rx_fifo_errors", echo, "the NIC's receive FIFO overflowed", kLargerRing},
    LossCause{"link", "tx_dropped", owner,
              "the device refused to send: its queue was full (on veth and tap: the peer did not "
              "read, is down, or has a smaller MTU)",
              "ip link show of the peer; ip link set NETDEV txqueuelen N for a tap"},
    LossCause{"link", "tx_errors", owner, "the device failed to send", kCableOrOptic},
    LossCause{"link", "tx_aborted_errors", echo, "sending was aborted", {}},
    LossCause{"link", "tx_carrier_errors", echo, "the carrier was lost while sending",
              kCableOrOptic},
    LossCause{"link", "tx_fifo_errors", echo, "the NIC's transmit FIFO ran empty", {}},
    LossCause{"link", "carrier_changes", context, "the link went down or came up", kCableOrOptic},

    // Of a driver nobody knows in general whether the link's counters repeat them. The exact names
    // first: bnxt_en, ixgbe, mlx5, veth, virtio_net.
    LossCause{"driver", "*rx_discards*", context,
              "a receive ring had no free descriptor (bnxt; link.rx_missed_errors is the sum; a "
              "driver may bring these up to date once a second)",
              kLargerRing},
    LossCause{"driver", "*ring_discards", context,
              "rings had no free descriptor (bnxt; link.rx_missed_errors is the sum)", kLargerRing},
    LossCause{"driver", "rx_no_dma_resources", context,
              "receive rings had no free descriptor (ixgbe; the link's counters leave these out)",
              kLargerRing},
    LossCause{"driver", "*out_of_buffer*", context, "receive rings had no free descriptor (mlx5)",
              kLargerRing},
    LossCause{"driver", "*xdp_drops*", context, "an XDP program chose to drop the frame",
              "bpftool net show dev NETDEV"},
    LossCause{"driver", "*missed*", context, "the NIC had no room for the frame", kLargerRing},
    LossCause{"driver", "*no_buf*", context, "the NIC had no buffer for the frame", kLargerRing},
    LossCause{"driver", "*buf_errors*", context, "the NIC had no buffer for the frame",
              kLargerRing},
    LossCause{"driver", "*alloc*fail*", context, "the driver got no memory for a receive buffer",
              "sysctl -w vm.min_free_kbytes=N"},
    LossCause{"driver", "*discard*", context, "the NIC discarded frames", kLargerRing},
    LossCause{"driver", "*drop*", context, "the driver or NIC dropped frames", kLargerRing},
    LossCause{"driver", "*crc*", context, "frames arrived damaged", kCableOrOptic},
    LossCause{"driver", "*fec_uncorrectable*", context,
              "more bits were wrong than forward error correction mends", kCableOrOptic},
    LossCause{"driver", "*error*", context, "the driver counts an error", kCableOrOptic},
    LossCause{"driver", "*pause*", context, "flow control: an end asked the other to stop sending",
              "ethtool -A NETDEV rx off tx off to see the loss where it arises"},

    LossCause{"qstats", "rx_hw_drop_overruns", context,
              "the NIC had no buffer or descriptor for the frame", kLargerRing},
    LossCause{"qstats", "rx_hw_drops", context, "the NIC dropped frames before the kernel saw them",
              kLargerRing},
    LossCause{"qstats", "rx_hw_drop_ratelimits", context, "the NIC's rate limit was exceeded", {}},
    LossCause{"qstats", "rx_alloc_fail", context, "the driver got no memory for a receive buffer",
              "sysctl -w vm.min_free_kbytes=N"},
    LossCause{"qstats", "tx_hw_drops", context, "the NIC dropped what it was to send", {}},
    LossCause{"qstats",
              "tx_hw_drop_errors",
              context,
              "the NIC dropped malformed frames that it was to send",
              {}},
    LossCause{"qstats", "tx_hw_drop_ratelimits", context, "the NIC's rate limit was exceeded", {}},

    LossCause{"qdisc", "drops", owner,
              "the queueing discipline was full: more was sent than it lets out",
              "tc -s qdisc show dev NETDEV; a larger limit, a higher rate, or send more slowly"},
    LossCause{"class", "drops", echo, "a class of the queueing discipline was full",
              "tc -s class show dev NETDEV; a larger limit or a higher rate"},
    LossCause{"ingress", "drops", owner, "a filter at ingress dropped the frame",
              "tc -s filter show dev NETDEV ingress"},

    LossCause{"softnet", "dropped", context,
              "a CPU's backlog was full (RPS or veth; the device's rx_dropped has it too)",
              "sysctl -w net.core.netdev_max_backlog=N; spread the flows over more CPUs"},
    LossCause{"softnet", "flow_limit_count", context,
              "one flow filled more than half of a CPU's backlog and was cut back",
              "sysctl -w net.core.flow_limit_cpu_bitmap=0"},
    LossCause{"softnet", "time_squeeze", context,
              "the kernel stopped receiving although more had arrived: its turn was over",
              "sysctl -w net.core.netdev_budget=N net.core.netdev_budget_usecs=N"},

    LossCause{"ip", "InHdrErrors", owner,
              "the IP header was wrong: checksum, version, length, or TTL used up", kSeeTcpdump},
    LossCause{"ipext", "InCsumErrors", echo, "the IP header's checksum was wrong",
              kChecksumAtSource},
    LossCause{"ip", "InAddrErrors", owner,
              "the packet was for another host and this one does not forward",
              "sysctl -w net.ipv4.ip_forward=1 where it should be a router"},
    LossCause{"ip", "InUnknownProtos", owner, "nobody here speaks the IP protocol of the packet",
              kSeeTcpdump},
    LossCause{"ip", "InDiscards", owner, "the IP layer had no memory for the packet",
              "sysctl -w vm.min_free_kbytes=N"},
    LossCause{"ip",
              "OutDiscards",
              context,
              "the IP layer could not hand the packet down (a full qdisc has it too)",
              {}},
    LossCause{"ip", "OutNoRoutes", owner, "no route for a packet of this host", kRoutes},
    LossCause{"ip", "FragFails", owner,
              "the packet was larger than the next link's MTU and must not be cut (DF)",
              "ip link set NETDEV mtu N, or let ICMP \"fragmentation needed\" through"},
    LossCause{"ip", "ReasmFails", context,
              "fragments could not be put together: one was lost, or there were too many",
              "sysctl -w net.ipv4.ipfrag_high_thresh=N"},
    LossCause{"ipext", "InNoRoutes", owner, "no route for a packet that came in", kRoutes},
    LossCause{"ipext", "InTruncatedPkts", owner,
              "the packet was longer by its header than the frame that brought it", kSeeTcpdump},
    LossCause{"tcpext", "IPReversePathFilter", owner,
              "the way back to the sender would leave by another device (rp_filter)",
              "sysctl -w net.ipv4.conf.NETDEV.rp_filter=2"},

    LossCause{"ip6", "InHdrErrors", owner, "the IPv6 header was wrong, or its hop limit used up",
              kSeeTcpdump},
    LossCause{"ip6", "InTooBigErrors", owner, "the packet was larger than the next link's MTU",
              "ip link set NETDEV mtu N"},
    LossCause{"ip6", "InNoRoutes", owner, "no IPv6 route for a packet that came in", kRoutes},
    LossCause{"ip6", "InAddrErrors", owner, "the IPv6 destination is not one that this host takes",
              "sysctl -w net.ipv6.conf.all.forwarding=1 where it should be a router"},
    LossCause{"ip6", "InUnknownProtos", owner,
              "nobody here speaks the next-header protocol of the packet", kSeeTcpdump},
    LossCause{"ip6", "InTruncatedPkts", owner,
              "the packet was longer by its header than the frame that brought it", kSeeTcpdump},
    LossCause{"ip6", "InDiscards", owner, "the IPv6 layer dropped a good packet", {}},
    LossCause{"ip6",
              "OutDiscards",
              context,
              "the IPv6 layer could not hand the packet down (a full qdisc has it too)",
              {}},
    LossCause{"ip6", "OutNoRoutes", owner, "no IPv6 route for a packet of this host", kRoutes},
    LossCause{"ip6", "FragFails", owner, "a packet of this host could not be cut", {}},
    LossCause{"ip6", "ReasmFails", context, "fragments could not be put together",
              "sysctl -w net.ipv6.ip6frag_high_thresh=N"},

    LossCause{"icmp", "InErrors", owner, "the ICMP message was malformed", kSeeTcpdump},
    LossCause{"icmp", "OutRateLimitGlobal", context,
              "this host held back ICMP answers: its rate limit is used up",
              "sysctl -w net.ipv4.icmp_msgs_per_sec=N"},
    LossCause{"icmp", "OutRateLimitHost", context,
              "this host held back ICMP answers to one peer: its rate limit is used up",
              "sysctl -w net.ipv4.icmp_ratelimit=N"},

    LossCause{"udp_socket", "drops", owner,
              "the socket's receive buffer was full: the program reads too slowly or too rarely",
              kLargerSocketBuffer},
    LossCause{"packet_socket", "drops", owner,
              "the capture socket's buffer was full: the program reads too slowly",
              "a larger buffer in the capturing program (tcpdump -B N)"},
    LossCause{"tcp_socket", "drops", echo, "a listening socket dropped a connection attempt",
              kLargerListenQueue},

    LossCause{"udp", "RcvbufErrors", echo, "a UDP socket's receive buffer was full",
              kLargerSocketBuffer},
    LossCause{"udp", "InErrors", echo, "UDP could not deliver the datagram", {}},
    LossCause{"udp", "InCsumErrors", owner, "the UDP checksum was wrong", kChecksumAtSource},
    LossCause{"udp", "MemErrors", owner, "all UDP sockets together used the memory they may",
              kMoreUdpMemory},
    LossCause{"udp", "NoPorts", owner, "no program listens on the UDP port",
              "ss -lun tells who listens where"},
    LossCause{"udp", "SndbufErrors", context,
              "sending was refused: the send buffer or the qdisc was full", kLargerSendBuffer},
    LossCause{"udplite", "RcvbufErrors", echo, "a UDP-Lite socket's receive buffer was full",
              kLargerSocketBuffer},
    LossCause{"udplite", "InCsumErrors", owner, "the UDP-Lite checksum was wrong",
              kChecksumAtSource},
    LossCause{"udplite", "NoPorts", owner, "no program listens on the UDP-Lite port", {}},
    LossCause{"udp6", "RcvbufErrors", echo, "a UDP socket's receive buffer was full",
              kLargerSocketBuffer},
    LossCause{"udp6", "InErrors", echo, "UDP could not deliver the datagram", {}},
    LossCause{"udp6", "InCsumErrors", owner, "the UDP checksum was wrong", kChecksumAtSource},
    LossCause{"udp6", "MemErrors", owner, "all UDP sockets together used the memory they may",
              kMoreUdpMemory},
    LossCause{"udp6", "NoPorts", owner, "no program listens on the UDP port",
              "ss -lun6 tells who listens where"},
    LossCause{"udp6", "SndbufErrors", context,
              "sending was refused: the send buffer or the qdisc was full", kLargerSendBuffer},

    LossCause{"tcpext", "ListenDrops", owner, "a listening socket dropped a connection attempt",
              kLargerListenQueue},
    LossCause{"tcpext", "ListenOverflows", echo,
              "a listening socket's queue of accepted connections was full", kLargerListenQueue},
    LossCause{"tcpext", "TCPReqQFullDrop", context,
              "a listening socket's queue of half-open connections was full",
              "sysctl -w net.ipv4.tcp_max_syn_backlog=N"},
    LossCause{"tcpext", "TCPReqQFullDoCookies", context,
              "the queue of half-open connections was full: SYN cookies are sent",
              "sysctl -w net.ipv4.tcp_max_syn_backlog=N"},
    LossCause{"tcpext", "TCPBacklogDrop", owner,
              "segments came faster than the program's own system calls let TCP take them",
              "sysctl -w net.ipv4.tcp_rmem='MIN DEFAULT MAX'"},
    LossCause{"tcpext", "TCPRcvQDrop", owner,
              "a TCP receive buffer was full although the window had allowed the segment",
              "sysctl -w net.ipv4.tcp_rmem='MIN DEFAULT MAX'"},
    LossCause{"tcpext",
              "TCPZeroWindowDrop",
              owner,
              "the peer sent into a closed window: the program does not read",
              {}},
    LossCause{"tcpext", "TCPOFODrop", owner, "no memory for a segment out of order",
              "sysctl -w net.ipv4.tcp_rmem='MIN DEFAULT MAX'"},
    LossCause{"tcpext", "RcvPruned", owner, "TCP threw segments away for want of memory",
              "sysctl -w net.ipv4.tcp_mem='LOW PRESSURE HIGH'"},
    LossCause{"tcpext", "OfoPruned", context, "TCP threw segments out of order away",
              "sysctl -w net.ipv4.tcp_rmem='MIN DEFAULT MAX'"},
    LossCause{"tcpext", "PFMemallocDrop", owner,
              "the host ran out of memory and kept the reserve for others",
              "sysctl -w vm.min_free_kbytes=N"},
    LossCause{"tcpext", "TCPMinTTLDrop", owner, "the TTL was below the socket's IP_MINTTL", {}},
    LossCause{"tcpext", "TCPTimeWaitOverflow", context, "too many connections in TIME-WAIT",
              "sysctl -w net.ipv4.tcp_max_tw_buckets=N"},
    LossCause{
        "tcpext", "SyncookiesFailed", context, "an acknowledgement bore no valid SYN cookie", {}},
    LossCause{"tcpext",
              "TCPAbortOnData",
              context,
              "a program closed a connection with data still to be read",
              {}},
    LossCause{
        "tcpext", "TCPAbortOnClose", context, "a program closed a connection with data unread", {}},
    LossCause{"tcpext", "TCPAbortOnMemory", context, "connections were cut for want of TCP memory",
              "sysctl -w net.ipv4.tcp_mem='LOW PRESSURE HIGH'"},
    LossCause{"tcpext",
              "TCPAbortOnTimeout",
              context,
              "connections were given up after too many retransmissions",
              {}},
    LossCause{"tcpext", "TCPAbortFailed", context, "a reset could not be sent", {}},
    LossCause{"tcp", "InErrs", owner, "the TCP segment was malformed", kChecksumAtSource},
    LossCause{"tcp", "InCsumErrors", echo, "the TCP checksum was wrong", kChecksumAtSource},
    LossCause{"tcp", "AttemptFails", context, "connection attempts failed", {}},
    LossCause{"tcp", "EstabResets", context, "established connections were reset", {}},
    LossCause{"tcp",
              "OutRsts",
              context,
              "this host sent resets: to closed ports, or on aborted connections",
              {}},
    LossCause{"tcp",
              "RetransSegs",
              context,
              "TCP sent segments again: lost on the way, or only thought so (compare "
              "tcpext.TCPDSACKRecv)",
              {}},

    LossCause{"conntrack", "drop", owner, "the connection tracking table was full", kMoreConntrack},
    LossCause{"conntrack", "insert_failed", owner,
              "two packets raced to open the same tracked connection, or there was no room",
              kMoreConntrack},
    LossCause{"conntrack", "early_drop", context,
              "other tracked connections were evicted to make room", kMoreConntrack},
    LossCause{"conntrack", "invalid", context, "packets fitted no tracked connection",
              "sysctl -w net.netfilter.nf_conntrack_log_invalid=255 logs them"},
};

// Glob with * alone.
bool matches(std::string_view pattern, std::string_view text) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  pattern.remove_prefix(star + 1);
  for (text.remove_prefix(star);; text.remove_prefix(1)) {
    if (matches(pattern, text)) return true;
    if (text.empty()) return false;
  }
}

bool is_one_of(std::string_view layer, std::initializer_list<std::string_view> layers) {
  return std::ranges::find(layers, layer) != layers.end();
}

}  // namespace

std::span<const LossCause> loss_causes() { return kCauses; }

CounterName parts_of(std::string_view name) {
  const auto layer_end = name.find_first_of(".[");
  if (layer_end == std::string_view::npos) return {.counter = name};
  CounterName parts;
  parts.layer = name.substr(0, layer_end);
  const auto begin = layer_end + (name[layer_end] == '.' ? 1 : 0);
  // Drivers put dots into their names; the others do not, and a device's name may have one.
  const auto dot = parts.layer == "driver" ? name.find('.', begin) : name.rfind('.');
  if (dot == std::string_view::npos || dot < begin) {
    parts.counter = name.substr(begin);
    return parts;
  }
  parts.subject = name.substr(begin, dot - begin);
  parts.counter = name.substr(dot + 1);
  if (is_one_of(parts.layer, {"link", "driver", "qstats"})) parts.netdev = parts.subject;
  if (is_one_of(parts.layer, {"qdisc", "class", "ingress"})) {
    parts.netdev = parts.subject.substr(0, parts.subject.rfind('.'));
  }
  return parts;
}

const LossCause* cause_of(std::string_view name) {
  const CounterName parts = parts_of(name);
  for (const LossCause& cause : kCauses) {
    if (cause.layer == parts.layer && matches(cause.counter, parts.counter)) return &cause;
  }
  return nullptr;
}

std::string remedy_for(const LossCause& cause, std::string_view name) {
  constexpr std::string_view kPlaceholder = "NETDEV";
  std::string remedy(cause.remedy);
  const std::string_view netdev = parts_of(name).netdev;
  if (netdev.empty()) return remedy;
  for (auto at = remedy.find(kPlaceholder); at != std::string::npos;
       at = remedy.find(kPlaceholder, at + netdev.size())) {
    remedy.replace(at, kPlaceholder.size(), netdev);
  }
  return remedy;
}

}  // namespace pollmark
