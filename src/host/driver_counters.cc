#include "host/driver_counters.h"

#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/ethtool_socket.h"
#include "host/netlink_socket.h"

namespace pollmark {
namespace {

// Older kernels write as many values as the driver has at that moment, however many were asked for.
constexpr std::size_t kRoomForMore = 4096;

// include/uapi/linux/netdev.h, which Debian 12 does not have yet.
constexpr std::uint8_t kQstatsGet = 12;
constexpr int kQstatsIfindex = 1;
constexpr int kFirstQstat = 8;
constexpr std::array<std::string_view, 27> kQstatNames{"rx_packets",
                                                       "rx_bytes",
                                                       "tx_packets",
                                                       "tx_bytes",
                                                       "rx_alloc_fail",
                                                       "rx_hw_drops",
                                                       "rx_hw_drop_overruns",
                                                       "rx_csum_complete",
                                                       "rx_csum_unnecessary",
                                                       "rx_csum_none",
                                                       "rx_csum_bad",
                                                       "rx_hw_gro_packets",
                                                       "rx_hw_gro_bytes",
                                                       "rx_hw_gro_wire_packets",
                                                       "rx_hw_gro_wire_bytes",
                                                       "rx_hw_drop_ratelimits",
                                                       "tx_hw_drops",
                                                       "tx_hw_drop_errors",
                                                       "tx_csum_none",
                                                       "tx_needs_csum",
                                                       "tx_hw_gso_packets",
                                                       "tx_hw_gso_bytes",
                                                       "tx_hw_gso_wire_packets",
                                                       "tx_hw_gso_wire_bytes",
                                                       "tx_hw_drop_ratelimits",
                                                       "tx_stop",
                                                       "tx_wake"};

std::vector<std::byte> generic_request(std::uint8_t command, std::string_view family_name) {
  genlmsghdr header{};
  header.cmd = command;
  header.version = 1;
  std::vector<std::byte> request(GENL_HDRLEN);
  std::memcpy(request.data(), &header, sizeof header);
  if (family_name.empty()) return request;
  nlattr name{};
  name.nla_type = CTRL_ATTR_FAMILY_NAME;
  name.nla_len = static_cast<std::uint16_t>(sizeof name + family_name.size() + 1);
  request.resize(request.size() + NLA_ALIGN(name.nla_len));
  std::memcpy(request.data() + GENL_HDRLEN, &name, sizeof name);
  std::memcpy(request.data() + GENL_HDRLEN + sizeof name, family_name.data(), family_name.size());
  return request;
}

Result<int> family_id(NetlinkSocket& netlink, std::string_view name) {
  const auto request = generic_request(CTRL_CMD_GETFAMILY, name);
  std::optional<int> id;
  const auto answered =
      netlink.ask(GENL_ID_CTRL, 0, request.data(), request.size(), [&](nlmsghdr* header) {
        nlattr* attribute = nlmsg_find_attr(header, GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);
        if (attribute != nullptr) id = nla_get_u16(attribute);
      });
  if (!answered || !id) {
    return fail(Errc::host_cannot, "this kernel has no netlink family of this name",
                std::string(name));
  }
  return *id;
}

// "uint" of the netlink specifications: four bytes where they suffice, else eight.
std::uint64_t uint_of(const nlattr* attribute) {
  if (nla_len(attribute) == sizeof(std::uint32_t)) return nla_get_u32(attribute);
  std::uint64_t value = 0;
  if (nla_len(attribute) == sizeof value) std::memcpy(&value, nla_data(attribute), sizeof value);
  return value;
}

void collect_qstats(nlmsghdr* header, std::map<int, NamedCounters>& devices) {
  constexpr int kLast = kFirstQstat + static_cast<int>(kQstatNames.size()) - 1;
  std::array<nlattr*, kLast + 1> attributes{};
  if (nlmsg_parse(header, GENL_HDRLEN, attributes.data(), kLast, nullptr) < 0 ||
      attributes[kQstatsIfindex] == nullptr) {
    return;
  }
  NamedCounters counters;
  for (std::size_t i = 0; i < kQstatNames.size(); ++i) {
    const nlattr* attribute = attributes[kFirstQstat + i];
    if (attribute != nullptr) counters.emplace(kQstatNames[i], uint_of(attribute));
  }
  if (counters.empty()) return;
  devices[static_cast<int>(uint_of(attributes[kQstatsIfindex]))] = std::move(counters);
}

}  // namespace

Result<NamedCounters> read_driver_counters(std::string_view netdev) {
  EthtoolSocket ethtool(netdev);
  PM_TRY(const auto names, ethtool_names(ethtool, ETH_SS_STATS));
  NamedCounters counters;
  if (names.empty()) return counters;
  Trailed<ethtool_stats> values((names.size() + kRoomForMore) * sizeof(std::uint64_t));
  values->cmd = ETHTOOL_GSTATS;
  values->n_stats = static_cast<std::uint32_t>(names.size());
  PM_TRYV(ethtool.ask(values.data()));
  if (values->n_stats != names.size()) {
    return fail(Errc::host_cannot, "the driver's statistics changed while they were read",
                std::string(netdev));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!names[i].empty()) counters[names[i]] = values->data[i];
  }
  return counters;
}

Result<std::map<int, NamedCounters>> read_queue_counters(int netns_fd) {
  PM_TRY(NetlinkSocket netlink, NetlinkSocket::open(NETLINK_GENERIC, netns_fd));
  PM_TRY(const int family, family_id(netlink, "netdev"));
  const auto request = generic_request(kQstatsGet, {});
  std::map<int, NamedCounters> devices;
  PM_TRYV(netlink.ask(family, NLM_F_DUMP, request.data(), request.size(),
                      [&](nlmsghdr* header) { collect_qstats(header, devices); }));
  return devices;
}

}  // namespace pollmark
