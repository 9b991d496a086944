#include "host/netlink.h"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/class.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/neighbour.h>
#include <netlink/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "host/netlink_parts.h"

namespace pollmark {

using namespace netlink_parts;

namespace {

constexpr std::uint8_t kOperUp = 6;  // IF_OPER_UP of linux/if.h, which excludes net/if.h

AddressPtr ipv4_address(std::uint32_t ipv4, int prefix_bits) {
  const std::array<std::uint8_t, 4> bytes{
      static_cast<std::uint8_t>(ipv4 >> 24), static_cast<std::uint8_t>(ipv4 >> 16),
      static_cast<std::uint8_t>(ipv4 >> 8), static_cast<std::uint8_t>(ipv4)};
  AddressPtr address(nl_addr_build(AF_INET, bytes.data(), bytes.size()));
  nl_addr_set_prefixlen(address.get(), prefix_bits);
  return address;
}

AddressPtr link_address(const MacAddress& mac) {
  return AddressPtr(nl_addr_build(AF_LLC, mac.data(), mac.size()));
}

// In the order of rtnl_link_stats64.
constexpr std::array<std::string_view, 25> kLinkStatNames{
    "rx_packets",          "tx_packets",        "rx_bytes",         "tx_bytes",
    "rx_errors",           "tx_errors",         "rx_dropped",       "tx_dropped",
    "multicast",           "collisions",        "rx_length_errors", "rx_over_errors",
    "rx_crc_errors",       "rx_frame_errors",   "rx_fifo_errors",   "rx_missed_errors",
    "tx_aborted_errors",   "tx_carrier_errors", "tx_fifo_errors",   "tx_heartbeat_errors",
    "tx_window_errors",    "rx_compressed",     "tx_compressed",    "rx_nohandler",
    "rx_otherhost_dropped"};
static_assert(sizeof(rtnl_link_stats64) <= kLinkStatNames.size() * sizeof(std::uint64_t));

// The kernel may send fewer or more fields than these names: take what is there.
LinkStats stats_of(const nlattr* attribute) {
  std::array<std::uint64_t, kLinkStatNames.size()> raw{};
  const auto size = static_cast<std::size_t>(nla_len(attribute));
  std::memcpy(raw.data(), nla_data(attribute), std::min(size, sizeof raw));
  LinkStats stats;
  for (std::size_t i = 0; i < std::min(raw.size(), size / sizeof raw[0]); ++i) {
    stats.emplace(kLinkStatNames[i], raw[i]);
  }
  return stats;
}

void collect_link(nlmsghdr* header, std::vector<LinkState>& links) {
  if (header->nlmsg_type != RTM_NEWLINK) return;
  const auto* info = static_cast<const ifinfomsg*>(nlmsg_data(header));
  std::array<nlattr*, IFLA_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(ifinfomsg), attributes.data(), IFLA_MAX, nullptr) < 0) return;
  LinkState link;
  link.ifindex = info->ifi_index;
  link.type = info->ifi_type;
  link.flags = info->ifi_flags;
  link.up = (info->ifi_flags & IFF_UP) != 0;
  if (attributes[IFLA_IFNAME] != nullptr) link.netdev = nla_get_string(attributes[IFLA_IFNAME]);
  if (attributes[IFLA_MTU] != nullptr)
    link.mtu = static_cast<int>(nla_get_u32(attributes[IFLA_MTU]));
  if (attributes[IFLA_CARRIER] != nullptr) link.carrier = nla_get_u8(attributes[IFLA_CARRIER]) != 0;
  if (attributes[IFLA_OPERSTATE] != nullptr) {
    link.operational = nla_get_u8(attributes[IFLA_OPERSTATE]) == kOperUp;
  }
  if (attributes[IFLA_LINK] != nullptr)
    link.lower_index = static_cast<int>(nla_get_u32(attributes[IFLA_LINK]));
  link.elsewhere = attributes[IFLA_LINK_NETNSID] != nullptr;
  if (attributes[IFLA_MASTER] != nullptr)
    link.master_index = static_cast<int>(nla_get_u32(attributes[IFLA_MASTER]));
  if (nlattr* xdp = attributes[IFLA_XDP]; xdp != nullptr) {
    const nlattr* attached =
        nla_find(static_cast<nlattr*>(nla_data(xdp)), nla_len(xdp), IFLA_XDP_ATTACHED);
    link.has_program = attached != nullptr && nla_get_u8(attached) != XDP_ATTACHED_NONE;
  }
  if (attributes[IFLA_QDISC] != nullptr) link.qdisc = nla_get_string(attributes[IFLA_QDISC]);
  if (attributes[IFLA_CARRIER_CHANGES] != nullptr) {
    link.carrier_changes = nla_get_u32(attributes[IFLA_CARRIER_CHANGES]);
  }
  if (const nlattr* mac = attributes[IFLA_ADDRESS];
      mac != nullptr && nla_len(mac) == static_cast<int>(link.mac.size())) {
    std::memcpy(link.mac.data(), nla_data(mac), link.mac.size());
  }
  if (attributes[IFLA_STATS64] != nullptr) link.stats = stats_of(attributes[IFLA_STATS64]);
  if (nlattr* nested = attributes[IFLA_LINKINFO]; nested != nullptr) {
    std::array<nlattr*, IFLA_INFO_MAX + 1> of_kind{};
    if (nla_parse_nested(of_kind.data(), IFLA_INFO_MAX, nested, nullptr) >= 0 &&
        of_kind[IFLA_INFO_KIND] != nullptr) {
      link.kind = nla_get_string(of_kind[IFLA_INFO_KIND]);
    }
  }
  links.push_back(std::move(link));
}

}  // namespace

