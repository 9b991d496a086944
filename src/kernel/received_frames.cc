#include "kernel/received_frames.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <thread>

#include "base/line_rate.h"
#include "host/numa_placement.h"
#include "kernel/frame_payload.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kTrackerWindow = 1024;
// How often a thread reads its CPU time, which is a system call: it may have few frames to a look.
constexpr double kLookEveryS = 100e-6;

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
      look_every_tsc_(static_cast<std::uint64_t>(kLookEveryS * tsc_hz)),
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
    gaps_.store(tracker_.totals().gaps, std::memory_order_relaxed);
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
  last_arrival_calls_ = calls_;
  if (now >= next_look_tsc_) {
    looked_cpu_ns_ = thread_cpu_ns();
    looked_wall_ns_ = wall_ns();
    next_look_tsc_ = now + look_every_tsc_;
  }
  if (planted_stop_ns_ <= 0 || stopped_once_) return;
  if (static_cast<double>(now - window_opened_tsc_) / tsc_hz_ < stop_after_s_) return;
  stopped_once_ = true;
  std::this_thread::sleep_for(std::chrono::nanoseconds(planted_stop_ns_));
}

void ReceivedFrames::fill(std::span<ReceivedFrames* const> threads,
                          const std::vector<std::uint32_t>& sent_per_flow,
                          std::span<const std::string> roles,
                          std::span<const std::int64_t> steered_pkts,
                          std::optional<double> softirq_cores, ReceiverAccount& account) {
  std::vector<SequenceTracker*> trackers;
  for (ReceivedFrames* thread : threads) trackers.push_back(&thread->tracker_);
  account.tracker = finish_together(trackers, sent_per_flow);
  account.latency_ns.rx.emplace();
  for (const Fate fate : {Fate::duplicate, Fate::foreign, Fate::late}) account.fates[fate] = 0;
  const std::int64_t steered =
      std::accumulate(steered_pkts.begin(), steered_pkts.end(), std::int64_t{0});
  for (std::size_t i = 0; i < threads.size(); ++i) {
    const ReceivedFrames& thread = *threads[i];
    account.received_pkts += thread.tracker_.totals().unique;
    account.received_bytes += thread.received_bytes_;
    account.fates[Fate::duplicate] += thread.duplicate_pkts_;
    account.fates[Fate::foreign] += thread.foreign_pkts_;
    account.fates[Fate::late] += thread.late_pkts_;
    account.latency_ns.rx->merge(thread.latency_);
    QueueAccount& queue = account.queues.emplace_back();
    queue.queue = static_cast<int>(i);
    queue.polled_pkts = thread.polled_pkts_;
    queue.latency_rx_ns = thread.latency_;
    if (steered > 0)
      queue.share = static_cast<double>(steered_pkts[i]) / static_cast<double>(steered);
  }
  add_losses(threads, account);
  add_cpu(threads, roles, softirq_cores, account);
}

void ReceivedFrames::add_losses(std::span<ReceivedFrames* const> threads,
                                ReceiverAccount& account) {
  if (!account.tracker) return;
  constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t opened = kNever;
  std::uint64_t first_loss = kNever;
  std::uint64_t last_loss = 0;
  std::uint64_t last_arrival = 0;
  for (const ReceivedFrames* thread : threads) {
    if (thread->window_opened_tsc_ == 0) continue;
    opened = std::min(opened, thread->window_opened_tsc_);
    last_arrival = std::max(last_arrival, thread->last_arrival_tsc_);
    if (thread->first_loss_tsc_ != 0) first_loss = std::min(first_loss, thread->first_loss_tsc_);
    last_loss = std::max(last_loss, thread->last_loss_tsc_);
  }
  if (opened == kNever) return;
  if (first_loss == kNever) {
    if (account.tracker->lost == 0) return;
    // Nothing came behind the lost ones that could have shown a gap.
    first_loss = last_loss = last_arrival;
  }
  const double hz = threads.front()->tsc_hz_;
  account.first_loss_s = static_cast<double>(first_loss - opened) / hz;
  account.last_loss_s = static_cast<double>(last_loss - opened) / hz;
}

void ReceivedFrames::add_cpu(std::span<ReceivedFrames* const> threads,
                             std::span<const std::string> roles,
                             std::optional<double> softirq_cores, ReceiverAccount& account) {
  // From the first frame of the window to the last, whoever got them.
  std::int64_t opened_ns = std::numeric_limits<std::int64_t>::max();
  std::int64_t last_arrival_ns = 0;
  for (const ReceivedFrames* thread : threads) {
    if (thread->window_opened_tsc_ == 0) continue;
    opened_ns = std::min(opened_ns, thread->window_opened_wall_ns_);
    last_arrival_ns = std::max(last_arrival_ns, thread->looked_wall_ns_);
  }
  const auto window_ns = static_cast<double>(std::max(last_arrival_ns, opened_ns) - opened_ns);
  std::int64_t cpu_ns = 0;
  std::int64_t calls = 0;
  std::int64_t polled_pkts = 0;
  double cores = 0.0;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    const ReceivedFrames& thread = *threads[i];
    LcoreHealth& health = account.lcores.emplace_back();
    health.role = roles[i];
    health.polling = false;
    health.node = thread.node_;
    if (thread.window_opened_tsc_ == 0) continue;
    const std::int64_t thread_ns = thread.looked_cpu_ns_ - thread.window_opened_cpu_ns_;
    cpu_ns += thread_ns;
    calls += thread.last_arrival_calls_ - thread.window_opened_calls_;
    polled_pkts += thread.polled_pkts_ - thread.window_opened_polled_;
    if (!(window_ns > 0.0)) continue;
    const double busy = std::min(1.0, static_cast<double>(thread_ns) / window_ns);
    cores += busy;
    health.thread_cpu_fraction = busy;
    account.busy_fraction = std::max(account.busy_fraction.value_or(0.0), busy);
    if (thread.window_opened_times_ && thread.end_times_) {
      health.runnable_waiting_fraction =
          static_cast<double>(thread.end_times_->waiting_ns -
                              thread.window_opened_times_->waiting_ns) /
          window_ns;
    }
  }
  if (polled_pkts > 0)
    account.syscalls_per_pkt = static_cast<double>(calls) / static_cast<double>(polled_pkts);
  if (!(window_ns > 0.0)) return;
  if (account.received_pkts > 0) {
    account.cycles_per_pkt = static_cast<double>(cpu_ns) * 1e-9 * threads.front()->tsc_hz_ /
                             static_cast<double>(account.received_pkts);
  }
  if (softirq_cores) account.cpu_cores_used = cores + *softirq_cores;
}

}  // namespace pollmark
