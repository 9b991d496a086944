// A filter of captures as the kernel takes it.
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace pollmark {

// The program for SO_ATTACH_FILTER on an AF_PACKET socket: it sees a frame from its Ethernet header
// on, and keeps snaplen_bytes of one that passes. expression: pcap-filter(7); empty: every frame.
// Errors: bad_experiment with libpcap's words.
[[nodiscard]] Result<std::vector<sock_filter>> compile_capture_filter(const std::string& expression,
                                                                      int snaplen_bytes);

}  // namespace pollmark