Result<Netlink> Netlink::open(int netns_fd) {
  Netlink netlink;
  PM_TRY(netlink.socket_, NetlinkSocket::open(NETLINK_ROUTE, netns_fd));
  return netlink;
}

Result<void> Netlink::add_veth(const VethOrder& order) {
  LinkPtr link(rtnl_link_veth_alloc());
  PM_CHECK(link != nullptr);
  rtnl_link_set_name(link.get(), order.netdev.c_str());
  rtnl_link_set_addr(link.get(), link_address(order.mac).get());
  rtnl_link_set_mtu(link.get(), static_cast<unsigned>(order.mtu));
  LinkPtr peer(rtnl_link_veth_get_peer(link.get()));
  rtnl_link_set_name(peer.get(), order.peer.c_str());
  rtnl_link_set_addr(peer.get(), link_address(order.peer_mac).get());
  rtnl_link_set_mtu(peer.get(), static_cast<unsigned>(order.mtu));
  if (order.peer_netns_fd >= 0) rtnl_link_set_ns_fd(peer.get(), order.peer_netns_fd);
  peer.reset();
  if (const int error = rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL);
      error < 0) {
    return netlink_refusal(error, text("veth", order.netdev));
  }
  return {};
}

Result<void> Netlink::remove(std::string_view netdev) {
  PM_TRY(const LinkState state, link(netdev));
  LinkPtr gone(rtnl_link_alloc());
  rtnl_link_set_ifindex(gone.get(), state.ifindex);
  if (const int error = rtnl_link_delete(socket_.get(), gone.get()); error < 0) {
    return netlink_refusal(error, text("delete", netdev));
  }
  return {};
}

namespace {

// One changed property of a link, by its index.
template <typename Set>
Result<void> change_link(nl_sock* socket, int ifindex, std::string_view doing, Set set) {
  const LinkPtr as_it_is(rtnl_link_alloc());
  rtnl_link_set_ifindex(as_it_is.get(), ifindex);
  const LinkPtr change(rtnl_link_alloc());
  set(change.get());
  if (const int error = rtnl_link_change(socket, as_it_is.get(), change.get(), 0); error < 0) {
    return netlink_refusal(error, doing);
  }
  return {};
}

}  // namespace

Result<void> Netlink::add_bridge(std::string_view netdev) {
  const LinkPtr bridge(rtnl_link_bridge_alloc());
  PM_CHECK(bridge != nullptr);
  rtnl_link_set_name(bridge.get(), std::string(netdev).c_str());
  if (const int error = rtnl_link_add(socket_.get(), bridge.get(), NLM_F_CREATE | NLM_F_EXCL);
      error < 0) {
    return netlink_refusal(error, text("bridge", netdev));
  }
  return {};
}

Result<void> Netlink::add_port(std::string_view bridge, std::string_view netdev) {
  PM_TRY(const LinkState master, link(bridge));
  PM_TRY(const LinkState port, link(netdev));
  if (const int error = rtnl_link_enslave_ifindex(socket_.get(), master.ifindex, port.ifindex);
      error < 0) {
    return netlink_refusal(error, text("bridge port", netdev));
  }
  return {};
}

