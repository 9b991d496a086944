// A capture file as frames to replay.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/error.h"

namespace pollmark {

inline constexpr std::int64_t kCapturedFrameMostBytes = 9000;  // without FCS

struct CapturedFrame {
  std::vector<std::uint8_t> bytes;  // from the destination address on, without FCS
  std::int64_t original_bytes = 0;  // on the wire, without FCS
  std::int64_t timestamp_ns = 0;    // since the epoch
};

struct Capture {
  std::vector<CapturedFrame> frames;  // never empty
};

// Reads the whole file (pcap or pcapng, Ethernet).
//   Errors: bad_experiment, naming the file and the reason: cannot be opened, not a capture, not
//   Ethernet, damaged (with the byte offset where reading stopped), no frames, frames cut short by
//   the snap length (with their number), frames above 9000 bytes or below an Ethernet header.
[[nodiscard]] Result<Capture> load_capture(const std::filesystem::path& path);

}  // namespace pollmark
