#include "rig/frame_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/line_rate.h"
#include "datapath/lateness.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kShortest = kMinFrameBytes - kFcsBytes;

}  // namespace

Result<FrameSource> FrameSource::open(const TrialOrder& order, const NetdevPlace& place,
                                      double tsc_hz) {
  FrameSource made;
  made.order_ = order;
  made.tsc_hz_ = tsc_hz;
  if (order.traffic.intended_pps > 0.0 && order.traffic.load.unit != LoadUnit::max)
    made.ticks_per_frame_ = tsc_hz / order.traffic.intended_pps;
  if (order.traffic.kind == TrafficKind::replay) {
    PM_TRYV(made.take_capture(place));
  } else {
    PM_TRY(made.set_, FlowSet::prepare(order.traffic, flow_seed(order), place));
  }
  if (made.ticks_per_frame_ == 0.0 && order.traffic.load.unit != LoadUnit::max)
    return fail(Errc::bad_experiment, "load: must be above zero");
  made.says_lateness_ =
      carries_lateness(order.traffic, made.set_.stack, made.ticks_per_frame_, tsc_hz);
  made.share_frames();
  return made;
}

Result<void> FrameSource::take_capture(const NetdevPlace& place) {
  const TrafficOrder& wanted = order_.traffic;
  PM_TRY(capture_, load_capture(capture_order(wanted)));
  const std::size_t largest = static_cast<std::size_t>(place.mtu) + kEthernetBytes;
  for (std::size_t i = 0; i < capture_.frames.size(); ++i) {
    // What a sender would put on the line: never below the shortest frame.
    std::vector<std::uint8_t>& bytes = capture_.frames[i].bytes;
    if (bytes.size() > largest)
      return fail(Errc::bad_experiment,
                  fmt::format("frame {} has {} bytes without FCS; {} carries {}", i + 1,
                              bytes.size(), place.netdev, largest),
                  wanted.pcap);
    bytes.resize(std::max<std::size_t>(bytes.size(), kShortest), 0);
    ReplayFrame replayed;
    replayed.data = bytes.data();
    replayed.data_bytes = static_cast<std::uint32_t>(bytes.size());
    replay_.push_back(replayed);
  }
  if (wanted.timing == ReplayTiming::rate) return {};
  const double scale = wanted.timing == ReplayTiming::scaled ? wanted.time_scale : 1.0;
  double sum_ticks = 0.0;
  for (const std::int64_t ns : recorded_gaps_ns(capture_)) {
    const double ticks = static_cast<double>(ns) * scale * 1e-9 * tsc_hz_;
    gaps_.push_back(FixedTicks{static_cast<std::uint64_t>(ticks * 0x1.0p16)} << 48);
    sum_ticks += ticks;
  }
  if (!(sum_ticks > 0.0))
    return fail(Errc::bad_experiment,
                fmt::format("timing {}: no time passes in the capture; allowed: timing = \"rate\"",
                            name_of(wanted.timing)),
                wanted.pcap);
  ticks_per_frame_ = sum_ticks / static_cast<double>(gaps_.size());
  return {};
}

void FrameSource::share_frames() {
  const std::size_t lcores = std::max<std::size_t>(1, order_.generator_lcores.size());
  std::vector<std::uint8_t> owner_of;
  if (is_replay()) {
    owner_of = owners_of_capture(replay_, static_cast<int>(lcores));
  } else if (set_.slots.empty()) {
    for (std::size_t flow = 0; flow < set_.flows.size(); ++flow)
      owner_of.push_back(static_cast<std::uint8_t>(flow % lcores));
  } else {
    for (const FlowSlot& slot : set_.slots)
      owner_of.push_back(static_cast<std::uint8_t>(slot.flow % lcores));
  }
  shares_ = share_out(owner_of, static_cast<int>(lcores));
}

Traffic FrameSource::traffic() const {
  Traffic traffic = set_.traffic();
  if (is_replay()) {
    traffic.replay = replay_.data();
    traffic.replay_count = static_cast<std::uint32_t>(replay_.size());
  }
  return traffic;
}

PacerOrder FrameSource::pacing(Ticks start, TrialPhase phase) const {
  const bool warmup = phase == TrialPhase::warmup;
  PacerOrder pacing;
  pacing.start = start;
  pacing.end =
      start + static_cast<Ticks>((warmup ? order_.warmup_seconds : order_.seconds) * tsc_hz_);
  pacing.seed = order_.seed ^ (warmup ? 1U : 0U);
  if (order_.traffic.loops > 0 && is_replay())
    pacing.slots = static_cast<std::uint64_t>(order_.traffic.loops) * replay_.size();
  const double warmup_pps = order_.traffic.warmup_pps;
  pacing.ticks_per_frame =
      warmup && has_schedule() && warmup_pps > 0.0 ? tsc_hz_ / warmup_pps : ticks_per_frame_;
  if (!gaps_.empty()) {
    pacing.gaps = gaps_.data();
    pacing.gap_count = static_cast<std::uint32_t>(gaps_.size());
    return pacing;
  }
  if (!has_schedule()) {
    pacing.law = ArrivalLaw::back_to_back;
    return pacing;
  }
  const Arrivals& arrivals = order_.traffic.arrivals;
  pacing.burst_frames = static_cast<std::uint32_t>(std::max(1, arrivals.burst_frames));
  pacing.on_ticks = static_cast<Ticks>(static_cast<double>(arrivals.on_ns) * 1e-9 * tsc_hz_);
  pacing.off_ticks = static_cast<Ticks>(static_cast<double>(arrivals.off_ns) * 1e-9 * tsc_hz_);
  switch (arrivals.kind) {
    case ArrivalKind::constant:
      pacing.law = ArrivalLaw::constant;
      break;
    case ArrivalKind::poisson:
      pacing.law = ArrivalLaw::poisson;
      break;
    case ArrivalKind::burst:
      pacing.law = ArrivalLaw::burst;
      break;
    case ArrivalKind::on_off:
      pacing.law = ArrivalLaw::on_off;
      break;
  }
  return pacing;
}

