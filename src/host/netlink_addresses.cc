// The part of the rtnetlink wrapper that tells what a device is used for.
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>

#include <array>

#include "host/netlink.h"
#include "host/netlink_parts.h"

namespace pollmark {

using namespace netlink_parts;

Result<std::vector<std::string>> Netlink::addresses(std::string_view netdev) {
  PM_TRY(const LinkState state, link(netdev));
  nl_cache* raw = nullptr;
  if (const int error = rtnl_addr_alloc_cache(socket_.get(), &raw); error < 0) {
    return netlink_refusal(error, text("addresses of", netdev));
  }
  const CachePtr cache(raw);
  std::vector<std::string> addresses;
  for (nl_object* object = nl_cache_get_first(cache.get()); object != nullptr;
       object = nl_cache_get_next(object)) {
    // A cache of addresses holds nothing else.
    rtnl_addr* address = reinterpret_cast<rtnl_addr*>(object);
    if (rtnl_addr_get_ifindex(address) != state.ifindex) continue;
    if (rtnl_addr_get_scope(address) == RT_SCOPE_LINK) continue;
    nl_addr* local = rtnl_addr_get_local(address);
    std::array<char, 64> name{};
    std::string written = nl_addr2str(local, name.data(), name.size());
    // libnl leaves a whole address without its length.
    if (written.find('/') == written.npos) {
      written += fmt::format("/{}", rtnl_addr_get_prefixlen(address));
    }
    addresses.push_back(std::move(written));
  }
  return addresses;
}

Result<bool> Netlink::has_default_route(std::string_view netdev) {
  PM_TRY(const LinkState state, link(netdev));
  nl_cache* raw = nullptr;
  if (const int error = rtnl_route_alloc_cache(socket_.get(), AF_UNSPEC, 0, &raw); error < 0) {
    return netlink_refusal(error, text("routes of", netdev));
  }
  const CachePtr cache(raw);
  for (nl_object* object = nl_cache_get_first(cache.get()); object != nullptr;
       object = nl_cache_get_next(object)) {
    // A cache of routes holds nothing else.
    rtnl_route* route = reinterpret_cast<rtnl_route*>(object);
    nl_addr* to = rtnl_route_get_dst(route);
    if (to != nullptr && nl_addr_get_prefixlen(to) != 0) continue;
    for (int i = 0; i < rtnl_route_get_nnexthops(route); ++i) {
      rtnl_nexthop* hop = rtnl_route_nexthop_n(route, i);
      if (rtnl_route_nh_get_ifindex(hop) == state.ifindex) return true;
    }
  }
  return false;
}

}  // namespace pollmark
