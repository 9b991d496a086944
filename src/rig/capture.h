// A capture file as frames to replay.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "record/trial_order.h"
#include "record/trial_result.h"

namespace pollmark {

inline constexpr std::int64_t kCapturedFrameMostBytes = 9000;  // without FCS

struct CaptureOrder {
  std::filesystem::path path;
  std::string filter;  // pcap-filter(7); empty: every frame
  CutShort cut_short = CutShort::refuse;
  std::map<std::string, std::string> rewrite;  // as in TrafficOrder
  // Memory that the frames may take; nullopt: four fifths of what the host has available.
  std::optional<std::int64_t> most_bytes;
};
// What the traffic says of its capture.
[[nodiscard]] CaptureOrder capture_order(const TrafficOrder& traffic);

struct CapturedFrame {
  std::vector<std::uint8_t> bytes;  // from the destination address on, without FCS; as sent
  std::int64_t original_bytes = 0;  // on the wire, without FCS; as recorded
  std::int64_t timestamp_ns = 0;    // since the epoch
};

struct Capture {
  std::vector<CapturedFrame> frames;  // never empty
  std::int64_t filtered_pkts = 0;     // did not pass the filter
  std::int64_t padded_pkts = 0;       // cut short, zeros in place of what is missing
  std::int64_t rewritten_pkts = 0;
};

// Reads the whole file (pcap or pcapng, Ethernet). A rewritten address takes the IPv4, UDP, TCP and
// ICMPv6 checksums along (RFC 1624), right or wrong as they were; a rewritten vlan is put into the
// outermost tag, or a tag of its own.
//   Errors: bad_experiment, naming the file and the reason: cannot be opened, not a capture, not
//   Ethernet, damaged (with the byte offset where reading stopped), no frames, none that passes the
//   filter, a filter that libpcap does not read, frames cut short by the snap length (with their
//   number), frames above 9000 bytes or below an Ethernet header; host_cannot when the frames need
//   more memory than there is, with how much.
[[nodiscard]] Result<Capture> load_capture(const CaptureOrder& order);
[[nodiscard]] Result<Capture> load_capture(const std::filesystem::path& path);

[[nodiscard]] CaptureAccount account_of(const Capture& capture);

// Gaps before each frame in ns, the first one's behind the last of the pass before: the mean of the
// others. Time that runs backwards in the file counts as none. One frame alone: 0.
[[nodiscard]] std::vector<std::int64_t> recorded_gaps_ns(const Capture& capture);

}  // namespace pollmark
