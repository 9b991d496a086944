// What the thread that receives learns of the frames that it takes: which of them are the window's,
// each once, how late they are, and how much CPU the thread had meanwhile.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/cpu_time.h"
#include "kernel/payload_stamp.h"
#include "record/histogram.h"
#include "record/sequence_tracker.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// Receiving thread: take and after_batch, until finished(); others: arrivals(), warmup_pkts() and
// gaps() at any time; control thread: fill() once that thread has ended.
class ReceivedFrames {
 public:
  ReceivedFrames(const TrialOrder& order, double tsc_hz);

  // One frame. payload: where its stamp would begin; frame_bytes incl. FCS; now: a TSC reading
  // after it was there.
  void take(const std::uint8_t* payload, std::size_t payload_bytes, std::int64_t frame_bytes,
            std::uint64_t now);
  // One Ethernet frame, as far as it was captured; frame_bytes: of the whole, without FCS. Without
  // a payload where a stamp could be it is foreign.
  void take_frame(std::span<const std::uint8_t> frame, std::int64_t frame_bytes, std::uint64_t now);
  // One frame that has no payload where a stamp could be.
  void take_foreign() { ++foreign_pkts_; }
  // A system call was made to get frames, or to wait for them.
  void count_call() { ++calls_; }
  // After the frames of one look were taken. Sleeps once where the order plants a stop.
  void after_batch(std::int64_t frames, std::uint64_t now);
  void finished() { end_times_ = scheduler_times(); }

  // All frames so far.
  [[nodiscard]] std::int64_t arrivals() const { return arrivals_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t warmup_pkts() const {
    return warmup_pkts_.load(std::memory_order_acquire);
  }

  // Times the sequence jumped forward.
  [[nodiscard]] std::int64_t gaps() const { return gaps_.load(std::memory_order_relaxed); }

  // What all threads of a receiver got, each from a queue of its own: frames, fates, tracker,
  // latency, times of the first and the last loss; CPU of the threads, and their health by their
  // roles. The threads have ended. Where frames of one flow came to several threads there is no
  // tracker, and when frames were lost is not told.
  //   sent_per_flow  closes the trackers; empty: untracked
  //   steered_pkts   of each queue, for the shares: taken or not; empty: those taken
  //   softirq_cores  the softirqs' time on the CPUs of the trial over wall_ns; nullopt: not told
  static void fill(std::span<ReceivedFrames* const> threads,
                   const std::vector<std::uint32_t>& sent_per_flow,
                   std::span<const std::string> roles, std::span<const std::int64_t> steered_pkts,
                   std::optional<double> softirq_cores, ReceiverAccount& account);

 private:
  void open_window(std::uint64_t now);
  static void add_losses(std::span<ReceivedFrames* const> threads, ReceiverAccount& account);
  static void add_cpu(std::span<ReceivedFrames* const> threads, std::span<const std::string> roles,
                      std::optional<double> softirq_cores, ReceiverAccount& account);

  const StageKind stage_;
  const std::uint8_t epoch_;
  const std::int64_t planted_stop_ns_;
  const double stop_after_s_;
  const double tsc_hz_;
  const std::uint64_t look_every_tsc_;
  SequenceTracker tracker_;
  LatencyHistogram latency_;
  std::int64_t polled_pkts_ = 0;
  std::int64_t calls_ = 0;
  std::int64_t received_bytes_ = 0;  // incl. FCS, of unique frames
  std::int64_t duplicate_pkts_ = 0;
  std::int64_t foreign_pkts_ = 0;
  std::int64_t late_pkts_ = 0;
  std::uint64_t window_opened_tsc_ = 0;  // 0: no frame of the window came
  std::uint64_t last_arrival_tsc_ = 0;
  std::uint64_t first_loss_tsc_ = 0;
  std::uint64_t last_loss_tsc_ = 0;
  std::optional<int> node_;  // NUMA node of the thread when the window opened
  std::int64_t window_opened_cpu_ns_ = 0;
  std::int64_t window_opened_calls_ = 0;  // calls_ and polled_pkts_ then, and at the last arrival
  std::int64_t window_opened_polled_ = 0;
  std::int64_t last_arrival_calls_ = 0;
  std::int64_t window_opened_wall_ns_ = 0;
  std::optional<SchedulerTimes> window_opened_times_;
  std::uint64_t next_look_tsc_ = 0;
  std::int64_t looked_cpu_ns_ = 0;  // both at the last look of the window
  std::int64_t looked_wall_ns_ = 0;
  std::optional<SchedulerTimes> end_times_;
  bool stopped_once_ = false;
  std::uint64_t touched_ = 0;  // the touch stage's sum: keeps its work from being removed
  std::atomic<std::int64_t> arrivals_{0};
  std::atomic<std::uint64_t> warmup_pkts_{0};
  std::atomic<std::int64_t> gaps_{0};
};

}  // namespace pollmark
