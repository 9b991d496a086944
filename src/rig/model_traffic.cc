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

// Gaps are a hair long, so that the frame that is due at the window's very end falls behind it.
constexpr long double kHairLong = 1.0L + 0x1p-50L;
constexpr std::uint32_t kWidestTrackerWindow = 1024;

FixedTicks fixed(long double ticks) {
  const long double whole = std::floor(ticks);
  return FixedTicks{static_cast<std::uint64_t>(whole)} << 64 |
         static_cast<std::uint64_t>((ticks - whole) * 0x1.0p64L);
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
                                           const Reta& reta, double tsc_hz, const Capture* capture,
                                           const PatternSet* patterns) {
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
    PM_TRY(made.set_, FlowSet::prepare(wanted, flow_seed(order), std::nullopt));
    for (std::size_t flow = 0; flow < made.set_.flows.size(); ++flow)
      tuples.push_back(rss_tuple(made.set_.header(flow), fields));
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
    for (std::size_t at = 0; at < made.set_.flows.size(); ++at) {
      made.set_.flows[at].rss_hash = hashes[at];
      made.set_.flows[at].queue = queue_of_hash(at);
    }
    if (patterns != nullptr) PM_TRYV(made.make_payloads(*patterns, wanted.hit_ratio, order.seed));
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
  const auto stretch_of = [line_pps](double pps) {
    const bool at_line = pps == 0.0 || pps > line_pps * (1.0 - 1e-9);
    return at_line ? 1.0L : static_cast<long double>(line_pps) / pps;
  };
  const long double stretch = stretch_of(wanted.intended_pps);
  if (wanted.warmup_pps > line_pps * (1.0 + 1e-9))
    return fail(
        Errc::bad_experiment,
        fmt::format("load of the warm-up: {:.0f} pps exceed the line; allowed: up to {:.0f} "
                    "pps",
                    wanted.warmup_pps, line_pps));
  const bool has_warmup_load = wanted.warmup_pps > 0.0 && wanted.intended_pps > 0.0;
  const Arrivals& arrivals = wanted.arrivals;
  const bool on_off = arrivals.kind == ArrivalKind::on_off;
  const long double on_share =
      on_off ? static_cast<long double>(arrivals.on_ns) / (arrivals.on_ns + arrivals.off_ns) : 1.0L;
  if (stretch * on_share < 1.0L - 1e-9L)
    return fail(Errc::bad_experiment, "load: exceeds the line while on");
  long double longest = 0.0L;
  for (const int bytes : frame_bytes) {
    const long double ticks = 8.0L * (bytes + kWireOverheadBytes) /
                              static_cast<long double>(order.model.link_bps) * tsc_hz;
    longest = std::max(longest, ticks);
    made.line_time_.push_back(fixed(ticks));
    made.gap_.push_back(fixed(ticks * stretch * on_share * kHairLong));
    if (has_warmup_load)
      made.warmup_gap_.push_back(
          fixed(ticks * stretch_of(wanted.warmup_pps) * on_share * kHairLong));
  }
  double pps = stretch > 1.0L ? wanted.intended_pps : line_pps;
  const bool recorded = wanted.kind == TrafficKind::replay && wanted.timing != ReplayTiming::rate;
  if (recorded) {
    PM_TRY(pps, made.take_recorded_gaps(wanted, *capture, tsc_hz));
    if (pps > line_pps * (1.0 + 1e-9))
      return fail(
          Errc::bad_experiment,
          fmt::format("timing {}: {:.0f} pps exceed the line; allowed: up to {:.0f} pps, by "
                      "time_scale",
                      name_of(wanted.timing), pps, line_pps));
  }

  Traffic& traffic = made.traffic_;
  traffic.stack = made.set_.stack;
  traffic.replay_count = static_cast<std::uint32_t>(made.replay_.size());
  traffic.seed = order.seed;
  traffic.mean_gap_ticks = tsc_hz / pps;
  if (has_warmup_load) traffic.warmup_mean_gap_ticks = tsc_hz / wanted.warmup_pps;
  if (on_off) {
    traffic.on_ticks = fixed(static_cast<long double>(arrivals.on_ns) * 1e-9L * tsc_hz);
    traffic.off_ticks = fixed(static_cast<long double>(arrivals.off_ns) * 1e-9L * tsc_hz);
  }
  traffic.burst_frames = static_cast<std::uint32_t>(std::max(1, wanted.arrivals.burst_frames));
  if (wanted.intended_pps == 0.0 && !recorded) {
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
      case ArrivalKind::on_off:
        traffic.law = ArrivalLaw::on_off;
        break;
    }
  }
  traffic.epoch = order.epoch;
  traffic.warmup_epoch = order.epoch ^ 0x80U;
  traffic.window_start = static_cast<Ticks>(
      std::max(static_cast<long double>(order.warmup_seconds) * tsc_hz, 4.0L * longest + 4.0L));
  traffic.window_end =
      traffic.window_start + static_cast<Ticks>(static_cast<long double>(order.seconds) * tsc_hz);
  made.window_seconds_ = order.seconds;
  if (wanted.kind == TrafficKind::replay && wanted.loops > 0) {
    traffic.window_frames = static_cast<std::uint64_t>(wanted.loops) * made.replay_.size();
    const double seconds = static_cast<double>(traffic.window_frames) / pps;
    if (seconds < order.seconds) {
      made.window_seconds_ = seconds;
      // The last frame may come late by what stood before it on the line.
      traffic.window_end =
          traffic.window_start +
          static_cast<Ticks>(static_cast<long double>(seconds) * tsc_hz + 4.0L * longest + 4.0L);
    }
  }

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
  const double delayed_pkts =
      std::max(pps, wanted.warmup_pps) * static_cast<double>(faults.delay_ns) * 1e-9;
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

