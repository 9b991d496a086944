// Generated traffic, ready to send: flows, sizes, payload, and whose turn it is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "datapath/arrivals.h"
#include "datapath/tall_frame.h"
#include "host/netns.h"
#include "record/trial_order.h"

namespace pollmark {

// Where the headers of these frames and their stamp lie.
//   Errors: bad_experiment when the smallest frame does not hold them.
[[nodiscard]] Result<FrameStack> frame_stack(const TrafficOrder& traffic);

// Whether every frame has room to say how late it left (datapath/lateness.h), and no frame leaves
// later than can be said. Both ends ask.
//   ticks_per_frame  mean of the schedule; 0 without one
[[nodiscard]] bool carries_lateness(const TrafficOrder& traffic, const FrameStack& stack,
                                    double ticks_per_frame, double tsc_hz);

struct FlowSet {
  FrameStack stack;
  std::vector<Flow> flows;         // of the plain stack complete, of others without headers
  std::vector<TallHeader> tall;    // by flow; empty with the plain stack
  std::vector<FrameShape> shapes;  // in the order of traffic.frame_bytes
  std::vector<std::uint8_t> payload;
  std::vector<FlowSlot> slots;  // one pass; empty: flows in turn
  std::vector<std::uint32_t> flow_per_pass;

  // Flow n has the n-th value of every field that is a range or a list; of the four that make a
  // 5-tuple the ones behind move on when the ones before have come round (src_ip, src_port,
  // dst_ip, dst_port). Random fields are drawn from the seed; a 5-tuple that another flow has
  // already is drawn again.
  //   place  where frames go that say nothing of it: the other end's addresses; nullopt: the model
  //   Errors: bad_experiment.
  [[nodiscard]] static Result<FlowSet> prepare(const TrafficOrder& traffic, std::uint64_t seed,
                                               const std::optional<NetdevPlace>& place);

  // Headers of a flow as they are sent, FCS and size apart.
  [[nodiscard]] std::span<const std::uint8_t> header(std::size_t flow) const;
  // Points into this object; the schedule is not filled in.
  [[nodiscard]] Traffic traffic() const;
  // Frames of each flow among the first `frames`.
  [[nodiscard]] std::vector<std::uint32_t> sent_per_flow(std::uint64_t frames) const;
};

// How often each of `flows` is sent in a pass under Zipf's law, at least once each; the sum is a
// power of two, at least 65536 and at least 16 per flow.
[[nodiscard]] std::vector<std::uint32_t> zipf_counts(std::uint32_t flows, double exponent);

}  // namespace pollmark
