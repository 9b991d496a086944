// What the two halves of the rtnetlink wrapper share: libnl's objects with owners.
#pragma once

#include <fmt/format.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/class.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/qdisc.h>

#include <memory>
#include <string>
#include <string_view>

namespace pollmark::netlink_parts {

template <auto release>
struct Releaser {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};
using LinkPtr = std::unique_ptr<rtnl_link, Releaser<rtnl_link_put>>;
using AddressPtr = std::unique_ptr<nl_addr, Releaser<nl_addr_put>>;
using IfAddressPtr = std::unique_ptr<rtnl_addr, Releaser<rtnl_addr_put>>;
using NeighbourPtr = std::unique_ptr<rtnl_neigh, Releaser<rtnl_neigh_put>>;
using ClassPtr = std::unique_ptr<rtnl_class, Releaser<rtnl_class_put>>;
using QdiscPtr = std::unique_ptr<rtnl_qdisc, Releaser<rtnl_qdisc_put>>;
using CachePtr = std::unique_ptr<nl_cache, Releaser<nl_cache_free>>;

inline std::string text(std::string_view what, std::string_view netdev) {
  return fmt::format("{} {}", what, netdev);
}

}  // namespace pollmark::netlink_parts
