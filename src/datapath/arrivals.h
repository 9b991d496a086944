// When each frame's last bit reaches the receiver, and what befalls it on the link. Everything
// follows from the seed and the frame's index alone, so that each group of lcores can be shown the
// same traffic (lockstep rule 1).
#pragma once

#include <cmath>
#include <cstdint>

#include "datapath/clock.h"
#include "datapath/frame.h"
#include "datapath/isa_level.h"
#include "datapath/tall_frame.h"

namespace pollmark {

// Ticks in 64.64 fixed point: a schedule of any length without drift.
__extension__ typedef unsigned __int128 FixedTicks;

// on_off: constant while on, nothing while off; the schedule of the on times joined together is
// stretched so that the mean is the load.
enum class ArrivalLaw : std::uint8_t { constant, poisson, burst, on_off, back_to_back };

// Fault thresholds against a 64-bit draw, cumulative: a frame suffers at most one.
struct FaultThresholds {
  std::uint64_t drop = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t reorder = 0;
  std::uint64_t corrupt = 0;
  std::uint64_t delay = 0;
};

// One frame of a capture, ready to send.
struct ReplayFrame {
  const std::uint8_t* data = nullptr;
  std::uint32_t data_bytes = 0;
  std::uint32_t rss_hash = 0;
  std::uint32_t sequence = 0;       // of its flow, within one pass
  std::uint32_t flow_per_pass = 0;  // frames of its flow in one pass
  std::uint32_t flip_at = 0;        // offset of a byte that its checksum covers
  std::uint16_t flow = 0;
  std::uint16_t queue = 0;
  std::uint8_t verdict = 0;          // as a port would give it, see model_link.h
  std::uint8_t flipped_verdict = 0;  // ... when the byte at flip_at is damaged
};

// What a frame carries, whatever befalls it.
struct FrameIdentity {
  Ticks stamp = 0;             // when it came, or would have come
  std::uint32_t position = 0;  // of its shape, or its frame in the capture
  std::uint32_t flow = 0;
  std::uint32_t sequence = 0;
  std::uint32_t tcp_sequence = 0;  // payload bytes of its flow before it
  std::uint8_t epoch = 0;
};

// Whose turn it is, where flows are not simply in turn: one pass over all of them, each as often as
// its share asks for.
struct FlowSlot {
  std::uint32_t flow = 0;
  std::uint32_t sequence = 0;  // of its flow, within one pass
};

// A frame that waits on the link (reordered or delayed).
struct HeldFrame {
  FrameIdentity frame;
  Ticks due = 0;            // delayed: earliest arrival
  std::uint64_t after = 0;  // reordered: goes out behind the frame with this ordinal
};

inline constexpr std::uint32_t kReorderMost = 8;  // frames of its flow that overtake it, at most
inline constexpr std::uint32_t kHeldLanes = kReorderMost + 1;  // one per distance, one for delay

// Traffic of one trial; made by the rig, read by every group.
struct Traffic {
  // sizes and flows, or a capture: one of the two
  const Flow* flows = nullptr;
  std::uint32_t flow_count = 1;
  const FrameShape* shapes = nullptr;
  std::uint32_t shape_count = 1;
  const std::uint8_t* payload = nullptr;  // [payload][payload_stride_bytes]
  // With more than one payload: which one a frame carries, and the sum of its words by shape.
  const std::uint8_t* payload_of = nullptr;     // [payload_mask + 1]; nullptr: one payload for all
  const std::uint32_t* payload_sums = nullptr;  // [payload][shape_count]
  std::uint32_t payload_mask = 0;
  std::uint32_t payload_stride_bytes = 0;
  const FlowSlot* slots = nullptr;  // nullptr: flows in turn
  std::uint32_t slot_count = 0;
  const std::uint32_t* flow_per_pass = nullptr;  // by flow, with slots
  FrameStack stack;
  const TallHeader* tall = nullptr;  // by flow; nullptr: the plain stack
  const ReplayFrame* replay = nullptr;
  std::uint32_t replay_count = 0;
  // by shape, or by frame of the capture
  const FixedTicks* line_time = nullptr;   // on the wire
  const FixedTicks* gap = nullptr;         // on the schedule
  const FixedTicks* warmup_gap = nullptr;  // of the warm-up; nullptr: as the window
  ArrivalLaw law = ArrivalLaw::constant;
  std::uint32_t burst_frames = 1;
  double mean_gap_ticks = 0.0;         // poisson
  double warmup_mean_gap_ticks = 0.0;  // with warmup_gap
  FixedTicks on_ticks = 0;             // on_off
  FixedTicks off_ticks = 0;
  std::uint64_t seed = 0;
  FaultThresholds faults;
  bool has_faults = false;
  Ticks delay_ticks = 0;
  std::uint32_t held_capacity = 0;  // of each lane, a power of two
  Ticks window_start = 0;           // at least the longest time on the line
  Ticks window_end = 0;
  std::uint64_t window_frames = 0;  // no more are sent in the window; 0: no such limit
  std::uint8_t epoch = 1;
  std::uint8_t warmup_epoch = 0;
};

// What happens on the link, one event after the other.
enum class WireEvent : std::uint8_t {
  regular,    // offered, and arrives now
  dropped,    // offered, never arrives
  held,       // offered, arrives later
  corrupt,    // offered, arrives now, damaged
  doubled,    // offered, arrives now; its copy is the next event
  copy,       // the copy of the event before
  reordered,  // was held to be overtaken; arrives now
  delayed,    // was held for a time; arrives now
};

struct WireFrame {
  Ticks arrival = 0;
  FrameIdentity frame;
  WireEvent event = WireEvent::regular;
};

[[nodiscard]] constexpr bool is_offered(WireEvent event) { return event <= WireEvent::doubled; }
[[nodiscard]] constexpr bool arrives(WireEvent event) {
  return event != WireEvent::dropped && event != WireEvent::held;
}

inline namespace PM_ISA_LEVEL {

// Counter-based draw (the finaliser of SplitMix64).
[[gnu::always_inline]] inline std::uint64_t drawn(std::uint64_t seed,
                                                  std::uint64_t counter) noexcept {
  std::uint64_t z = seed + (counter + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

// Uniform in (0, 1].
[[gnu::always_inline]] inline double drawn_unit(std::uint64_t seed,
                                                std::uint64_t counter) noexcept {
  return static_cast<double>((drawn(seed, counter) >> 11) + 1) * 0x1.0p-53;
}

// Which frame comes next: of which flow, with which number and size.
class FrameCursor {
 public:
  // tcp_bytes: payload bytes sent so far, by flow; nullptr where no frame is TCP.
  void open(const Traffic& traffic, std::uint32_t* tcp_bytes) noexcept {
    traffic_ = &traffic;
    tcp_bytes_ = tcp_bytes;
    period_ = traffic.replay != nullptr ? traffic.replay_count : traffic.shape_count;
    turns_ = traffic.slots != nullptr ? traffic.slot_count : traffic.flow_count;
    restart();
  }
  // From the first frame on; TCP goes on where it was.
  void restart() noexcept {
    position_ = 0;
    turn_ = 0;
    round_ = 0;
  }
  // Of its shape, or in the capture.
  [[nodiscard]] std::uint32_t position() const noexcept { return position_; }
  [[nodiscard]] std::uint32_t period() const noexcept { return period_; }
  // Passes over the capture, or over all turns.
  [[nodiscard]] std::uint32_t round() const noexcept { return round_; }

  // All but stamp and epoch.
  [[gnu::always_inline]] inline void identify(FrameIdentity& frame) const noexcept {
    frame.position = position_;
    if (traffic_->replay != nullptr) {
      const ReplayFrame& replayed = traffic_->replay[position_];
      frame.flow = replayed.flow;
      frame.sequence = replayed.sequence + round_ * replayed.flow_per_pass;
      return;
    }
    frame.flow = turn_;
    frame.sequence = round_;
    if (traffic_->slots != nullptr) {
      const FlowSlot& slot = traffic_->slots[turn_];
      frame.flow = slot.flow;
      frame.sequence = slot.sequence + round_ * traffic_->flow_per_pass[slot.flow];
    }
    if (tcp_bytes_ != nullptr) frame.tcp_sequence = tcp_bytes_[frame.flow];
  }
  [[gnu::always_inline]] inline void advance() noexcept {
    if (tcp_bytes_ != nullptr) tcp_bytes_[flow()] += payload_bytes();
    const bool replay = traffic_->replay != nullptr;
    if (++position_ == period_) {
      position_ = 0;
      if (replay) ++round_;
    }
    if (!replay && ++turn_ == turns_) {
      turn_ = 0;
      ++round_;
    }
  }
  // Takes the last advance() back.
  void step_back() noexcept {
    const bool replay = traffic_->replay != nullptr;
    if (position_ == 0) {
      position_ = period_;
      if (replay) --round_;
    }
    --position_;
    if (!replay) {
      if (turn_ == 0) {
        turn_ = turns_;
        --round_;
      }
      --turn_;
    }
    if (tcp_bytes_ != nullptr) tcp_bytes_[flow()] -= payload_bytes();
  }

 private:
  [[nodiscard]] std::uint32_t flow() const noexcept {
    return traffic_->slots != nullptr ? traffic_->slots[turn_].flow : turn_;
  }
  [[nodiscard]] std::uint32_t payload_bytes() const noexcept {
    return traffic_->shapes[position_].data_bytes - traffic_->stack.stamp_at;
  }
  const Traffic* traffic_ = nullptr;
  std::uint32_t* tcp_bytes_ = nullptr;
  std::uint32_t period_ = 1;
  std::uint32_t turns_ = 1;
  std::uint32_t position_ = 0;
  std::uint32_t turn_ = 0;
  std::uint32_t round_ = 0;
};

// The sequence of events on the link. next() yields them by arrival; the line is never driven above
// its rate: a frame's last bit comes no sooner than its own time on the wire after the one before.
class Wire {
 public:
  // lanes: [kHeldLanes][traffic.held_capacity], unused without faults. tcp_bytes: by flow, zero;
  // nullptr where no frame is TCP.
  void open(const Traffic& traffic, HeldFrame* lanes, std::uint32_t* tcp_bytes = nullptr) noexcept {
    *this = Wire{};
    traffic_ = &traffic;
    lanes_ = lanes;
    cursor_.open(traffic, tcp_bytes);
    FixedTicks longest = 0;
    for (std::uint32_t at = 0; at < cursor_.period(); ++at)
      if (traffic.line_time[at] > longest) longest = traffic.line_time[at];
    // The last frame of the warm-up is off the line when the window opens.
    const Ticks guard = whole(longest) + 1;
    gap_ = traffic.gap;
    mean_gap_ticks_ = traffic.mean_gap_ticks;
    if (traffic.warmup_gap != nullptr) {
      gap_ = traffic.warmup_gap;
      mean_gap_ticks_ = traffic.warmup_mean_gap_ticks;
    }
    open_phase(0, traffic.warmup_epoch,
               traffic.window_start > guard ? traffic.window_start - guard : 0);
  }

  // False when the window is over and nothing is held any more.
  template <bool kFaults>
  [[gnu::always_inline]] inline bool next(WireFrame& event) noexcept {
    if constexpr (kFaults) {
      if (copy_pending_) {
        copy_pending_ = false;
        event.event = WireEvent::copy;
        return put_on_line(event, copy_, 0);
      }
      if (next_release_ < ordinal_) return release(event);
    }
    for (;;) {
      if (over_) return kFaults ? flush(event) : false;
      FixedTicks arrival = last_ + traffic_->line_time[cursor_.position()];
      if (scheduled_ > arrival) arrival = scheduled_;
      if constexpr (kFaults) {
        if (next_due_ <= whole(arrival)) return release_delayed(event);
      }
      if (whole(arrival) >= phase_end_) [[unlikely]] {
        close_phase();
        continue;
      }
      last_ = arrival;
      event.arrival = whole(arrival);
      event.event = WireEvent::regular;
      event.frame.stamp = event.arrival;
      event.frame.epoch = epoch_;
      cursor_.identify(event.frame);
      if constexpr (kFaults) befall(event);
      advance();
      return true;
    }
  }

  // Frames that the schedule asked for in the window, and could not be sent before its end.
  [[nodiscard]] std::uint64_t unsent() const noexcept { return unsent_; }

 private:
  struct Lane {
    std::uint32_t head = 0;
    std::uint32_t tail = 0;
  };

  static Ticks whole(FixedTicks ticks) noexcept { return static_cast<Ticks>(ticks >> 64); }

  void open_phase(Ticks start, std::uint8_t epoch, Ticks end) noexcept {
    index_ = 0;
    cursor_.restart();
    in_burst_ = 0;
    epoch_ = epoch;
    scheduled_ = FixedTicks{start} << 64;
    burst_start_ = scheduled_;
    on_start_ = scheduled_;
    phase_end_ = end;
    frames_left_ = kNever;
  }

  void close_phase() noexcept {
    if (!in_window_) {
      in_window_ = true;
      gap_ = traffic_->gap;
      mean_gap_ticks_ = traffic_->mean_gap_ticks;
      open_phase(traffic_->window_start, traffic_->epoch, traffic_->window_end);
      if (traffic_->window_frames != 0) frames_left_ = traffic_->window_frames;
      return;
    }
    over_ = true;
    // What the schedule still holds before the end was intended and never sent.
    if (traffic_->law == ArrivalLaw::back_to_back) return;
    while (whole(scheduled_) < phase_end_) {
      ++unsent_;
      advance();
    }
  }

  [[gnu::always_inline]] inline void advance() noexcept {
    ++index_;
    ++ordinal_;
    const std::uint32_t sent = cursor_.position();
    cursor_.advance();
    if (--frames_left_ == 0) phase_end_ = 0;
    switch (traffic_->law) {
      case ArrivalLaw::constant:
        scheduled_ += gap_[cursor_.position()];
        break;
      case ArrivalLaw::poisson: {
        const double gap =
            -std::log(drawn_unit(traffic_->seed ^ kPoissonSalt ^ epoch_, index_)) * mean_gap_ticks_;
        const auto whole_ticks = static_cast<std::uint64_t>(gap);
        const double rest = gap - static_cast<double>(whole_ticks);
        scheduled_ += FixedTicks{whole_ticks} << 64;
        scheduled_ += FixedTicks{static_cast<std::uint64_t>(rest * 0x1.0p32)} << 32;
        break;
      }
      case ArrivalLaw::burst:
        burst_start_ += gap_[sent];
        if (++in_burst_ == traffic_->burst_frames) {
          in_burst_ = 0;
          scheduled_ = burst_start_;
        } else {
          scheduled_ += traffic_->line_time[cursor_.position()];
        }
        break;
      case ArrivalLaw::on_off:
        scheduled_ += gap_[cursor_.position()];
        while (scheduled_ - on_start_ >= traffic_->on_ticks) {
          scheduled_ += traffic_->off_ticks;
          on_start_ += traffic_->on_ticks + traffic_->off_ticks;
        }
        break;
      case ArrivalLaw::back_to_back:
        break;
    }
  }

  void befall(WireFrame& event) noexcept {
    const FaultThresholds& faults = traffic_->faults;
    const std::uint64_t draw = drawn(traffic_->seed ^ kFaultSalt ^ epoch_, index_);
    if (draw >= faults.delay) [[likely]]
      return;
    if (draw < faults.drop) {
      event.event = WireEvent::dropped;
    } else if (draw < faults.duplicate) {
      event.event = WireEvent::doubled;
      copy_ = event.frame;
      copy_pending_ = true;
    } else if (draw < faults.reorder) {
      const std::uint64_t distance = drawn(draw, index_) % kReorderMost + 1;
      hold(event, static_cast<std::uint32_t>(distance) - 1, ordinal_ + distance * flow_stride());
    } else if (draw < faults.corrupt) {
      event.event = WireEvent::corrupt;
    } else {
      hold(event, kReorderMost, 0);
    }
  }

  // Frames from one of a flow to its next. Where flows are not in turn a frame waits for the next
  // ones of any flow.
  [[nodiscard]] std::uint64_t flow_stride() const noexcept {
    return traffic_->replay != nullptr || traffic_->slots != nullptr ? 1 : traffic_->flow_count;
  }

  // A full lane lets the frame pass unharmed.
  void hold(WireFrame& event, std::uint32_t lane_number, std::uint64_t after) noexcept {
    Lane& lane = lane_[lane_number];
    if (lane.tail - lane.head == traffic_->held_capacity) return;
    HeldFrame& held = slot(lane_number, lane.tail++);
    held.frame = event.frame;
    held.after = after;
    held.due = event.arrival + traffic_->delay_ticks;
    event.event = WireEvent::held;
    if (lane_number == kReorderMost) {
      if (next_due_ == kNever) next_due_ = held.due;
    } else if (after < next_release_) {
      next_release_ = after;
    }
  }

  HeldFrame& slot(std::uint32_t lane, std::uint32_t at) noexcept {
    return lanes_[std::uint64_t{lane} * traffic_->held_capacity +
                  (at & (traffic_->held_capacity - 1))];
  }

  bool put_on_line(WireFrame& event, const FrameIdentity& frame, Ticks earliest) noexcept {
    FixedTicks arrival = last_ + traffic_->line_time[frame.position];
    if (FixedTicks{earliest} << 64 > arrival) arrival = FixedTicks{earliest} << 64;
    last_ = arrival;
    event.arrival = whole(arrival);
    event.frame = frame;
    return true;
  }

  // The reordered frame whose turn it is.
  bool release(WireFrame& event) noexcept {
    std::uint32_t first = kReorderMost;
    std::uint64_t following = kNever;
    for (std::uint32_t lane = 0; lane < kReorderMost; ++lane) {
      if (lane_[lane].head == lane_[lane].tail) continue;
      const std::uint64_t after = slot(lane, lane_[lane].head).after;
      if (first == kReorderMost || after < slot(first, lane_[first].head).after) first = lane;
    }
    const HeldFrame held = slot(first, lane_[first].head++);
    for (std::uint32_t lane = 0; lane < kReorderMost; ++lane)
      if (lane_[lane].head != lane_[lane].tail && slot(lane, lane_[lane].head).after < following)
        following = slot(lane, lane_[lane].head).after;
    next_release_ = following;
    event.event = WireEvent::reordered;
    return put_on_line(event, held.frame, 0);
  }

  bool release_delayed(WireFrame& event) noexcept {
    Lane& lane = lane_[kReorderMost];
    const HeldFrame held = slot(kReorderMost, lane.head++);
    next_due_ = lane.head != lane.tail ? slot(kReorderMost, lane.head).due : kNever;
    event.event = WireEvent::delayed;
    return put_on_line(event, held.frame, held.due);
  }

  bool flush(WireFrame& event) noexcept {
    if (next_release_ != kNever) return release(event);
    if (next_due_ != kNever) return release_delayed(event);
    return false;
  }

  static constexpr std::uint64_t kPoissonSalt = 0x706f6973736f6e00U;
  static constexpr std::uint64_t kFaultSalt = 0x6661756c74730000U;

  const Traffic* traffic_ = nullptr;
  HeldFrame* lanes_ = nullptr;
  FrameCursor cursor_;
  const FixedTicks* gap_ = nullptr;  // of this phase, as the next
  double mean_gap_ticks_ = 0.0;
  FixedTicks last_ = 0;         // arrival of the latest frame
  FixedTicks scheduled_ = 0;    // of the next regular frame
  FixedTicks burst_start_ = 0;  // of the next burst
  FixedTicks on_start_ = 0;     // of the on time that the next frame falls into
  std::uint64_t index_ = 0;     // in its phase
  std::uint64_t ordinal_ = 0;   // over both phases
  std::uint32_t in_burst_ = 0;
  std::uint64_t frames_left_ = kNever;  // in this phase
  Ticks phase_end_ = 0;
  std::uint64_t next_release_ = kNever;  // smallest `after` of the held frames
  Ticks next_due_ = kNever;
  std::uint64_t unsent_ = 0;
  Lane lane_[kHeldLanes];
  FrameIdentity copy_;
  bool copy_pending_ = false;
  bool in_window_ = false;
  bool over_ = false;
  std::uint8_t epoch_ = 0;
};

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
