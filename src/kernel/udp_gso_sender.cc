#include "kernel/udp_gso_sender.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/line_rate.h"
#include "base/tsc.h"
#include "host/cpu_time.h"
#include "host/kernel_counters.h"
#include "host/pinned_thread.h"
#include "host/trial_cpus.h"
#include "kernel/payload_stamp.h"
#include "kernel/socket.h"
#include "trial/catch_up.h"

namespace pollmark {
namespace {

constexpr std::int64_t kUdpHeaderBytes = 14 + 20 + 8;
constexpr std::uint16_t kFirstPort = 20'000;
constexpr int kSendBuffer = 8 << 20;
constexpr std::int64_t kGapNs = 20'000;
constexpr std::int64_t kDrainLimitNs = 500'000'000;

std::int64_t payload_bytes(const TrialOrder& order) {
  return order.traffic.frame_bytes.front() - kFcsBytes - kUdpHeaderBytes;
}

// One of warm-up and window. Sending thread: wo; control: ro after join.
struct Phase {
  std::int64_t sent_pkts = 0;
  std::int64_t given_up_pkts = 0;
  std::int64_t longest_gap = 0;  // cycles, as the others of gaps
  std::int64_t gaps = 0;
  std::int64_t gap_sum = 0;
  std::int64_t cpu_ns = 0;
  std::int64_t wall_ns = 0;
  LatencyHistogram late_ns;
};

class UdpGsoSender final : public Sender {
 public:
  UdpGsoSender(const TrialOrder& order, NetdevPlace place, int cpu)
      : order_(order),
        place_(std::move(place)),
        cpu_(cpu),
        hz_(host_tsc().hz),
        segments_(gso_segments(order)),
        payload_bytes_(static_cast<std::size_t>(payload_bytes(order))),
        buffer_(payload_bytes_ * static_cast<std::size_t>(segments_), 0x5a),
        sequences_(static_cast<std::size_t>(order.traffic.flows)) {}
  ~UdpGsoSender() override { abandon(); }

  Result<void> open() override {
    PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place_.netns_fd));
    for (std::size_t flow = 0; flow < sequences_.size(); ++flow) {
      auto socket = open_socket(static_cast<std::uint16_t>(kFirstPort + flow));
      if (!socket) return tl::unexpected<Error>(std::move(socket).error().within(place_.netdev));
      sockets_.push_back(std::move(*socket));
    }
    return {};
  }

  Result<CounterSnapshot> read_counters() override {
    PM_TRY(CounterSnapshot snapshot, read_sender_counters(place_));
    const auto put = [&](const char* name, const std::atomic<std::int64_t>& value) {
      put_counter(snapshot, name, static_cast<std::uint64_t>(value.load(std::memory_order_acquire)),
                  {.layer = "port", .scope = "port"});
    };
    put("sender.port.accepted_pkts", accepted_);
    put("sender.port.warmup_pkts", warmup_accepted_);
    return snapshot;
  }

  Result<void> start() override {
    return thread_.start(
        cpu_, [] { return Result<void>(); }, [this] { send(); });
  }

  Result<SenderAccount> join() override {
    thread_.join();
    if (abandoned_.load(std::memory_order_relaxed))
      return fail(Errc::interrupted, "the trial was abandoned");
    if (!thread_error_.empty()) return fail(Errc::host_cannot, thread_error_, place_.netdev);
    if (!waited_until_taken())
      return fail(Errc::host_cannot, "its queue still held frames after 500 ms", place_.netdev);
    SenderAccount account;
    account.offered_pkts = window_.sent_pkts;
    account.offered_bytes = window_.sent_pkts * order_.traffic.frame_bytes.front();
    account.intended_pkts = window_.sent_pkts + window_.given_up_pkts;
    account.tx_unsent_pkts = window_.given_up_pkts;
    account.sent_per_flow = sequences_;
    account.window_seconds =
        is_max() ? static_cast<double>(window_.wall_ns) * 1e-9 : order_.seconds;
    if (!is_max()) {
      account.generator.late_p50_ns = window_.late_ns.percentile(50.0);
      account.generator.late_p99_ns = window_.late_ns.percentile(99.0);
      account.generator.late_max_ns = window_.late_ns.max();
    }
    account.lcores.push_back(health());
    return account;
  }

