// Device features (offloads) by SIOCETHTOOL.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

// Feature name as ethtool -k knows it in the kernel ("tx-udp-segmentation") -> active.
// The device must be in the calling thread's namespace.
[[nodiscard]] Result<std::map<std::string, bool>> read_features(std::string_view netdev);
// Switches the features off and reads them back. A name that this kernel or device does not have is
// taken as off. Errors: host_cannot naming the first feature that stayed on.
[[nodiscard]] Result<void> switch_features_off(std::string_view netdev,
                                               std::span<const std::string_view> names);

// What joins frames into larger ones, or cuts larger ones, between the sender's socket and the
// receiver's: with one of these on, link and IP counters do not count wire frames.
[[nodiscard]] std::span<const std::string_view> frame_joining_features();

}  // namespace pollmark
