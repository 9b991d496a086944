// A receiver with one thread that sleeps until the kernel has frames for it. What it takes them
// from (a socket, a ring) is a source; stamp, tracker, latency and CPU are the same for all.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "host/kernel_counters.h"
#include "host/netns.h"
#include "host/pinned_thread.h"
#include "host/softirq_share.h"
#include "host/trial_cpus.h"
#include "kernel/received_frames.h"
#include "record/counters.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// How long a source waits for frames before its thread looks whether it is to end.
inline constexpr int kWakeUpMs = 10;

// Control thread, but for take(). Its virtual calls are one per batch.
class ArrivalSource {
 public:
  virtual ~ArrivalSource() = default;
  // The calling thread is in the place's namespace. Errors: host_cannot with the kernel's reason,
  // where: what was refused; the device is named by the receiver.
  [[nodiscard]] virtual Result<void> open(const NetdevPlace& place) = 0;
  // The receiving thread: waits for frames, kWakeUpMs at most, and hands over what is there: each
  // frame by ReceivedFrames::take, then ReceivedFrames::after_batch. Errors: host_cannot: it cannot
  // go on.
  [[nodiscard]] virtual Result<void> take(ReceivedFrames& frames) = 0;
  // Whether frames are there that the thread has not taken.
  [[nodiscard]] virtual bool has_waiting() const = 0;
  // The source's own counters, called receiver.<layer>.*.
  virtual void add_counters(CounterSnapshot& snapshot) = 0;
  // After the receiving thread has ended.
  virtual void add_knobs(std::map<std::string, Knob>& knobs) const = 0;
};

class BlockingReceiver final : public Receiver {
 public:
  // role: of the thread in the record ("receiver socket").
  BlockingReceiver(const TrialOrder& order, NetdevPlace place, TrialCpus cpus, double tsc_hz,
                   FrameConsumer consumer, std::string_view role,
                   std::unique_ptr<ArrivalSource> source);
  ~BlockingReceiver() override;

  Result<void> open() override;
  Result<CounterSnapshot> read_counters() override;
  Result<void> start() override;
  Result<void> drain(std::int64_t quiet_ns, std::int64_t limit_ns) override;
  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& sent_per_flow) override;
  void abandon() override { end_thread(); }

 private:
  void end_thread();

  NetdevPlace place_;
  TrialCpus cpus_;
  FrameConsumer consumer_;
  std::string role_;
  std::unique_ptr<ArrivalSource> source_;
  ReceivedFrames frames_;
  std::string thread_error_;  // thread: wo; control: ro after join
  std::atomic<bool> ending_{false};
  SoftirqShare softirq_;
  PinnedThread thread_;  // last: joined before what it uses goes away
};

// Errors: bad_experiment "path <its name>: ..." for what no open path of the kernel has: replay,
// workers, several queues, stages other than none and touch.
[[nodiscard]] Result<void> refuse_what_the_kernel_path_has_not(const TrialOrder& order);

// The receiver of the order's path. Errors: of the above, and of trial_cpus.
[[nodiscard]] Result<std::unique_ptr<Receiver>> make_blocking_receiver(
    const TrialOrder& order, const NetdevPlace& place, FrameConsumer consumer,
    std::string_view role, std::unique_ptr<ArrivalSource> source);

}  // namespace pollmark
