// Frame sizes as written: one, a list, a range, a mix by name, or a genome.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pollmark {

struct FrameSizes {
  std::string frame;             // canonical text; empty where the sizes say it all
  std::vector<int> frame_bytes;  // incl. FCS, in the order in which they are sent
};

// "64", "64:570:1518", "64 to 1518" (every size once, or 1024 of them evenly apart, in an order
// that leaps through the range), "imix", "imix_594", or a genome of RFC 6985: a = 64, b = 128,
// c = 256, d = 512, e = 1024, f = 1280, g = 1518, h = 2112, i = 9000; other letters as declared.
//   letters  letter -> bytes
//   Errors: bad_experiment, "what; allowed: ..."
[[nodiscard]] Result<FrameSizes> parse_frame_sizes(std::string_view text,
                                                   const std::map<std::string, int>& letters);
// What may be written, for "allowed: ...".
[[nodiscard]] std::string_view allowed_frame_sizes();

inline constexpr int kLeastFrameBytes = 64;
inline constexpr int kMostFrameBytes = 9000;

// Sizes 64, 570 and 1518 in the ratio 7:4:1, spread as evenly as whole frames allow (smooth
// weighted round robin); 12 frames.
[[nodiscard]] const std::vector<int>& imix_frame_bytes();
// The same with 594 (IP packets of 40, 576 and 1500 bytes) in place of 570.
[[nodiscard]] const std::vector<int>& imix_594_frame_bytes();

}  // namespace pollmark
