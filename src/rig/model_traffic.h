// What the model link carries in one trial, prepared so that the link only has to copy.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "datapath/arrivals.h"
#include "datapath/hot_level.h"
#include "record/trial_order.h"
#include "rig/capture.h"
#include "rig/flow_set.h"
#include "rig/hit_payloads.h"
#include "rig/rss.h"

namespace pollmark {

// Flows of a replay are the entries of the RETA (every 5-tuple keeps to one of them, and to one
// queue), and one more for frames that are not hashed.
inline constexpr std::uint32_t kReplayFlows = kRetaEntries + 1;

class ModelTraffic {
 public:
  // tsc_hz: ticks per second. capture: of a replay, else nullptr. patterns: of stage hyperscan,
  // else nullptr; they decide the payloads of frames that are made here.
  //   Errors: bad_experiment.
  [[nodiscard]] static Result<ModelTraffic> prepare(const TrialOrder& order, const HotLevel& level,
                                                    const Reta& reta, double tsc_hz,
                                                    const Capture* capture,
                                                    const PatternSet* patterns = nullptr);

  [[nodiscard]] Traffic traffic() const;  // points into this object
  [[nodiscard]] const FrameStack& stack() const { return set_.stack; }
  [[nodiscard]] bool is_replay() const { return !replay_.empty(); }
  [[nodiscard]] std::uint32_t flow_count() const;
  // Queue of each flow, or of each frame of the capture.
  [[nodiscard]] std::vector<std::uint16_t> queue_of() const;
  // Queue that a flow's frames arrive at; 0 for one that has none.
  [[nodiscard]] std::vector<std::uint16_t> queue_of_flow() const;
  // Frames of each flow among the first `frames`.
  [[nodiscard]] std::vector<std::uint32_t> sent_per_flow(std::uint64_t frames) const;
  // Each queue's part of the frames, by the flows' hashes.
  [[nodiscard]] std::vector<double> expected_shares(int queues) const;
  // Window that the sequence tracker needs for frames that the link holds back.
  [[nodiscard]] std::uint32_t tracker_window() const { return tracker_window_; }
  [[nodiscard]] std::int64_t largest_data_bytes() const { return largest_data_bytes_; }

  // Length of the window: of the trial, or of the passes over the capture if they end before.
  [[nodiscard]] double window_seconds() const { return window_seconds_; }

 private:
  // Sets gap_; returns the frames per second.
  [[nodiscard]] Result<double> take_recorded_gaps(const TrafficOrder& wanted,
                                                  const Capture& capture, double tsc_hz);
  [[nodiscard]] Result<void> make_payloads(const PatternSet& patterns, double hit_ratio,
                                           std::uint64_t seed);

  Traffic traffic_;
  FlowSet set_;
  HitPayloads hit_payloads_;  // instead of the set's own, with patterns
  std::vector<std::uint32_t> payload_sums_;
  std::vector<ReplayFrame> replay_;
  std::vector<std::vector<std::uint8_t>> replay_bytes_;
  std::vector<FixedTicks> line_time_;
  std::vector<FixedTicks> gap_;
  std::vector<FixedTicks> warmup_gap_;  // empty: as the window
  std::uint32_t tracker_window_ = 256;
  std::int64_t largest_data_bytes_ = 60;
  double window_seconds_ = 0.0;
};

}  // namespace pollmark
