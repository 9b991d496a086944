#include "host/drop_causes.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pollmark {
namespace {

using Sentence = std::pair<std::string_view, std::string_view>;

// keep alpha sorted
constexpr std::array kSentences{
    Sentence{"BPF_CGROUP_EGRESS", "a BPF program of the sender's cgroup forbade it"},
    Sentence{"CPU_BACKLOG", "a CPU's backlog was full (RPS, veth or loopback)"},
    Sentence{"DEV_HDR", "the device could not put its header in front of the packet"},
    Sentence{"DEV_READY", "the device was down or had no carrier"},
    Sentence{"DUP_FRAG", "a fragment arrived twice or overlapped another"},
    Sentence{"FRAG_REASM_TIMEOUT", "a fragment's other parts did not arrive in time"},
    Sentence{"FULL_RING", "the queue to the program or guest behind a tap was full"},
    Sentence{"ICMP_CSUM", "the ICMP checksum was wrong"},
    Sentence{"IPV6DISABLED", "IPv6 is off on the device that the packet came in by"},
    Sentence{"IP_CSUM", "the IP header's checksum was wrong"},
    Sentence{"IP_INADDRERRORS", "the packet was for another host and this one does not forward"},
    Sentence{"IP_INHDR", "the IP header was wrong, or its TTL used up"},
    Sentence{"IP_INNOROUTES", "no route for a packet that came in"},
    Sentence{"IP_INVALID_DEST", "no packet may have that destination address"},
    Sentence{"IP_INVALID_SOURCE", "no packet may have that source address"},
    Sentence{"IP_LOCALNET", "a martian: a loopback address came in by another device"},
    Sentence{"IP_LOCAL_SOURCE", "the source is an address of this host itself"},
    Sentence{"IP_NOPROTO", "nobody here speaks the IP protocol of the packet"},
    Sentence{"IP_OUTNOROUTES", "no route for a packet of this host"},
    Sentence{"IP_RPFILTER", "the way back to the sender would leave by another device"},
    Sentence{"NEIGH_CREATEFAIL", "no more neighbours could be kept: the table is full"},
    Sentence{"NEIGH_DEAD", "the neighbour's entry was taken away while the packet waited"},
    Sentence{"NEIGH_FAILED", "the next hop did not answer ARP or neighbour discovery"},
    Sentence{"NEIGH_QUEUEFULL", "too many packets waited for the next hop's address"},
    Sentence{"NETFILTER_DROP", "a firewall rule (nftables, iptables) or connection tracking"},
    Sentence{"NOMEM", "the kernel had no memory for it"},
    Sentence{"NOT_SPECIFIED", "the kernel tells no reason here; the function says where"},
    Sentence{"NO_SOCKET", "no program listens there"},
    Sentence{"OTHERHOST", "the frame was for another MAC address"},
    Sentence{"PACKET_SOCK_ERROR", "a capture socket's buffer was full: a copy was lost"},
    Sentence{"PFMEMALLOC", "the host ran out of memory and kept the reserve for others"},
    Sentence{"PKT_TOO_BIG", "larger than the next link's MTU, and must not be cut"},
    Sentence{"PKT_TOO_SMALL", "shorter than its header says"},
    Sentence{"PROTO_MEM", "the protocol used all the memory that it may"},
    Sentence{"QDISC_CONGESTED", "the queueing discipline's own rule against congestion"},
    Sentence{"QDISC_DROP", "the queueing discipline dropped it: full, or the device was down"},
    Sentence{"QDISC_OVERLIMIT", "the queueing discipline was full"},
    Sentence{"QUEUE_PURGE", "what still waited when a socket or queue was closed"},
    Sentence{"SECURITY_HOOK", "a security module forbade it"},
    Sentence{"SKB_CSUM", "a checksum was wrong, or could not be computed"},
    Sentence{"SKB_GSO_SEG", "a super-packet could not be cut into frames"},
    Sentence{"SOCKET_BACKLOG", "the socket's backlog was full while its program held it"},
    Sentence{"SOCKET_CLOSE", "the socket was closed or being closed"},
    Sentence{"SOCKET_FILTER", "the socket's own filter"},
    Sentence{"SOCKET_RCVBUFF",
             "the socket's receive buffer was full: its program reads too slowly"},
    Sentence{"TAP_FILTER", "the filter of a tap device"},
    Sentence{"TC_EGRESS", "a tc filter at egress"},
    Sentence{"TC_INGRESS", "a tc filter at ingress"},
    Sentence{"TCP_CSUM", "the TCP checksum was wrong"},
    Sentence{"TCP_FLAGS", "TCP flags that fit no state of the connection"},
    Sentence{"TCP_INVALID_SEQUENCE", "a segment outside the window"},
    Sentence{"TCP_INVALID_SYN", "a SYN within an established connection"},
    Sentence{"TCP_LISTEN_OVERFLOW", "the queue of connections not yet accepted was full"},
    Sentence{"TCP_OFOMERGE", "no loss: the segment was there already"},
    Sentence{"TCP_OLD_ACK", "no loss: an acknowledgement that was overtaken"},
    Sentence{"TCP_OLD_DATA", "no loss: the peer sent again what had arrived"},
    Sentence{"TCP_OLD_SEQUENCE", "no loss: the peer sent again what had arrived"},
    Sentence{"TCP_OVERWINDOW", "the peer sent beyond the window"},
    Sentence{"TCP_RESET", "no loss: a reset ended the connection"},
    Sentence{"TCP_RFC7323_PAWS", "a segment older than what had arrived, by its timestamp"},
    Sentence{"TCP_TOO_OLD_ACK", "an acknowledgement of what was acknowledged long ago"},
    Sentence{"TCP_ZEROWINDOW", "the peer sent into a closed window: the program does not read"},
    Sentence{"UDP_CSUM", "the UDP checksum was wrong"},
    Sentence{"UNHANDLED_PROTO", "no protocol handler for the frame's Ethertype"},
    Sentence{"UNICAST_IN_L2_MULTICAST", "a unicast address in a multicast or broadcast frame"},
    Sentence{"UNIX_DISCONNECT", "no packet of a network: a Unix socket was closed unread"},
    Sentence{"XDP", "an XDP program"},
    Sentence{"XFRM_POLICY", "an IPsec policy forbade it"},
};

}  // namespace

std::string_view sentence_on_drop(std::string_view reason) {
  const auto found = std::ranges::find(kSentences, reason, &Sentence::first);
  return found == kSentences.end() ? std::string_view() : found->second;
}

}  // namespace pollmark
