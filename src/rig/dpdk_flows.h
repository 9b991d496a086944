// Frames for a kernel network device, ready to send: flows to one destination.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "datapath/frame.h"
#include "host/netns.h"
#include "record/trial_order.h"

namespace pollmark {

// All flows go to place.frames_to_*, so that one socket gets them all. Flow n comes from
// 198.19.0.0/17, host n mod 32768, and from a port of its own: inside 198.18.0.0/15, hence past a
// reverse path filter, and no address of the lab's.
struct DpdkFlows {
  std::vector<Flow> flows;
  std::vector<FrameShape> shapes;  // in the order of traffic.frame_bytes
  std::vector<std::uint8_t> payload;

  // Errors: bad_experiment for a number of flows or a frame size that cannot be sent there.
  [[nodiscard]] static Result<DpdkFlows> prepare(const TrafficOrder& traffic,
                                                 const NetdevPlace& place);
};

}  // namespace pollmark