double FrameSource::window_seconds() const {
  if (order_.traffic.loops == 0 || !is_replay()) return order_.seconds;
  const double frames =
      static_cast<double>(order_.traffic.loops) * static_cast<double>(replay_.size());
  return std::min(order_.seconds, frames * ticks_per_frame_ / tsc_hz_);
}

std::int64_t FrameSource::bytes_of_first(const LcoreShare& share, std::int64_t frames) const {
  std::vector<std::uint32_t> sizes;
  for (const ReplayFrame& frame : replay_) sizes.push_back(frame.data_bytes + kFcsBytes);
  for (const FrameShape& shape : set_.shapes) sizes.push_back(shape.wire_bytes);
  return pollmark::bytes_of_first(share, frames, sizes);
}

void FrameSource::count_sent(const LcoreShare& share, std::int64_t frames,
                             std::vector<std::uint32_t>& sent_per_flow) const {
  if (is_replay()) return;
  sent_per_flow.resize(set_.flows.size());
  visit_first(share, frames, [&](std::uint32_t position, std::int64_t times) {
    const std::uint32_t flow = set_.slots.empty() ? position : set_.slots[position].flow;
    sent_per_flow[flow] += static_cast<std::uint32_t>(times);
  });
}

std::uint32_t FrameSource::largest_data_bytes() const {
  std::uint32_t largest = kShortest;
  for (const ReplayFrame& frame : replay_) largest = std::max(largest, frame.data_bytes);
  for (const FrameShape& shape : set_.shapes) largest = std::max(largest, shape.data_bytes);
  return largest;
}

FrameStream::FrameStream(const FrameSource& source, const LcoreShare& share)
    : traffic_(source.traffic()), share_(share), says_lateness_(source.says_lateness()) {
  if (!source.is_replay() && source.set().stack.l4 == L4Kind::tcp)
    tcp_bytes_.resize(source.set().flows.size());
  cursor_.open(traffic_, tcp_bytes_.empty() ? nullptr : tcp_bytes_.data());
  restart();
}

void FrameStream::restart() noexcept {
  cursor_.restart();
  at_ = 0;
  for (std::uint32_t other = 0; other < share_.first; ++other) cursor_.advance();
}

template <Sharing kSharing>
std::uint32_t FrameStream::next(std::uint8_t* data, std::uint8_t epoch, Ticks due,
                                Ticks now) noexcept {
  FrameIdentity frame;
  cursor_.identify(frame);
  cursor_.advance();
  if constexpr (kSharing == Sharing::shared) {
    for (std::uint32_t step = share_.steps[at_]; step > 1; --step) cursor_.advance();
    if (++at_ == share_.steps.size()) at_ = 0;
  }
  if (traffic_.replay != nullptr) {
    const ReplayFrame& replayed = traffic_.replay[frame.position];
    std::memcpy(data, replayed.data, replayed.data_bytes);
    return replayed.data_bytes;
  }
  const FrameShape& shape = traffic_.shapes[frame.position];
  const Stamp stamp{kStampMagic, epoch, static_cast<std::uint16_t>(frame.flow), frame.sequence,
                    now};
  if (traffic_.tall == nullptr)
    build_frame(data, traffic_.flows[frame.flow], shape, stamp, traffic_.payload);
  else
    build_any_frame(data, traffic_.stack, traffic_.tall[frame.flow], shape, stamp,
                    frame.tcp_sequence, traffic_.payload);
  if (says_lateness_) put_lateness(data, traffic_.stack, now - due);
  return shape.data_bytes;
}

template <Sharing kSharing>
void FrameStream::take_back(std::uint32_t frames) noexcept {
  for (; frames > 0; --frames) {
    cursor_.step_back();
    if constexpr (kSharing == Sharing::shared) {
      at_ = (at_ == 0 ? share_.steps.size() : at_) - 1;
      for (std::uint32_t step = share_.steps[at_]; step > 1; --step) cursor_.step_back();
    }
  }
}

template std::uint32_t FrameStream::next<Sharing::alone>(std::uint8_t*, std::uint8_t, Ticks,
                                                         Ticks) noexcept;
template std::uint32_t FrameStream::next<Sharing::shared>(std::uint8_t*, std::uint8_t, Ticks,
                                                          Ticks) noexcept;
template void FrameStream::take_back<Sharing::alone>(std::uint32_t) noexcept;
template void FrameStream::take_back<Sharing::shared>(std::uint32_t) noexcept;

}  // namespace pollmark
