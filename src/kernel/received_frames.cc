#include "kernel/received_frames.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "base/line_rate.h"
#include "host/numa_placement.h"
#include "kernel/frame_payload.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kTrackerWindow = 1024;

std::uint64_t sum_of_payload(const std::uint8_t* payload, std::size_t bytes) {
  std::uint64_t sum = 0;
  std::size_t at = 0;
  for (; at + sizeof sum <= bytes; at += sizeof sum) {
    std::uint64_t word;
    std::memcpy(&word, payload + at, sizeof word);
    sum += word;
  }
  for (; at < bytes; ++at) sum += payload[at];
  return sum;
}

}  // namespace

ReceivedFrames::ReceivedFrames(const TrialOrder& order, double tsc_hz)
    : stage_(order.receiver.stage),
      epoch_(order.epoch),
      planted_stop_ns_(order.planted_stop_ns),
      stop_after_s_(order.seconds / 2.0),
      tsc_hz_(tsc_hz),
      tracker_(static_cast<std::uint32_t>(order.traffic.flows), kTrackerWindow) {}

void ReceivedFrames::take(const std::uint8_t* payload, std::size_t payload_bytes,
                          std::int64_t frame_bytes, std::uint64_t now) {
  const auto stamp = PayloadStamp::read(payload, payload_bytes);
  if (!stamp || stamp->flow >= tracker_.flows()) {
    take_foreign();
    return;
  }
  if (stamp->epoch != epoch_) {
    // Nothing but the warm-up precedes the window: the receiver is new with the trial.
    warmup_pkts_.fetch_add(1, std::memory_order_release);
    if (window_opened_tsc_ != 0) ++late_pkts_;
    return;
  }
  if (window_opened_tsc_ == 0) open_window(now);
  last_arrival_tsc_ = now;
  const std::int64_t gaps = tracker_.totals().gaps;
  const Arrival arrival = tracker_.record(stamp->flow, stamp->sequence);
  if (tracker_.totals().gaps != gaps) {
    if (first_loss_tsc_ == 0) first_loss_tsc_ = now;
    last_loss_tsc_ = now;
  }
  if (arrival == Arrival::duplicate || arrival == Arrival::stale) {
    ++duplicate_pkts_;
    return;
  }
  received_bytes_ += frame_bytes;
  latency_.record(static_cast<std::int64_t>(
      static_cast<double>(static_cast<std::int64_t>(now - stamp->tsc)) * 1e9 / tsc_hz_));
  if (stage_ == StageKind::touch) touched_ += sum_of_payload(payload, payload_bytes);
}

void ReceivedFrames::take_frame(std::span<const std::uint8_t> frame, std::int64_t frame_bytes,
                                std::uint64_t now) {
  const auto payload = frame_payload(frame);
  if (!payload) {
    take_foreign();
    return;
  }
  take(payload->data(), payload->size(),
       std::max(frame_bytes + kFcsBytes, std::int64_t{kMinFrameBytes}), now);
}

void ReceivedFrames::open_window(std::uint64_t now) {
  window_opened_tsc_ = now;
  node_ = node_of_this_thread();
  // The call that brought the first frame is of the window.
  window_opened_calls_ = std::max<std::int64_t>(0, calls_ - 1);
  window_opened_polled_ = polled_pkts_;
  window_opened_cpu_ns_ = thread_cpu_ns();
  window_opened_wall_ns_ = wall_ns();
  window_opened_times_ = scheduler_times();
}

void ReceivedFrames::after_batch(std::int64_t frames, std::uint64_t now) {
  polled_pkts_ += frames;
  arrivals_.store(polled_pkts_, std::memory_order_release);
  if (window_opened_tsc_ == 0) return;
  last_arrival_cpu_ns_ = thread_cpu_ns();
  last_arrival_calls_ = calls_;
  last_arrival_wall_ns_ = wall_ns();
  if (planted_stop_ns_ <= 0 || stopped_once_) return;
  if (static_cast<double>(now - window_opened_tsc_) / tsc_hz_ < stop_after_s_) return;
  stopped_once_ = true;
  std::this_thread::sleep_for(std::chrono::nanoseconds(planted_stop_ns_));
}

std::optional<double> ReceivedFrames::since_window(std::uint64_t tsc) const {
  if (tsc == 0 || window_opened_tsc_ == 0) return std::nullopt;
  return static_cast<double>(tsc - window_opened_tsc_) / tsc_hz_;
}

void ReceivedFrames::fill(const std::vector<std::uint32_t>& sent_per_flow, std::string_view role,
                          std::optional<double> softirq_cores, ReceiverAccount& account) {
  if (!sent_per_flow.empty()) tracker_.finish(sent_per_flow);
  const TrackerTotals& totals = tracker_.totals();
  if (totals.lost > 0 && first_loss_tsc_ == 0) {
    // Nothing came behind the lost ones that could have shown a gap.
    first_loss_tsc_ = last_loss_tsc_ = last_arrival_tsc_;
  }
  account.received_pkts = totals.unique;
  account.received_bytes = received_bytes_;
  account.fates[Fate::duplicate] = duplicate_pkts_;
  account.fates[Fate::foreign] = foreign_pkts_;
  account.fates[Fate::late] = late_pkts_;
  account.tracker = totals;
  account.queues.push_back({.queue = 0, .polled_pkts = polled_pkts_, .share = 1.0});
  account.latency_ns.rx = latency_;
  account.first_loss_s = since_window(first_loss_tsc_);
  account.last_loss_s = since_window(last_loss_tsc_);
  add_cpu(role, softirq_cores, account);
}

void ReceivedFrames::add_cpu(std::string_view role, std::optional<double> softirq_cores,
                             ReceiverAccount& account) const {
  LcoreHealth health;
  health.role = std::string(role);
  health.polling = false;
  health.node = node_;
  const std::int64_t window_ns = last_arrival_wall_ns_ - window_opened_wall_ns_;
  const std::int64_t cpu_ns = last_arrival_cpu_ns_ - window_opened_cpu_ns_;
  const std::int64_t polled = polled_pkts_ - window_opened_polled_;
  if (window_opened_tsc_ != 0 && polled > 0) {
    account.syscalls_per_pkt = static_cast<double>(last_arrival_calls_ - window_opened_calls_) /
                               static_cast<double>(polled);
  }
  if (window_opened_tsc_ != 0 && window_ns > 0) {
    const double busy = std::min(1.0, static_cast<double>(cpu_ns) / static_cast<double>(window_ns));
    health.thread_cpu_fraction = busy;
    account.busy_fraction = busy;
    if (account.received_pkts > 0) {
      account.cycles_per_pkt =
          static_cast<double>(cpu_ns) * 1e-9 * tsc_hz_ / static_cast<double>(account.received_pkts);
    }
    if (window_opened_times_ && end_times_) {
      health.runnable_waiting_fraction =
          static_cast<double>(end_times_->waiting_ns - window_opened_times_->waiting_ns) /
          static_cast<double>(window_ns);
    }
    if (softirq_cores) account.cpu_cores_used = busy + *softirq_cores;
  }
  account.lcores.push_back(health);
}

}  // namespace pollmark
