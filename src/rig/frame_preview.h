// The frames that a trial would send, written to a file instead of a port.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"

namespace pollmark {

// Writes the first `packets` frames of the trial's window as a pcap file with nanosecond stamps
// (link type Ethernet, no FCS): byte for byte what the sender builds, and when each is due, t = 0
// at the start of the window. On the model that is when its last bit arrives, and the stamps in
// the frames say so too; on a port the sender stamps the moment of departure, here the moment when
// the frame is due. Planted faults befall frames behind the sender: none are in the file.
//   place    of the sender; nullopt on the model
//   returns  frames written: fewer where the trial itself has fewer
//   Errors: bad_experiment; host_cannot when the file cannot be written.
[[nodiscard]] Result<std::int64_t> write_frames(const TrialOrder& order,
                                                const std::optional<NetdevPlace>& place,
                                                std::int64_t packets,
                                                const std::filesystem::path& path);

}  // namespace pollmark
