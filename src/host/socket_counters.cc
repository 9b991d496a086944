#include "host/socket_counters.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <cstring>
#include <optional>

#include "host/netlink_socket.h"
#include "host/netns.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kEveryState = ~0U;

std::optional<std::uint32_t> drops_in(const nlattr* meminfo) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  if (meminfo == nullptr || nla_len(meminfo) < static_cast<int>(sizeof values)) return std::nullopt;
  std::memcpy(values.data(), nla_data(meminfo), sizeof values);
  return values[SK_MEMINFO_DROPS];
}

std::string address_text(const inet_diag_msg& socket) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(socket.idiag_family, socket.id.idiag_src, text.data(), text.size());
  const bool six = socket.idiag_family == AF_INET6;
  return fmt::format("{}{}{}:{}", six ? "[" : "", text.data(), six ? "]" : "",
                     ntohs(socket.id.idiag_sport));
}

Result<void> add_inet(NetlinkSocket& netlink, int family, int protocol, std::uint32_t states,
                      std::vector<SocketDrops>& sockets) {
  inet_diag_req_v2 request{};
  request.sdiag_family = static_cast<std::uint8_t>(family);
  request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
  request.idiag_ext = 1U << (INET_DIAG_SKMEMINFO - 1);
  request.idiag_states = states;
  return netlink.ask(
      SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request, [&](nlmsghdr* header) {
        const nlattr* meminfo = nlmsg_find_attr(header, sizeof(inet_diag_msg), INET_DIAG_SKMEMINFO);
        const auto drops = drops_in(meminfo);
        if (!drops) return;
        const auto& socket = *static_cast<const inet_diag_msg*>(nlmsg_data(header));
        sockets.push_back(
            {.address = address_text(socket), .inode = socket.idiag_inode, .drops = *drops});
      });
}

std::string device_text(const nlattr* info) {
  packet_diag_info bound{};
  if (info == nullptr || nla_len(info) < static_cast<int>(sizeof bound)) return "any";
  std::memcpy(&bound, nla_data(info), sizeof bound);
  std::array<char, IF_NAMESIZE> name{};
  if (bound.pdi_index == 0 || if_indextoname(bound.pdi_index, name.data()) == nullptr) return "any";
  return name.data();
}

Result<void> add_packet(NetlinkSocket& netlink, std::vector<SocketDrops>& sockets) {
  packet_diag_req request{};
  request.sdiag_family = AF_PACKET;
  request.pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MEMINFO;
  return netlink.ask(
      SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request, [&](nlmsghdr* header) {
        const auto drops =
            drops_in(nlmsg_find_attr(header, sizeof(packet_diag_msg), PACKET_DIAG_MEMINFO));
        if (!drops) return;
        const nlattr* info = nlmsg_find_attr(header, sizeof(packet_diag_msg), PACKET_DIAG_INFO);
        const auto& socket = *static_cast<const packet_diag_msg*>(nlmsg_data(header));
        sockets.push_back(
            {.address = device_text(info), .inode = socket.pdiag_ino, .drops = *drops});
      });
}

}  // namespace

Result<std::vector<SocketDrops>> read_socket_drops(int netns_fd, SocketKind kind) {
  // Inside, so that the indices of packet sockets have their names.
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
  PM_TRY(NetlinkSocket netlink, NetlinkSocket::open(NETLINK_SOCK_DIAG, -1));
  std::vector<SocketDrops> sockets;
  switch (kind) {
    case SocketKind::packet:
      PM_TRYV(add_packet(netlink, sockets));
      break;
    case SocketKind::udp:
      PM_TRYV(add_inet(netlink, AF_INET, IPPROTO_UDP, kEveryState, sockets));
      PM_TRYV(add_inet(netlink, AF_INET6, IPPROTO_UDP, kEveryState, sockets));
      break;
    case SocketKind::tcp_listener:
      PM_TRYV(add_inet(netlink, AF_INET, IPPROTO_TCP, 1U << TCP_LISTEN, sockets));
      PM_TRYV(add_inet(netlink, AF_INET6, IPPROTO_TCP, 1U << TCP_LISTEN, sockets));
      break;
  }
  return sockets;
}

}  // namespace pollmark
