// How a host is set and what its traffic looks like, for somebody who wants to build the same
// elsewhere. Reads alone.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "host/netlink.h"

namespace pollmark {

struct SnapshotOrder {
  int netns_fd = -1;
  std::string netdev;  // of this device alone; empty: of all
};

// Means over a look at a device. nullopt: no frame to take a mean of.
struct TrafficShape {
  double seconds = 0.0;
  double rx_pps = 0.0;
  double rx_bps = 0.0;
  double tx_pps = 0.0;
  double tx_bps = 0.0;
  std::optional<double> rx_mean_frame_bytes;  // as the device counts them, mostly without the FCS
  std::optional<double> tx_mean_frame_bytes;
};
// seconds: between the readings, > 0. nullopt: a counter fell meanwhile.
[[nodiscard]] std::optional<TrafficShape> traffic_shape(const LinkStats& before,
                                                        const LinkStats& after, double seconds);

// Settings of the host and of each device: link, driver and firmware, offloads, rings, channels,
// coalescing, qdiscs, masks of the queues, and the sysctls that bear on packets. What the driver or
// the kernel does not tell is not there, and stands in "not_told" with its reason.
// Errors: host_cannot when the namespace or the device is gone, or namespaces may not be entered.
[[nodiscard]] Result<nlohmann::json> read_snapshot(const SnapshotOrder& order);
// Adds the shape of the traffic of a device that the snapshot has.
void put_traffic(nlohmann::json& snapshot, const std::string& netdev,
                 const std::optional<TrafficShape>& shape);

}  // namespace pollmark
