#include "kernel/closed_loop.h"

#include <fmt/format.h>

#include <thread>
#include <utility>

#include "base/tsc.h"
#include "host/kernel_counters.h"
#include "host/pinned_thread.h"
#include "host/trial_cpus.h"
#include "kernel/loop_parts.h"
#include "kernel/segment_tap.h"

namespace pollmark {
namespace {

// One part on its thread.
template <typename Part>
class LoopThread {
 public:
  LoopThread(std::unique_ptr<Part> part, NetdevPlace place, int cpu, const LoopWindow& window)
      : part_(std::move(part)), place_(std::move(place)), cpu_(cpu), meter_(window) {}
  ~LoopThread() { give_up(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  Result<void> open() {
    PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place_.netns_fd));
    return part_->open();
  }
  Result<void> start() {
    // The thread is born inside the namespace: it may make sockets.
    PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place_.netns_fd));
    return thread_.start(
        cpu_, [] { return Result<void>(); },
        [this] {
          outcome_ = part_->run(meter_, ending_);
          finished_.store(true, std::memory_order_release);
        });
  }
  void ask_to_end() { ending_.store(true, std::memory_order_release); }
  [[nodiscard]] bool is_finished() const { return finished_.load(std::memory_order_acquire); }
  Result<void> join() {
    thread_.join();
    return outcome_;
  }
  void give_up() {
    if (!thread_.is_started()) return;
    ask_to_end();
    part_->interrupt();
    thread_.join();
  }

  [[nodiscard]] const NetdevPlace& place() const { return place_; }
  [[nodiscard]] int cpu() const { return cpu_; }
  [[nodiscard]] const WindowMeter& meter() const { return meter_; }
  [[nodiscard]] Part& part() { return *part_; }

 private:
  std::unique_ptr<Part> part_;
  NetdevPlace place_;
  int cpu_;
  WindowMeter meter_;     // thread: wo while it runs
  Result<void> outcome_;  // thread: wo while it runs
  std::atomic<bool> ending_{false};
  std::atomic<bool> finished_{false};
  PinnedThread thread_;  // last: joined before what it uses goes away
};

// Where the order has taps: from before the first segment on, beside that part, on its CPU.
template <typename Part>
Result<void> open_tap(const TrialOrder& order, const LoopThread<Part>& part,
                      SegmentTap::Direction direction, SegmentTap& tap) {
  if (!order.closed_loop.taps) return {};
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(part.place().netns_fd));
  return tap.open(part.place(), direction, part.cpu());
}

class ClosedLoopSender final : public Sender {
 public:
  ClosedLoopSender(const TrialOrder& order, std::unique_ptr<LoopClient> client, NetdevPlace place,
                   int cpu, std::shared_ptr<LoopWindow> window)
      : order_(order),
        window_(std::move(window)),
        client_(std::move(client), std::move(place), cpu, *window_) {}

  Result<void> open() override {
    PM_TRYV(open_tap(order_, client_, SegmentTap::Direction::leaving, tap_));
    return client_.open();
  }
  Result<CounterSnapshot> read_counters() override {
    return read_stack_counters(client_.place(), "sender");
  }
  Result<void> start() override {
    const double hz = host_tsc().hz;
    const auto cycles = [hz](double seconds) { return static_cast<std::uint64_t>(seconds * hz); };
    const std::uint64_t opens = tsc_now() + cycles(order_.warmup_seconds);
    window_->set(opens, opens + cycles(order_.seconds));
    return client_.start();
  }
  Result<SenderAccount> join() override {
    PM_TRYV(client_.join());
    SenderAccount account;
    account.window_seconds =
        static_cast<double>(window_->closes() - window_->opens()) / host_tsc().hz;
    account.closed_loop = client_.part().account();
    account.closed_loop->client_cpu_ns = client_.meter().cpu_ns();
    if (order_.closed_loop.taps) {
      tap_.close();
      account.closed_loop->sender_segment_bytes = tap_.segment_bytes();
      account.closed_loop->untapped_segments = tap_.untapped();
    }
    account.round_trip_ns = client_.part().round_trips();
    account.knobs = client_.part().knobs();
    account.lcores.push_back(client_.meter().health("client", account.window_seconds));
    return account;
  }
  void abandon() override { client_.give_up(); }

