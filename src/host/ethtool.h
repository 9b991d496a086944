// Device features (offloads) by SIOCETHTOOL.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

// ethtool -i. Empty: the driver does not tell.
struct DriverFacts {
  std::string driver;
  std::string version;
  std::string firmware;
  std::string bus;  // "0000:3b:00.0"
};
// The device must be in the calling thread's namespace, here and below.
[[nodiscard]] Result<DriverFacts> read_driver_facts(std::string_view netdev);

// requested: what somebody asked for last. active: what the device does; a feature that another one
// needs takes it along when it goes off, and stays requested.
struct FeatureState {
  bool active = false;
  bool requested = false;
  bool changeable = false;
};
enum class FeatureSwitch { off, on };

// Name as the kernel has it ("tx-udp-segmentation") -> state.
[[nodiscard]] Result<std::map<std::string, FeatureState>> read_features(std::string_view netdev);
// Whether it became active is to be read back. A name that this kernel does not have changes
// nothing.
[[nodiscard]] Result<void> request_feature(std::string_view netdev, std::string_view name,
                                           FeatureSwitch on_or_off);
// Switches the features off and reads them back. A name that this kernel or device does not have is
// taken as off. Errors: host_cannot naming the first feature that stayed on.
[[nodiscard]] Result<void> switch_features_off(std::string_view netdev,
                                               std::span<const std::string_view> names);

// What joins frames into larger ones, or cuts larger ones, between the sender's socket and the
// receiver's: with one of these on, link and IP counters do not count wire frames.
[[nodiscard]] std::span<const std::string_view> frame_joining_features();

}  // namespace pollmark
