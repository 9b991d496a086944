#include "host/ethtool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "host/ethtool_socket.h"

namespace pollmark {
namespace {

constexpr std::array<std::string_view, 10> kFrameJoining{"tx-udp-segmentation",
                                                         "tx-tcp-segmentation",
                                                         "tx-tcp6-segmentation",
                                                         "tx-tcp-ecn-segmentation",
                                                         "tx-tcp-mangleid-segmentation",
                                                         "tx-generic-segmentation",
                                                         "rx-gro",
                                                         "rx-gro-list",
                                                         "rx-udp-gro-forwarding",
                                                         "rx-lro"};

Result<std::vector<bool>> active_features(EthtoolSocket& ethtool, std::size_t count) {
  const std::size_t blocks = (count + 31) / 32;
  Trailed<ethtool_gfeatures> features(blocks * sizeof(ethtool_get_features_block));
  features->cmd = ETHTOOL_GFEATURES;
  features->size = static_cast<std::uint32_t>(blocks);
  PM_TRYV(ethtool.ask(features.data()));
  std::vector<bool> active;
  for (std::size_t i = 0; i < count; ++i) {
    active.push_back(((features->features[i / 32].active >> (i % 32)) & 1U) != 0);
  }
  return active;
}

}  // namespace

Result<std::map<std::string, bool>> read_features(std::string_view netdev) {
  EthtoolSocket ethtool(netdev);
  PM_TRY(const auto names, ethtool_names(ethtool, ETH_SS_FEATURES));
  PM_TRY(const auto active, active_features(ethtool, names.size()));
  std::map<std::string, bool> features;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!names[i].empty()) features[names[i]] = active[i];
  }
  return features;
}

Result<void> switch_features_off(std::string_view netdev, std::span<const std::string_view> names) {
  EthtoolSocket ethtool(netdev);
  PM_TRY(const auto known, ethtool_names(ethtool, ETH_SS_FEATURES));
  const std::size_t blocks = (known.size() + 31) / 32;
  Trailed<ethtool_sfeatures> change(blocks * sizeof(ethtool_set_features_block));
  change->cmd = ETHTOOL_SFEATURES;
  change->size = static_cast<std::uint32_t>(blocks);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (std::ranges::find(names, known[i]) == names.end()) continue;
    change->features[i / 32].valid |= 1U << (i % 32);  // requested stays 0: off
  }
  PM_TRYV(ethtool.ask(change.data()));
  PM_TRY(const auto active, active_features(ethtool, known.size()));
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (active[i] && std::ranges::find(names, known[i]) != names.end()) {
      return fail(Errc::host_cannot, fmt::format("{} stays on", known[i]), std::string(netdev));
    }
  }
  return {};
}

std::span<const std::string_view> frame_joining_features() { return kFrameJoining; }

}  // namespace pollmark