 private:
  const TrialOrder order_;
  std::shared_ptr<LoopWindow> window_;
  LoopThread<LoopClient> client_;
  SegmentTap tap_;
};

class ClosedLoopReceiver final : public Receiver {
 public:
  ClosedLoopReceiver(const TrialOrder& order, std::unique_ptr<LoopServer> server, NetdevPlace place,
                     int cpu, std::shared_ptr<LoopWindow> window)
      : order_(order),
        window_(std::move(window)),
        server_(std::move(server), std::move(place), cpu, *window_) {}

  Result<void> open() override {
    PM_TRYV(open_tap(order_, server_, SegmentTap::Direction::arriving, tap_));
    return server_.open();
  }
  Result<CounterSnapshot> read_counters() override {
    return read_stack_counters(server_.place(), "receiver");
  }
  Result<void> start() override { return server_.start(); }
  // The client has closed: the server comes to the end by itself.
  Result<void> drain(std::int64_t /*quiet_ns*/, std::int64_t limit_ns) override {
    server_.ask_to_end();
    const std::int64_t begin_ns = wall_ns();
    while (!server_.is_finished() && wall_ns() - begin_ns < limit_ns)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return {};
  }
  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& /*sent_per_flow*/) override {
    if (!server_.is_finished()) server_.give_up();
    PM_TRYV(server_.join());
    const double seconds =
        static_cast<double>(window_->closes() - window_->opens()) / host_tsc().hz;
    ReceiverAccount account;
    account.serving = server_.part().account();
    account.serving->cpu_ns = server_.meter().cpu_ns();
    if (order_.closed_loop.taps) {
      tap_.close();
      account.serving->segment_bytes = tap_.segment_bytes();
      account.serving->untapped_segments = tap_.untapped();
    }
    account.knobs = server_.part().knobs();
    account.lcores.push_back(server_.meter().health("server", seconds));
    account.busy_fraction = account.lcores.front().busy_fraction;
    return account;
  }
  void abandon() override { server_.give_up(); }

 private:
  const TrialOrder order_;
  std::shared_ptr<LoopWindow> window_;
  LoopThread<LoopServer> server_;
  SegmentTap tap_;
};

Result<LoopParts> parts_of(const TrialOrder& order, const NetdevPlace& server) {
  switch (order.path) {
    case Path::tcp_stream:
      return tcp_stream_parts(order, server);
    case Path::tcp_rr:
    case Path::udp_rr:
      return request_response_parts(order, server);
    case Path::tcp_crr:
      return tcp_crr_parts(order, server);
    case Path::dpdk:
    case Path::model:
    case Path::udp_socket:
    case Path::packet_mmap:
    case Path::af_xdp:
    case Path::xdp_drop:
      break;
  }
  return fail(Errc::bad_experiment, fmt::format("path {}: no closed loop", name_of(order.path)));
}

}  // namespace

Result<Ends> make_closed_loop_ends(const TrialOrder& order, const NetdevPlace& client,
                                   const NetdevPlace& server) {
  PM_TRY(LoopParts parts, parts_of(order, server));
  if (order.closed_loop.message_bytes < kLeastMessageBytes ||
      response_bytes_of(order.closed_loop) < kLeastMessageBytes)
    return fail(Errc::bad_experiment,
                fmt::format("message_bytes: at least {}", kLeastMessageBytes));
  PM_TRY(const TrialCpus cpus, trial_cpus(order));
  const auto window = std::make_shared<LoopWindow>();
  Ends ends;
  ends.sender = std::make_unique<ClosedLoopSender>(order, std::move(parts.client), client,
                                                   cpus.senders.front(), window);
  ends.receiver = std::make_unique<ClosedLoopReceiver>(order, std::move(parts.server), server,
                                                       cpus.receivers.front(), window);
  return ends;
}

}  // namespace pollmark
