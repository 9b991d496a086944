// Payloads for stage hyperscan with a chosen share of matches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "record/trial_order.h"
#include "rig/patterns.h"

namespace pollmark {

inline constexpr std::uint32_t kPayloadSlots = 4096;  // a power of two

// Every payload of every size was scanned: it matches, or it does not, as it should.
struct HitPayloads {
  std::uint32_t stride_bytes = 0;        // of one payload, the largest size
  std::vector<std::uint8_t> bytes;       // [payload][stride_bytes]
  std::vector<std::uint8_t> payload_of;  // [kPayloadSlots]: which payload a frame carries
  std::uint32_t count = 0;               // of payloads
};

// sizes_bytes: behind the stamp, of each frame size. hit_ratio: 0..1; kPayloadSlots slots hold it
// to within half of one slot.
//   Errors: bad_experiment: an expression that matches everything (with its line); no payload could
//   be made that matches (or that does not), with the lines that stand in the way.
[[nodiscard]] Result<HitPayloads> make_hit_payloads(const PatternSet& patterns, double hit_ratio,
                                                    std::span<const std::uint32_t> sizes_bytes,
                                                    std::uint64_t seed);

// Whether the order's patterns compile and, where its frames are made here, can be hit as often as
// it asks; nothing to check without stage hyperscan. Errors: as PatternSet::load and
// make_hit_payloads.
[[nodiscard]] Result<void> check_patterns(const TrialOrder& order);

}  // namespace pollmark
