#include "host/ethtool_numbers.h"

#include <fmt/format.h>
#include <linux/ethtool.h>

#include <optional>
#include <string>

#include "host/ethtool_socket.h"

namespace pollmark {
namespace {

template <typename Numbers>
struct Named {
  std::string_view name;
  std::uint32_t Numbers::*member;
};

constexpr Named<ethtool_channels> kChannels[] = {{"rx", &ethtool_channels::rx_count},
                                                 {"tx", &ethtool_channels::tx_count},
                                                 {"combined", &ethtool_channels::combined_count}};
constexpr Named<ethtool_ringparam> kRings[] = {{"rx", &ethtool_ringparam::rx_pending},
                                               {"tx", &ethtool_ringparam::tx_pending}};
constexpr Named<ethtool_coalesce> kCoalesce[] = {
    {"rx_usecs", &ethtool_coalesce::rx_coalesce_usecs},
    {"rx_frames", &ethtool_coalesce::rx_max_coalesced_frames},
    {"tx_usecs", &ethtool_coalesce::tx_coalesce_usecs},
    {"tx_frames", &ethtool_coalesce::tx_max_coalesced_frames},
    {"adaptive_rx", &ethtool_coalesce::use_adaptive_rx_coalesce}};

// The number as it is; with `wanted` also set.
template <typename Numbers, std::size_t kCount>
Result<std::uint32_t> number(std::string_view netdev, const Named<Numbers> (&names)[kCount],
                             std::string_view name, std::uint32_t get, std::uint32_t set,
                             std::optional<std::uint32_t> wanted) {
  for (const Named<Numbers>& each : names) {
    if (each.name != name) continue;
    EthtoolSocket ethtool(netdev);
    Numbers numbers{};
    numbers.cmd = get;
    PM_TRYV(ethtool.ask(&numbers));
    const std::uint32_t found = numbers.*each.member;
    if (!wanted) return found;
    numbers.cmd = set;
    numbers.*each.member = *wanted;
    PM_TRYV(ethtool.ask(&numbers));
    return found;
  }
  return fail(Errc::host_cannot, fmt::format("no such number: \"{}\"", name), std::string(netdev));
}

// Queues that receive: a device has them with transmit queues combined, or of their own.
Result<std::string_view> receiving_channels(std::string_view netdev) {
  EthtoolSocket ethtool(netdev);
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  PM_TRYV(ethtool.ask(&channels));
  return channels.max_combined > 0 ? "combined" : "rx";
}

Result<std::uint32_t> number_of_group(std::string_view netdev, NumberGroup group,
                                      std::string_view name, std::optional<std::uint32_t> wanted) {
  switch (group) {
    case NumberGroup::channels:
      if (name == "receive") {
        PM_TRY(name, receiving_channels(netdev));
      }
      return number(netdev, kChannels, name, ETHTOOL_GCHANNELS, ETHTOOL_SCHANNELS, wanted);
    case NumberGroup::ring:
      return number(netdev, kRings, name, ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM, wanted);
    case NumberGroup::coalesce:
      return number(netdev, kCoalesce, name, ETHTOOL_GCOALESCE, ETHTOOL_SCOALESCE, wanted);
  }
  PM_CHECK(false);
}

}  // namespace

Result<std::uint32_t> read_device_number(std::string_view netdev, NumberGroup group,
                                         std::string_view name) {
  return number_of_group(netdev, group, name, std::nullopt);
}

Result<void> set_device_number(std::string_view netdev, NumberGroup group, std::string_view name,
                               std::uint32_t value) {
  PM_TRYV(number_of_group(netdev, group, name, value));
  return {};
}

}  // namespace pollmark
