// A receiver whose threads sleep until the kernel has frames for them. What each takes them from (a
// socket, a ring) is a source; stamp, tracker, latency and CPU are the same for all.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <span>
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
  // The source's own counters, called receiver.<layer><which>.*. which: empty, or ".0", ".1", ...
  // of several.
  virtual void add_counters(CounterSnapshot& snapshot, std::string_view which) = 0;
  // After the receiving thread has ended.
  virtual void add_knobs(std::map<std::string, Knob>& knobs) const = 0;
  // Frames that were its own and found no room, as far as that is told; after the thread has ended.
  [[nodiscard]] virtual std::int64_t dropped_pkts() = 0;
};

class BlockingReceiver final : public Receiver {
 public:
  // One source for each of the receiving CPUs. role: of a thread in the record ("receiver socket"),
  // with a number where there are several.
  BlockingReceiver(const TrialOrder& order, NetdevPlace place, TrialCpus cpus, double tsc_hz,
                   FrameConsumer consumer, std::string_view role,
                   std::vector<std::unique_ptr<ArrivalSource>> sources);
  ~BlockingReceiver() override;

  LiveTallies live() const override {
    LiveTallies live;
    live.gaps = 0;
    for (const Reader& reader : readers_) *live.gaps += reader.frames->gaps();
    return live;
  }
  Result<void> open() override;
  Result<CounterSnapshot> read_counters() override;
  Result<void> start() override;
  Result<void> drain(std::int64_t quiet_ns, std::int64_t limit_ns) override;
  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& sent_per_flow) override;
  void abandon() override { end_threads(); }

 private:
  struct Reader {
    std::unique_ptr<ArrivalSource> source;
    std::unique_ptr<ReceivedFrames> frames;
    std::string error = {};    // thread: wo; control: ro after join
    PinnedThread thread = {};  // last: joined before what it uses goes away
  };
  void end_threads();
  [[nodiscard]] Knob sockets_knob(std::span<const std::int64_t> steered_pkts) const;
  [[nodiscard]] std::map<std::string, Knob> knobs_of_sources() const;

  NetdevPlace place_;
  TrialCpus cpus_;
  FrameConsumer consumer_;
  std::vector<std::string> roles_;
  std::atomic<bool> ending_{false};
  SoftirqShare softirq_;
  std::vector<Reader> readers_;  // their number never changes
};

// Errors: bad_experiment "path <its name>: ..." for what no open path of the kernel has: replay,
// workers, stages other than none and touch, several queues where the path has one.
[[nodiscard]] Result<void> refuse_what_the_kernel_path_has_not(const TrialOrder& order);

// The receiver of the order's path, with a source for each of receiving_sockets(order). Errors: of
// the above, and of trial_cpus.
[[nodiscard]] Result<std::unique_ptr<Receiver>> make_blocking_receiver(
    const TrialOrder& order, const NetdevPlace& place, FrameConsumer consumer,
    std::string_view role, std::vector<std::unique_ptr<ArrivalSource>> sources);

// What make(i) gives for each of receiving_sockets(order).
template <typename Make>
[[nodiscard]] std::vector<std::unique_ptr<ArrivalSource>> arrival_sources(const TrialOrder& order,
                                                                          Make make) {
  std::vector<std::unique_ptr<ArrivalSource>> sources;
  for (int i = 0; i < receiving_sockets(order); ++i) sources.push_back(make(i));
  return sources;
}

}  // namespace pollmark
