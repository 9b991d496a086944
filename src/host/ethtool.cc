#include "host/ethtool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

std::size_t blocks_of(std::size_t features) { return (features + 31) / 32; }
bool bit_of(std::uint32_t block, std::size_t feature) {
  return ((block >> (feature % 32)) & 1U) != 0;
}

Result<std::vector<FeatureState>> feature_states(EthtoolSocket& ethtool, std::size_t count) {
  const std::size_t blocks = blocks_of(count);
  Trailed<ethtool_gfeatures> features(blocks * sizeof(ethtool_get_features_block));
  features->cmd = ETHTOOL_GFEATURES;
  features->size = static_cast<std::uint32_t>(blocks);
  PM_TRYV(ethtool.ask(features.data()));
  std::vector<FeatureState> states;
  for (std::size_t i = 0; i < count; ++i) {
    const ethtool_get_features_block& block = features->features[i / 32];
    states.push_back({.active = bit_of(block.active, i),
                      .requested = bit_of(block.requested, i),
                      .changeable = bit_of(block.available, i) && !bit_of(block.never_changed, i)});
  }
  return states;
}

// on_or_off: of each of the names that this kernel knows.
Result<void> request(EthtoolSocket& ethtool, const std::vector<std::string>& known,
                     std::span<const std::string_view> names, FeatureSwitch on_or_off) {
  const std::size_t blocks = blocks_of(known.size());
  Trailed<ethtool_sfeatures> change(blocks * sizeof(ethtool_set_features_block));
  change->cmd = ETHTOOL_SFEATURES;
  change->size = static_cast<std::uint32_t>(blocks);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (std::ranges::find(names, known[i]) == names.end()) continue;
    ethtool_set_features_block& block = change->features[i / 32];
    block.valid |= 1U << (i % 32);
    if (on_or_off == FeatureSwitch::on) block.requested |= 1U << (i % 32);
  }
  return ethtool.ask(change.data());
}

}  // namespace

Result<DriverFacts> read_driver_facts(std::string_view netdev) {
  EthtoolSocket ethtool(netdev);
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  PM_TRYV(ethtool.ask(&info));
  const auto text = [](const auto& field) {
    return std::string(field, strnlen(field, sizeof field));
  };
  return DriverFacts{.driver = text(info.driver),
                     .version = text(info.version),
                     .firmware = text(info.fw_version),
                     .bus = text(info.bus_info)};
}

Result<std::map<std::string, FeatureState>> read_features(std::string_view netdev) {
  EthtoolSocket ethtool(netdev);
  PM_TRY(const auto names, ethtool_names(ethtool, ETH_SS_FEATURES));
  PM_TRY(const auto states, feature_states(ethtool, names.size()));
  std::map<std::string, FeatureState> features;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!names[i].empty()) features[names[i]] = states[i];
  }
  return features;
}

Result<void> request_feature(std::string_view netdev, std::string_view name,
                             FeatureSwitch on_or_off) {
  EthtoolSocket ethtool(netdev);
  PM_TRY(const auto known, ethtool_names(ethtool, ETH_SS_FEATURES));
  return request(ethtool, known, {&name, 1}, on_or_off);
}

Result<void> switch_features_off(std::string_view netdev, std::span<const std::string_view> names) {
  EthtoolSocket ethtool(netdev);
  PM_TRY(const auto known, ethtool_names(ethtool, ETH_SS_FEATURES));
  PM_TRYV(request(ethtool, known, names, FeatureSwitch::off));
  PM_TRY(const auto states, feature_states(ethtool, known.size()));
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (states[i].active && std::ranges::find(names, known[i]) != names.end()) {
      return fail(Errc::host_cannot, fmt::format("{} stays on", known[i]), std::string(netdev));
    }
  }
  return {};
}

std::span<const std::string_view> frame_joining_features() { return kFrameJoining; }

}  // namespace pollmark
