#include "rig/model_traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/line_rate.h"
#include "datapath/model_link.h"
#include "datapath/stage.h"

namespace pollmark {
namespace {

constexpr std::uint64_t kFlowSalt = 0x666c6f7773000000U;
constexpr std::int64_t kPayloadBytes = 16384;
constexpr int kLargestFrameBytes = kCapturedFrameMostBytes + kFcsBytes;
constexpr std::uint32_t kWidestTrackerWindow = 1024;

FixedTicks fixed(long double ticks) {
  const long double whole = std::floor(ticks);
  return FixedTicks{static_cast<std::uint64_t>(whole)} << 64 |
         static_cast<std::uint64_t>((ticks - whole) * 0x1.0p64L);
}

std::uint16_t network_16(std::int64_t value) {
  return __builtin_bswap16(static_cast<std::uint16_t>(value));
}

void put_16(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

// Source 198.18.x.y with the flow's number in x.y, so that no two flows are alike; the rest drawn.
Flow make_flow(std::uint32_t number, std::uint64_t seed) {
  Flow flow{};
  std::uint8_t* header = flow.header;
  const std::uint64_t draw = drawn(seed ^ kFlowSalt, number);
  const std::array<std::uint8_t, 14> ethernet = {0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 1, 8, 0};
  std::copy(ethernet.begin(), ethernet.end(), header);
  std::uint8_t* ip = header + kEthernetBytes;
  ip[0] = 0x45;
  put_16(ip + 6, 0x4000);  // do not fragment
  ip[8] = 64;
  ip[9] = 17;
  ip[12] = 198;
  ip[13] = 18;
  put_16(ip + 14, number);
  ip[16] = 198;
  ip[17] = 19;
  put_16(ip + 18, static_cast<std::uint32_t>(draw & 0xffff));
  std::uint8_t* udp = ip + kIpv4Bytes;
  put_16(udp, 1024 + static_cast<std::uint32_t>(draw >> 16 & 0x7fff));
  put_16(udp + 2, 1024 + static_cast<std::uint32_t>(draw >> 32 & 0x7fff));
  flow.ipv4_sum = folded(sum_words(ip, kIpv4Bytes));
  flow.udp_sum = folded(sum_words(ip + 12, 12) + network_16(17));
  return flow;
}

std::uint64_t threshold(double probability) {
  return probability >= 1.0 ? ~std::uint64_t{0}
                            : static_cast<std::uint64_t>(std::ldexp(probability, 64));
}

// An offset that the frame's own checksum covers, to damage; the last byte where there is none.
std::uint32_t damaged_at(std::vector<std::uint8_t>& bytes) {
  const std::uint8_t sound =
      verify_checksums(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  const auto last = static_cast<std::uint32_t>(bytes.size()) - 1;
  if ((sound & kL4Good) == 0) return last;
  for (std::uint32_t at = last; at > kEthernetBytes + kIpv4Bytes; --at) {
    bytes[at] ^= 0x40;
    const std::uint8_t verdict =
        verify_checksums(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
    bytes[at] ^= 0x40;
    if ((verdict & kL4Bad) != 0) return at;
  }
  return last;
}

}  // namespace

Result<ModelTraffic> ModelTraffic::prepare(const TrialOrder& order, const HotLevel& level,
                                           const Reta& reta, double tsc_hz,
                                           const Capture* capture) {
  ModelTraffic made;
  const TrafficOrder& wanted = order.traffic;
  PM_TRY(const RssFields fields, parse_rss_fields(order.receiver.rss_fields));

  std::vector<int> frame_bytes;  // incl. FCS
  std::vector<RssTuple> tuples;
  if (wanted.kind == TrafficKind::replay) {
    PM_CHECK(capture != nullptr && !capture->frames.empty());
    for (const CapturedFrame& frame : capture->frames) {
      made.replay_bytes_.push_back(frame.bytes);
      // What a sender would put on the line: never below the shortest frame.
      if (made.replay_bytes_.back().size() < kMinFrameBytes - kFcsBytes)
        made.replay_bytes_.back().resize(kMinFrameBytes - kFcsBytes, 0);
      frame_bytes.push_back(static_cast<int>(made.replay_bytes_.back().size()) + kFcsBytes);
      tuples.push_back(rss_tuple(made.replay_bytes_.back(), fields));
    }
  } else {
    frame_bytes = wanted.frame_bytes;
    if (frame_bytes.empty()) return fail(Errc::bad_experiment, "frame: no size given");
    for (const int bytes : frame_bytes)
      if (bytes < kMinFrameBytes || bytes > kLargestFrameBytes)
        return fail(Errc::bad_experiment,
                    fmt::format("frame: {} bytes; allowed: {} to {} (incl. FCS)", bytes,
                                kMinFrameBytes, kLargestFrameBytes));
    if (wanted.flows < 1 || wanted.flows > 65536)
      return fail(Errc::bad_experiment,
                  fmt::format("flows: {}; allowed: 1 to 65536", wanted.flows));
    for (int number = 0; number < wanted.flows; ++number) {
      made.flows_.push_back(make_flow(static_cast<std::uint32_t>(number), order.seed));
      tuples.push_back(rss_tuple({made.flows_.back().header, kHeaderBytes}, fields));
    }
  }
  made.largest_data_bytes_ = *std::max_element(frame_bytes.begin(), frame_bytes.end()) - kFcsBytes;

  const std::vector<std::uint32_t> hashes = rss_hashes(level, microsoft_key(), tuples);
  const auto queue_of_hash = [&](std::size_t at) -> std::uint16_t {
    if (tuples[at].length == 0) return 0;
    return reta[hashes[at] % kRetaEntries];
  };
  if (wanted.kind == TrafficKind::replay) {
    std::array<std::uint32_t, kReplayFlows> sequence{};
    for (std::size_t at = 0; at < tuples.size(); ++at) {
      ReplayFrame frame;
      std::vector<std::uint8_t>& bytes = made.replay_bytes_[at];
      frame.data = bytes.data();
      frame.data_bytes = static_cast<std::uint32_t>(bytes.size());
      frame.rss_hash = hashes[at];
      frame.flow = static_cast<std::uint16_t>(tuples[at].length == 0 ? kRetaEntries
                                                                     : hashes[at] % kRetaEntries);
      frame.queue = queue_of_hash(at);
      frame.sequence = sequence[frame.flow]++;
      frame.verdict = verify_checksums(frame.data, frame.data_bytes);
      frame.flip_at = damaged_at(bytes);
      bytes[frame.flip_at] ^= 0x40;
      frame.flipped_verdict = verify_checksums(frame.data, frame.data_bytes);
      bytes[frame.flip_at] ^= 0x40;
      made.replay_.push_back(frame);
    }
    for (ReplayFrame& frame : made.replay_) frame.flow_per_pass = sequence[frame.flow];
  } else {
    for (std::size_t at = 0; at < made.flows_.size(); ++at) {
      made.flows_[at].rss_hash = hashes[at];
      made.flows_[at].queue = queue_of_hash(at);
    }
    made.payload_.resize(kPayloadBytes);
    for (std::size_t at = 0; at < made.payload_.size(); ++at)
      made.payload_[at] = static_cast<std::uint8_t>(drawn(1, at));
    for (const int bytes : frame_bytes) {
      FrameShape shape;
      shape.wire_bytes = static_cast<std::uint32_t>(bytes);
      shape.data_bytes = static_cast<std::uint32_t>(bytes - kFcsBytes);
      shape.ipv4_length = network_16(bytes - kFcsBytes - int{kEthernetBytes});
      shape.udp_length = network_16(bytes - kFcsBytes - int{kEthernetBytes} - int{kIpv4Bytes});
      shape.payload_sum = folded(sum_words(made.payload_.data(), shape.data_bytes - kStampedBytes));
      made.shapes_.push_back(shape);
    }
  }

  // The schedule.
  const double mean_bytes = mean_frame_bytes(frame_bytes);
  const double line_pps = line_rate_pps(order.model.link_bps, mean_bytes);
  if (wanted.intended_pps > line_pps * (1.0 + 1e-9))
    return fail(Errc::bad_experiment,
                fmt::format("load: {:.0f} pps exceed the line; allowed: up to {:.0f} pps",
                            wanted.intended_pps, line_pps));
  if (wanted.intended_pps < 0.0 || !(line_pps > 0.0))
    return fail(Errc::bad_experiment, "load: must be above zero");
  // A frame's share of the schedule is its share of the line: a mix at 60 % leaves the same part of
  // the line idle behind every frame.
  const bool at_line = wanted.intended_pps == 0.0 || wanted.intended_pps > line_pps * (1.0 - 1e-9);
  const long double stretch =
      at_line ? 1.0L : static_cast<long double>(line_pps) / wanted.intended_pps;
  long double longest = 0.0L;
  for (const int bytes : frame_bytes) {
    const long double ticks = 8.0L * (bytes + kWireOverheadBytes) /
                              static_cast<long double>(order.model.link_bps) * tsc_hz;
    longest = std::max(longest, ticks);
    made.line_time_.push_back(fixed(ticks));
    // A hair long, so that the frame that is due at the window's very end falls behind it.
    made.gap_.push_back(fixed(ticks * stretch * (1.0L + 0x1p-50L)));
  }
  const double pps = at_line ? line_pps : wanted.intended_pps;

  Traffic& traffic = made.traffic_;
  traffic.flow_count = static_cast<std::uint32_t>(made.flows_.size());
  traffic.shape_count = static_cast<std::uint32_t>(made.shapes_.size());
  traffic.replay_count = static_cast<std::uint32_t>(made.replay_.size());
  traffic.seed = order.seed;
  traffic.mean_gap_ticks = tsc_hz / pps;
  traffic.burst_frames = static_cast<std::uint32_t>(std::max(1, wanted.arrivals.burst_frames));
  if (wanted.intended_pps == 0.0) {
    traffic.law = ArrivalLaw::back_to_back;
  } else {
    switch (wanted.arrivals.kind) {
      case ArrivalKind::constant:
        traffic.law = ArrivalLaw::constant;
        break;
      case ArrivalKind::poisson:
        traffic.law = ArrivalLaw::poisson;
        break;
      case ArrivalKind::burst:
        traffic.law = ArrivalLaw::burst;
        break;
    }
  }
  traffic.epoch = order.epoch;
  traffic.warmup_epoch = order.epoch ^ 0x80U;
  traffic.window_start = static_cast<Ticks>(
      std::max(static_cast<long double>(order.warmup_seconds) * tsc_hz, 4.0L * longest + 4.0L));
  traffic.window_end =
      traffic.window_start + static_cast<Ticks>(static_cast<long double>(order.seconds) * tsc_hz);

  const FaultOrder& faults = order.model.faults;
  const std::array<double, 5> parts = {faults.drop, faults.duplicate, faults.reorder,
                                       faults.corrupt, faults.delay};
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  if (std::any_of(parts.begin(), parts.end(), [](double part) { return !(part >= 0.0); }) ||
      sum > 1.0 + 1e-12 || faults.delay_ns < 0)
    return fail(Errc::bad_experiment, "faults: each is a probability, and their sum at most 1");
  traffic.has_faults = sum > 0.0;
  double so_far = 0.0;
  const auto next = [&](double part) { return threshold(so_far += part); };
  traffic.faults.drop = next(faults.drop);
  traffic.faults.duplicate = next(faults.duplicate);
  traffic.faults.reorder = next(faults.reorder);
  traffic.faults.corrupt = next(faults.corrupt);
  traffic.faults.delay = next(faults.delay);
  traffic.delay_ticks = static_cast<Ticks>(static_cast<double>(faults.delay_ns) * tsc_hz * 1e-9);

  // Frames that the link can hold at once: those of its flow that overtake a reordered one, or all
  // that come while one is delayed.
  const double delayed_pkts = pps * static_cast<double>(faults.delay_ns) * 1e-9;
  const double reordered_pkts =
      static_cast<double>(kReorderMost) *
      (wanted.kind == TrafficKind::replay ? 1.0 : static_cast<double>(wanted.flows));
  traffic.held_capacity = static_cast<std::uint32_t>(std::bit_ceil(static_cast<std::uint64_t>(
      2.0 * std::max(faults.delay * delayed_pkts, faults.reorder * reordered_pkts) + 1024.0)));
  // A late frame must still be in the tracker's window.
  double behind = faults.reorder > 0.0 ? 2.0 * kReorderMost : 0.0;
  if (faults.delay > 0.0) {
    const double flows_active =
        wanted.kind == TrafficKind::replay ? 1.0 : static_cast<double>(wanted.flows);
    behind = std::max(behind, 1.5 * delayed_pkts / flows_active + 2.0 * kReorderMost);
  }
  if (behind > kWidestTrackerWindow)
    return fail(
        Errc::bad_experiment,
        fmt::format("faults: a delay of {} ns lets {:.0f} frames of its flow pass; allowed: "
                    "fewer than {}: more flows, or a shorter delay",
                    faults.delay_ns, behind, kWidestTrackerWindow));
  made.tracker_window_ = std::max(
      256U, static_cast<std::uint32_t>(std::bit_ceil(static_cast<std::uint64_t>(behind) + 1)));
  return made;
}

Traffic ModelTraffic::traffic() const {
  Traffic traffic = traffic_;
  traffic.flows = flows_.data();
  traffic.shapes = shapes_.data();
  traffic.payload = payload_.data();
  traffic.replay = is_replay() ? replay_.data() : nullptr;
  traffic.line_time = line_time_.data();
  traffic.gap = gap_.data();
  return traffic;
}

std::uint32_t ModelTraffic::flow_count() const {
  return is_replay() ? kReplayFlows : static_cast<std::uint32_t>(flows_.size());
}

std::vector<std::uint16_t> ModelTraffic::queue_of() const {
  std::vector<std::uint16_t> queues;
  for (const ReplayFrame& frame : replay_) queues.push_back(frame.queue);
  for (const Flow& flow : flows_) queues.push_back(flow.queue);
  return queues;
}

std::vector<std::uint16_t> ModelTraffic::queue_of_flow() const {
  if (!is_replay()) return queue_of();
  std::vector<std::uint16_t> queues(kReplayFlows, 0);
  for (const ReplayFrame& frame : replay_) queues[frame.flow] = frame.queue;
  return queues;
}

std::vector<std::uint32_t> ModelTraffic::sent_per_flow(std::uint64_t frames) const {
  std::vector<std::uint32_t> sent(flow_count(), 0);
  if (is_replay()) {
    const std::uint64_t passes = frames / replay_.size();
    const std::uint64_t rest = frames % replay_.size();
    for (std::size_t at = 0; at < replay_.size(); ++at)
      sent[replay_[at].flow] += static_cast<std::uint32_t>(passes + (at < rest ? 1 : 0));
  } else {
    for (std::size_t flow = 0; flow < sent.size(); ++flow)
      sent[flow] =
          static_cast<std::uint32_t>(frames / sent.size() + (flow < frames % sent.size() ? 1 : 0));
  }
  return sent;
}

std::vector<double> ModelTraffic::expected_shares(int queues) const {
  std::vector<double> shares(static_cast<std::size_t>(queues), 0.0);
  const std::vector<std::uint16_t> all = queue_of();
  for (const std::uint16_t queue : all) shares[queue] += 1.0 / static_cast<double>(all.size());
  return shares;
}

}  // namespace pollmark
