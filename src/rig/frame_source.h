// Frames to send on a port, one after the other: generated, or from a capture; by one lcore, or by
// several that share them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "datapath/arrivals.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "rig/capture.h"
#include "rig/dpdk_pacer.h"
#include "rig/flow_set.h"
#include "rig/lcore_share.h"

namespace pollmark {

enum class TrialPhase : std::uint8_t { window, warmup };

class FrameSource {
 public:
  // Shared among as many lcores as the order names for the generator; one when it names none.
  //   Errors: bad_experiment, host_cannot (a capture larger than memory).
  [[nodiscard]] static Result<FrameSource> open(const TrialOrder& order, const NetdevPlace& place,
                                                double tsc_hz);
  // What points into its parts stays valid.
  FrameSource(FrameSource&& other) noexcept = default;
  FrameSource& operator=(FrameSource&&) = delete;

  [[nodiscard]] bool is_replay() const { return !replay_.empty(); }
  [[nodiscard]] const std::vector<ReplayFrame>& replay() const { return replay_; }
  // False for load = "max": there is no schedule then.
  [[nodiscard]] bool has_schedule() const { return ticks_per_frame_ > 0.0; }
  // Mean of the schedule; 0 without one.
  [[nodiscard]] double ticks_per_frame() const { return ticks_per_frame_; }
  // The schedule of warm-up or window from `start` on, of all lcores.
  [[nodiscard]] PacerOrder pacing(Ticks start, TrialPhase phase) const;
  // Length of the window: of the trial, or of the passes over a capture if they end before.
  [[nodiscard]] double window_seconds() const;

  // Every frame is Ethernet, IPv4, UDP and a full stamp, flows go in turn, and none says how late
  // it left: whole bursts can be written from images of the flows.
  [[nodiscard]] bool goes_in_bursts() const {
    return !is_replay() && set_.stack.is_plain() && set_.slots.empty() && !says_lateness_;
  }
  [[nodiscard]] const FlowSet& set() const { return set_; }
  [[nodiscard]] bool says_lateness() const { return says_lateness_; }
  // Points into this object's parts; the schedule is not filled in.
  [[nodiscard]] Traffic traffic() const;

  // nullopt: no replay.
  [[nodiscard]] std::optional<CaptureAccount> capture_account() const {
    return is_replay() ? std::optional(account_of(capture_)) : std::nullopt;
  }
  // What each lcore sends.
  [[nodiscard]] const std::vector<LcoreShare>& shares() const { return shares_; }
  // Bytes incl. FCS of the lcore's first `frames`.
  [[nodiscard]] std::int64_t bytes_of_first(const LcoreShare& share, std::int64_t frames) const;
  // Adds how many of the lcore's first `frames` are of each flow. [flow]; nothing for a replay.
  void count_sent(const LcoreShare& share, std::int64_t frames,
                  std::vector<std::uint32_t>& sent_per_flow) const;
  [[nodiscard]] std::uint32_t largest_data_bytes() const;

 private:
  FrameSource() = default;
  Result<void> take_capture(const NetdevPlace& place);
  void share_frames();

  TrialOrder order_;
  double tsc_hz_ = 0.0;
  double ticks_per_frame_ = 0.0;
  bool says_lateness_ = false;
  FlowSet set_;
  Capture capture_;
  std::vector<ReplayFrame> replay_;
  std::vector<FixedTicks> gaps_;  // as recorded; empty at a rate
  std::vector<LcoreShare> shares_;
};

enum class Sharing : std::uint8_t { alone, shared };

// One lcore's frames of a source, built one by one.
class FrameStream {
 public:
  // Both are the caller's to keep.
  FrameStream(const FrameSource& source, const LcoreShare& share);
  // The cursor points into this object.
  FrameStream(const FrameStream&) = delete;
  FrameStream& operator=(const FrameStream&) = delete;

  void restart() noexcept;
  // Writes the next frame; returns its bytes without FCS. data: room for the largest, and for 96.
  // due, now: when it should leave, and when it does. kSharing: whether there are other lcores.
  template <Sharing kSharing>
  std::uint32_t next(std::uint8_t* data, std::uint8_t epoch, Ticks due, Ticks now) noexcept;
  // The last `frames` were not taken: they come next.
  template <Sharing kSharing>
  void take_back(std::uint32_t frames) noexcept;

 private:
  const Traffic traffic_;
  const LcoreShare& share_;
  bool says_lateness_;
  std::size_t at_ = 0;  // among its frames of a pass
  std::vector<std::uint32_t> tcp_bytes_;
  FrameCursor cursor_;
};

}  // namespace pollmark
