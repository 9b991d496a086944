// The frames that a trial would send, written to a file instead of a port.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"

namespace pollmark {

// One way of the trial (directions_of), and where its sender stands; nullopt on the model.
struct PlannedWay {
  TrialOrder order;
  std::optional<NetdevPlace> place;
};

// Writes the first `packets` frames of the trial's window, of all its ways by time, as a pcap file
// with nanosecond stamps (link type Ethernet, no FCS): byte for byte what the senders build, and
// when each is due, t = 0 at the start of the window. On the model that is when its last bit
// arrives, and the stamps in the frames say so too; on a port the sender stamps the moment of
// departure, here the moment when the frame is due. Planted faults befall frames behind the sender:
// none are in the file.
//   returns  frames written: fewer where the trial itself has fewer
//   Errors: bad_experiment; host_cannot when the file cannot be written.
[[nodiscard]] Result<std::int64_t> write_frames(const std::vector<PlannedWay>& ways,
                                                std::int64_t packets,
                                                const std::filesystem::path& path);

}  // namespace pollmark