Result<void> Netlink::set_up(std::string_view netdev) {
  PM_TRY(const LinkState state, link(netdev));
  return change_link(socket_.get(), state.ifindex, text("link up", netdev),
                     [](rtnl_link* change) { rtnl_link_set_flags(change, IFF_UP); });
}

Result<void> Netlink::set_down(std::string_view netdev) {
  PM_TRY(const LinkState state, link(netdev));
  return change_link(socket_.get(), state.ifindex, text("link down", netdev),
                     [](rtnl_link* change) { rtnl_link_unset_flags(change, IFF_UP); });
}

Result<void> Netlink::set_frame_filter(std::string_view netdev, FrameFilter filter) {
  PM_TRY(const LinkState state, link(netdev));
  return change_link(socket_.get(), state.ifindex, text("frame filter", netdev),
                     [filter](rtnl_link* change) {
                       if (filter == FrameFilter::every_mac) {
                         rtnl_link_set_flags(change, IFF_PROMISC);
                       } else {
                         rtnl_link_unset_flags(change, IFF_PROMISC);
                       }
                     });
}

Result<void> Netlink::move(std::string_view netdev, int netns_fd) {
  PM_TRY(const LinkState state, link(netdev));
  return change_link(socket_.get(), state.ifindex, text("move", netdev),
                     [netns_fd](rtnl_link* change) { rtnl_link_set_ns_fd(change, netns_fd); });
}

Result<void> Netlink::set_mtu(std::string_view netdev, int mtu) {
  PM_TRY(const LinkState state, link(netdev));
  return change_link(socket_.get(), state.ifindex, text("mtu", netdev), [mtu](rtnl_link* change) {
    rtnl_link_set_mtu(change, static_cast<unsigned>(mtu));
  });
}

Result<void> Netlink::set_no_ipv6_address(std::string_view netdev) {
  PM_TRY(const LinkState state, link(netdev));
  return change_link(
      socket_.get(), state.ifindex, text("ipv6 addr_gen_mode", netdev), [](rtnl_link* change) {
        rtnl_link_inet6_set_addr_gen_mode(change, rtnl_link_inet6_str2addrgenmode("none"));
      });
}

Result<void> Netlink::add_ipv4(std::string_view netdev, std::uint32_t ipv4, int prefix_bits) {
  PM_TRY(const LinkState state, link(netdev));
  const IfAddressPtr address(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(address.get(), state.ifindex);
  rtnl_addr_set_local(address.get(), ipv4_address(ipv4, prefix_bits).get());
  if (const int error = rtnl_addr_add(socket_.get(), address.get(), NLM_F_REPLACE); error < 0) {
    return netlink_refusal(error, text("address of", netdev));
  }
  return {};
}

Result<void> Netlink::add_neighbour(std::string_view netdev, std::uint32_t ipv4,
                                    const MacAddress& mac) {
  PM_TRY(const LinkState state, link(netdev));
  const NeighbourPtr neighbour(rtnl_neigh_alloc());
  rtnl_neigh_set_ifindex(neighbour.get(), state.ifindex);
  rtnl_neigh_set_dst(neighbour.get(), ipv4_address(ipv4, 32).get());
  rtnl_neigh_set_lladdr(neighbour.get(), link_address(mac).get());
  rtnl_neigh_set_state(neighbour.get(), rtnl_neigh_str2state("permanent"));
  if (const int error =
          rtnl_neigh_add(socket_.get(), neighbour.get(), NLM_F_CREATE | NLM_F_REPLACE);
      error < 0) {
    return netlink_refusal(error, text("neighbour of", netdev));
  }
  return {};
}

Result<std::vector<LinkState>> Netlink::links() {
  std::vector<LinkState> links;
  ifinfomsg info{};
  info.ifi_family = AF_UNSPEC;
  PM_TRYV(socket_.ask(RTM_GETLINK, NLM_F_DUMP, &info, sizeof info,
                      [&](nlmsghdr* header) { collect_link(header, links); }));
  return links;
}

Result<LinkState> Netlink::link(std::string_view netdev) {
  PM_TRY(const auto all, links());
  for (const auto& link : all) {
    if (link.netdev == netdev) return link;
  }
  return fail(Errc::host_cannot, "no such network device", std::string(netdev));
}

}  // namespace pollmark
