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

constexpr Named<ethtool_channels> kMostChannels[] = {
    {"rx_max", &ethtool_channels::max_rx},
    {"tx_max", &ethtool_channels::max_tx},
    {"combined_max", &ethtool_channels::max_combined}};
constexpr Named<ethtool_ringparam> kLargestRings[] = {
    {"rx_max", &ethtool_ringparam::rx_max_pending}, {"tx_max", &ethtool_ringparam::tx_max_pending}};

template <typename Numbers, std::size_t... kCounts>
Result<std::map<std::string, std::uint32_t>> all_numbers(
    std::string_view netdev, std::uint32_t get, const Named<Numbers> (&... lists)[kCounts]) {
  EthtoolSocket ethtool(netdev);
  Numbers numbers{};
  numbers.cmd = get;
  PM_TRYV(ethtool.ask(&numbers));
  std::map<std::string, std::uint32_t> named;
  const auto add = [&](const auto& list) {
    for (const Named<Numbers>& each : list) named.emplace(each.name, numbers.*each.member);
  };
  (add(lists), ...);
  return named;
}

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

Result<std::map<std::string, std::uint32_t>> read_device_numbers(std::string_view netdev,
                                                                 NumberGroup group) {
  switch (group) {
    case NumberGroup::channels:
      return all_numbers(netdev, ETHTOOL_GCHANNELS, kChannels, kMostChannels);
    case NumberGroup::ring:
      return all_numbers(netdev, ETHTOOL_GRINGPARAM, kRings, kLargestRings);
    case NumberGroup::coalesce:
      return all_numbers(netdev, ETHTOOL_GCOALESCE, kCoalesce);
  }
  PM_CHECK(false);
}

Result<void> set_device_number(std::string_view netdev, NumberGroup group, std::string_view name,
                               std::uint32_t value) {
  PM_TRYV(number_of_group(netdev, group, name, value));
  return {};
}

}  // namespace pollmark