  void abandon() override {
    abandoned_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

 private:
  [[nodiscard]] bool is_max() const { return order_.traffic.load.unit == LoadUnit::max; }
  [[nodiscard]] std::uint64_t cycles(double seconds) const {
    return static_cast<std::uint64_t>(seconds * hz_);
  }
  [[nodiscard]] std::int64_t ns_of(std::int64_t ticks) const {
    return static_cast<std::int64_t>(static_cast<double>(ticks) * 1e9 / hz_);
  }

  Result<Socket> open_socket(std::uint16_t port) const {
    PM_TRY(Socket socket, Socket::open(SOCK_DGRAM));
    PM_TRYV(socket.set(SOL_SOCKET, SO_SNDBUFFORCE, kSendBuffer, "SO_SNDBUFFORCE"));
    PM_TRYV(socket.set(SOL_UDP, UDP_SEGMENT, static_cast<int>(payload_bytes_), "UDP_SEGMENT"));
    PM_TRYV(socket.bind(place_.ipv4, port));
    PM_TRYV(socket.connect(place_.frames_to_ipv4, place_.frames_to_port));
    return socket;
  }

  // The sending thread.
  void send() {
    std::uint64_t begin = tsc_now();
    if (order_.warmup_seconds > 0.0) {
      const TrafficOrder& traffic = order_.traffic;
      send_phase(begin, order_.warmup_seconds,
                 traffic.warmup_pps > 0.0 ? traffic.warmup_pps : traffic.intended_pps,
                 static_cast<std::uint8_t>(order_.epoch ^ 0x80U), warmup_);
      warmup_accepted_.store(warmup_.sent_pkts, std::memory_order_release);
      begin = std::max(tsc_now(), begin + cycles(order_.warmup_seconds));
    }
    if (thread_error_.empty())
      send_phase(begin, order_.seconds, order_.traffic.intended_pps, order_.epoch, window_);
    accepted_.store(warmup_.sent_pkts + window_.sent_pkts, std::memory_order_release);
  }

  void send_phase(std::uint64_t begin, double seconds, double pps, std::uint8_t epoch,
                  Phase& phase) {
    std::ranges::fill(sequences_, 0U);
    const std::uint64_t end = begin + cycles(seconds);
    // Seconds that were made from a number of frames give that number.
    const auto frames = static_cast<std::int64_t>(pps * seconds + 1e-6);
    const std::int64_t cpu_before = thread_cpu_ns();
    const std::int64_t wall_before = wall_ns();
    std::size_t flow = 0;
    last_look_ = tsc_now();
    for (std::int64_t at = 0; is_max() || at < frames; at += segments_) {
      const auto due = is_max() ? begin : begin + cycles(static_cast<double>(at) / pps);
      const std::uint64_t now = wait_for(due, phase);
      if (abandoned_.load(std::memory_order_relaxed) || (is_max() && now >= end)) break;
      const auto count =
          static_cast<int>(is_max() ? segments_ : std::min<std::int64_t>(segments_, frames - at));
      const auto late = static_cast<std::int64_t>(now - due);
      if (!is_max() && late > catch_up_ticks(pps)) {
        phase.given_up_pkts += count;
        continue;
      }
      phase.late_ns.record(ns_of(late));
      if (!send_call(flow, count, epoch, now)) break;
      phase.sent_pkts += count;
      flow = flow + 1 == sequences_.size() ? 0 : flow + 1;
    }
    phase.cpu_ns = thread_cpu_ns() - cpu_before;
    phase.wall_ns = wall_ns() - wall_before;
  }

  // A look at the clock at least; the time since the last one is a gap of the generator.
  std::uint64_t wait_for(std::uint64_t due, Phase& phase) {
    for (;;) {
      const std::uint64_t now = tsc_now();
      const auto gap = static_cast<std::int64_t>(now - last_look_);
      last_look_ = now;
      phase.longest_gap = std::max(phase.longest_gap, gap);
      if (ns_of(gap) > kGapNs) {
        ++phase.gaps;
        phase.gap_sum += gap;
      }
      if (now >= due || abandoned_.load(std::memory_order_relaxed)) return now;
    }
  }

  bool send_call(std::size_t flow, int count, std::uint8_t epoch, std::uint64_t now) {
    PayloadStamp stamp{.epoch = epoch,
                       .flow = static_cast<std::uint16_t>(flow),
                       .sequence = sequences_[flow],
                       .tsc = now};
    for (int i = 0; i < count; ++i, ++stamp.sequence) {
      stamp.write(buffer_.data() + static_cast<std::size_t>(i) * payload_bytes_);
    }
    const std::size_t bytes = static_cast<std::size_t>(count) * payload_bytes_;
    const ssize_t taken = ::send(sockets_[flow].fd(), buffer_.data(), bytes, 0);
    if (taken != static_cast<ssize_t>(bytes)) {
      thread_error_ = fmt::format("sending {} datagrams at once: {}", count, std::strerror(errno));
      return false;
    }
    sequences_[flow] = stamp.sequence;
    return true;
  }

  // Until the device's queue holds nothing more of the sockets.
  bool waited_until_taken() {
    const std::int64_t begin_ns = wall_ns();
    for (const Socket& socket : sockets_) {
      int unsent = 0;
      while (ioctl(socket.fd(), SIOCOUTQ, &unsent) == 0 && unsent > 0) {
        if (wall_ns() - begin_ns > kDrainLimitNs) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    }
    return true;
  }

  // Debt that is worked off back to back: 1 ms, or one call where calls are rarer.
  [[nodiscard]] std::int64_t catch_up_ticks(double pps) const {
    const double call_seconds = static_cast<double>(segments_) / pps;
    return static_cast<std::int64_t>(
        std::max(static_cast<double>(kCatchUpNs) * 1e-9, call_seconds) * hz_);
  }

  [[nodiscard]] LcoreHealth health() const {
    LcoreHealth health;
    health.role = "generator";
    health.polling = true;
    health.longest_gap_ns = ns_of(window_.longest_gap);
    health.gaps = window_.gaps;
    health.gap_sum_ns = ns_of(window_.gap_sum);
    if (window_.wall_ns > 0) {
      health.thread_cpu_fraction =
          std::min(1.0, static_cast<double>(window_.cpu_ns) / static_cast<double>(window_.wall_ns));
    }
    if (!is_max()) health.tolerated_gap_ns = ns_of(catch_up_ticks(order_.traffic.intended_pps));
    return health;
  }

  const TrialOrder order_;
  const NetdevPlace place_;
  const int cpu_;
  const double hz_;
  const int segments_;
  const std::size_t payload_bytes_;
  std::vector<Socket> sockets_;           // [flow]
  std::vector<std::uint8_t> buffer_;      // thread: rw
  std::vector<std::uint32_t> sequences_;  // [flow], next of the phase. Thread: rw; ro after join
  std::uint64_t last_look_ = 0;           // thread
  Phase warmup_;
  Phase window_;
  std::string thread_error_;  // thread: wo; control: ro after join
  std::atomic<bool> abandoned_{false};
  std::atomic<std::int64_t> accepted_{0};
  std::atomic<std::int64_t> warmup_accepted_{0};
  PinnedThread thread_;  // last: joined before what it uses goes away
};

}  // namespace

int gso_segments(const TrialOrder& order) {
  const bool asks_for_most =
      order.traffic.load.unit == LoadUnit::max && order.kind != TrialKind::calibration;
  return asks_for_most ? most_gso_segments(order.traffic) : order.traffic.arrivals.burst_frames;
}

Result<std::unique_ptr<Sender>> make_udp_gso_sender(const TrialOrder& order,
                                                    const NetdevPlace& place) {
  const TrafficOrder& traffic = order.traffic;
  const auto refused = [](std::string_view what) {
    return fail(Errc::bad_experiment, fmt::format("sender udp_gso: {}", what));
  };
  if (traffic.kind != TrafficKind::udp || traffic.ip_version != 4) return refused("UDP over IPv4");
  if (traffic.frame_bytes.size() != 1) return refused("one frame size");
  if (payload_bytes(order) < static_cast<std::int64_t>(PayloadStamp::kBytes))
    return refused("a frame that holds the stamp");
  if (traffic.flows < 1 || traffic.flows > kMostGsoFlows)
    return refused(fmt::format("1..{} flows", kMostGsoFlows));
  if (gso_segments(order) > most_gso_segments(traffic))
    return refused(fmt::format("bursts of at most {} frames", most_gso_segments(traffic)));
  PM_TRY(const TrialCpus cpus, trial_cpus(order));
  if (cpus.senders.size() != 1) return refused("one lcore");
  return std::make_unique<UdpGsoSender>(order, place, cpus.senders.front());
}

}  // namespace pollmark