Result<double> ModelTraffic::take_recorded_gaps(const TrafficOrder& wanted, const Capture& capture,
                                                double tsc_hz) {
  const double scale = wanted.timing == ReplayTiming::scaled ? wanted.time_scale : 1.0;
  long double sum_ns = 0.0L;
  gap_.clear();
  for (const std::int64_t ns : recorded_gaps_ns(capture)) {
    const long double scaled_ns = static_cast<long double>(ns) * scale;
    sum_ns += scaled_ns;
    gap_.push_back(fixed(scaled_ns * 1e-9L * tsc_hz * kHairLong));
  }
  if (!(sum_ns > 0.0L))
    return fail(Errc::bad_experiment,
                fmt::format("timing {}: no time passes in the capture; allowed: timing = \"rate\"",
                            name_of(wanted.timing)));
  return static_cast<double>(static_cast<long double>(gap_.size()) / (sum_ns * 1e-9L));
}

Result<void> ModelTraffic::make_payloads(const PatternSet& patterns, double hit_ratio,
                                         std::uint64_t seed) {
  std::vector<std::uint32_t> sizes_bytes;
  for (const FrameShape& shape : set_.shapes)
    sizes_bytes.push_back(shape.data_bytes - set_.stack.least_bytes());
  PM_TRY(hit_payloads_, make_hit_payloads(patterns, hit_ratio, sizes_bytes, seed));
  for (std::uint32_t payload = 0; payload < hit_payloads_.count; ++payload)
    for (const std::uint32_t bytes : sizes_bytes)
      payload_sums_.push_back(folded(sum_words(
          hit_payloads_.bytes.data() + std::size_t{payload} * hit_payloads_.stride_bytes, bytes)));
  return {};
}

Traffic ModelTraffic::traffic() const {
  Traffic traffic = traffic_;
  const Traffic generated = set_.traffic();
  traffic.flows = generated.flows;
  traffic.flow_count = generated.flow_count;
  traffic.shapes = generated.shapes;
  traffic.shape_count = generated.shape_count;
  traffic.payload = generated.payload;
  traffic.slots = generated.slots;
  traffic.slot_count = generated.slot_count;
  traffic.flow_per_pass = generated.flow_per_pass;
  traffic.tall = generated.tall;
  if (hit_payloads_.count > 0) {
    traffic.payload = hit_payloads_.bytes.data();
    traffic.payload_of = hit_payloads_.payload_of.data();
    traffic.payload_sums = payload_sums_.data();
    traffic.payload_mask = kPayloadSlots - 1;
    traffic.payload_stride_bytes = hit_payloads_.stride_bytes;
  }
  traffic.replay = is_replay() ? replay_.data() : nullptr;
  traffic.line_time = line_time_.data();
  traffic.gap = gap_.data();
  if (!warmup_gap_.empty()) traffic.warmup_gap = warmup_gap_.data();
  return traffic;
}

std::uint32_t ModelTraffic::flow_count() const {
  return is_replay() ? kReplayFlows : static_cast<std::uint32_t>(set_.flows.size());
}

std::vector<std::uint16_t> ModelTraffic::queue_of() const {
  std::vector<std::uint16_t> queues;
  for (const ReplayFrame& frame : replay_) queues.push_back(frame.queue);
  for (const Flow& flow : set_.flows) queues.push_back(flow.queue);
  return queues;
}

std::vector<std::uint16_t> ModelTraffic::queue_of_flow() const {
  if (!is_replay()) return queue_of();
  std::vector<std::uint16_t> queues(kReplayFlows, 0);
  for (const ReplayFrame& frame : replay_) queues[frame.flow] = frame.queue;
  return queues;
}

std::vector<std::uint32_t> ModelTraffic::sent_per_flow(std::uint64_t frames) const {
  if (!is_replay()) return set_.sent_per_flow(frames);
  std::vector<std::uint32_t> sent(flow_count(), 0);
  const std::uint64_t passes = frames / replay_.size();
  const std::uint64_t rest = frames % replay_.size();
  for (std::size_t at = 0; at < replay_.size(); ++at)
    sent[replay_[at].flow] += static_cast<std::uint32_t>(passes + (at < rest ? 1 : 0));
  return sent;
}

std::vector<double> ModelTraffic::expected_shares(int queues) const {
  std::vector<double> shares(static_cast<std::size_t>(queues), 0.0);
  const std::vector<std::uint16_t> all = queue_of();
  double sum = 0.0;
  for (std::size_t at = 0; at < all.size(); ++at) {
    const double weight = set_.slots.empty() ? 1.0 : static_cast<double>(set_.flow_per_pass[at]);
    shares[all[at]] += weight;
    sum += weight;
  }
  for (double& share : shares) share /= sum;
  return shares;
}

}  // namespace pollmark
