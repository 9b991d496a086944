// Ethernet wire arithmetic. Frame sizes include the 4-byte FCS and exclude preamble, SFD and gap
// (RFC 1242 3.5); DPDK's pkt_len is the size minus 4.
#pragma once

#include <cstdint>
#include <span>

#include "base/units.h"

namespace pollmark {

inline constexpr int kFcsBytes = 4;
inline constexpr int kWireOverheadBytes = 20;  // preamble 7, SFD 1, minimum inter-frame gap 12
inline constexpr int kMinFrameBytes = 64;

// Mean over the sizes, each weighted alike. sizes must not be empty.
[[nodiscard]] double mean_frame_bytes(std::span<const int> sizes);
// Most frames per second of that mean size: bps / (8 (size + 20)).
[[nodiscard]] double line_rate_pps(double link_bps, double frame_bytes);
// Time on the wire in ns, preamble and gap included.
[[nodiscard]] double frame_time_ns(double link_bps, double frame_bytes);
[[nodiscard]] double l1_bps(double pps, double frame_bytes);
[[nodiscard]] double l2_bps(double pps, double frame_bytes);
// The load as packets per second on that link. max gives the line rate. Errors: bad_experiment when
// the load exceeds the line, or is not above zero.
[[nodiscard]] Result<double> load_pps(const Load& load, double link_bps, double frame_bytes);

}  // namespace pollmark
