#include "kernel/udp_socket.h"

#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "base/line_rate.h"
#include "base/tsc.h"
#include "host/cpu_time.h"
#include "host/kernel_counters.h"
#include "host/numa_placement.h"
#include "host/pinned_thread.h"
#include "host/trial_cpus.h"
#include "kernel/payload_stamp.h"
#include "kernel/socket.h"

namespace pollmark {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kHeaderBytes = 14 + 20 + 8;
constexpr std::uint32_t kTrackerWindow = 1024;
constexpr std::int64_t kWakeUpNs =
    10'000'000;  // how long recvmmsg waits before it looks for the end

struct SocketMemory {
  std::uint32_t queued_bytes = 0;
  std::uint32_t buffer_bytes = 0;
  std::uint32_t drops = 0;
};

std::optional<SocketMemory> socket_memory(int fd) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t size = sizeof values;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values.data(), &size) != 0 ||
      size < (SK_MEMINFO_DROPS + 1) * sizeof values[0]) {
    return std::nullopt;
  }
  return SocketMemory{.queued_bytes = values[SK_MEMINFO_RMEM_ALLOC],
                      .buffer_bytes = values[SK_MEMINFO_RCVBUF],
                      .drops = values[SK_MEMINFO_DROPS]};
}

// What the receiving thread counts. Thread: wo; control thread: ro after join.
struct Tally {
  std::int64_t received_bytes = 0;  // incl. FCS, of unique frames
  std::int64_t polled_pkts = 0;     // all datagrams
  std::int64_t duplicate_pkts = 0;
  std::int64_t foreign_pkts = 0;
  std::int64_t late_pkts = 0;
  std::uint64_t window_opened_tsc = 0;  // 0: no frame of the window came
  std::uint64_t last_arrival_tsc = 0;
  std::uint64_t first_loss_tsc = 0;
  std::uint64_t last_loss_tsc = 0;
  std::optional<int> node;  // NUMA node of the thread when the window opened
  std::int64_t window_opened_cpu_ns = 0;
  std::int64_t window_opened_wall_ns = 0;
  std::optional<SchedulerTimes> window_opened_times;
  std::int64_t last_arrival_cpu_ns = 0;
  std::int64_t last_arrival_wall_ns = 0;
  std::optional<SchedulerTimes> end_times;
  std::uint32_t most_queued_bytes = 0;
  bool stopped_once = false;
  std::uint64_t touched = 0;  // the touch stage's sum: keeps its work from being removed
};

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

// Buffers for one recvmmsg.
class Batch {
 public:
  explicit Batch(std::size_t bytes_each)
      : bytes_each_(bytes_each), memory_(kBatch * bytes_each), vectors_(kBatch), headers_(kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors_[i] = {memory_.data() + i * bytes_each_, bytes_each_};
      headers_[i].msg_hdr.msg_iov = &vectors_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  int receive(int fd) { return recvmmsg(fd, headers_.data(), kBatch, MSG_WAITFORONE, nullptr); }
  [[nodiscard]] const std::uint8_t* payload(std::size_t i) const {
    return memory_.data() + i * bytes_each_;
  }
  [[nodiscard]] std::size_t bytes(std::size_t i) const { return headers_[i].msg_len; }

 private:
  std::size_t bytes_each_;
  std::vector<std::uint8_t> memory_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> headers_;
};

class UdpSocketReceiver final : public Receiver {
 public:
  UdpSocketReceiver(const TrialOrder& order, NetdevPlace place, TrialCpus cpus, double tsc_hz)
      : order_(order),
        place_(std::move(place)),
        cpus_(std::move(cpus)),
        tsc_hz_(tsc_hz),
        tracker_(static_cast<std::uint32_t>(order.traffic.flows), kTrackerWindow) {}

  Result<void> open() override {
    PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place_.netns_fd));
    PM_TRY(socket_, of_device(Socket::open(SOCK_DGRAM)));
    PM_TRYV(of_device(set_buffer()));
    PM_TRYV(of_device(socket_.set_receive_timeout(kWakeUpNs)));
    return of_device(socket_.bind(place_.frames_to_ipv4, place_.frames_to_port));
  }

  Result<CounterSnapshot> read_counters() override {
    PM_TRY(CounterSnapshot snapshot, read_receiver_counters(place_, FrameConsumer::udp_socket));
    if (const auto memory = socket_memory(socket_.fd())) {
      CounterFacts facts;
      facts.layer = "socket";
      facts.scope = "socket";
      facts.role = CounterRole::owner;
      facts.bits = 32;
      put_counter(snapshot, "receiver.socket.drops", memory->drops, facts);
    }
    CounterFacts of_port;
    of_port.layer = "port";
    of_port.scope = "port";
    put_counter(snapshot, "receiver.port.warmup_pkts", warmup_pkts_.load(std::memory_order_acquire),
                of_port);
    return snapshot;
  }

  Result<void> start() override {
    PM_CHECK(socket_.fd() >= 0);
    cpu_before_ = cpu_stats();
    started_wall_ns_ = wall_ns();
    return thread_.start(
        cpus_.receiver, [] { return Result<void>(); }, [this] { receive(); });
  }

  Result<void> drain(std::int64_t quiet_ns, std::int64_t limit_ns) override {
    const std::int64_t begin_ns = wall_ns();
    std::int64_t seen = -1;
    std::int64_t quiet_since_ns = begin_ns;
    for (;;) {
      const std::int64_t now_ns = wall_ns();
      const std::int64_t count = arrivals_.load(std::memory_order_acquire);
      // A thread that sleeps or was not let run leaves its datagrams in the socket.
      int waiting_bytes = 0;
      const bool queued = ioctl(socket_.fd(), SIOCINQ, &waiting_bytes) == 0 && waiting_bytes > 0;
      if (count != seen || queued) {
        seen = count;
        quiet_since_ns = now_ns;
      }
      if (now_ns - quiet_since_ns >= quiet_ns || now_ns - begin_ns >= limit_ns) return {};
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& sent_per_flow) override {
    end_thread();
    const std::int64_t wall_total_ns = wall_ns() - started_wall_ns_;
    const auto cpu_after = cpu_stats();
    if (!thread_error_.empty()) return fail(Errc::host_cannot, thread_error_, "recvmmsg");

    ReceiverAccount account;
    if (!sent_per_flow.empty()) tracker_.finish(sent_per_flow);
    const TrackerTotals& totals = tracker_.totals();
    if (totals.lost > 0 && tally_.first_loss_tsc == 0) {
      // Nothing came behind the lost ones that could have shown a gap.
      tally_.first_loss_tsc = tally_.last_loss_tsc = tally_.last_arrival_tsc;
    }
    account.received_pkts = totals.unique;
    account.received_bytes = tally_.received_bytes;
    account.fates[Fate::duplicate] = tally_.duplicate_pkts;
    account.fates[Fate::foreign] = tally_.foreign_pkts;
    account.fates[Fate::late] = tally_.late_pkts;
    account.tracker = totals;
    account.queues.push_back({.queue = 0, .polled_pkts = tally_.polled_pkts, .share = 1.0});
    account.latency_ns.rx = latency_;
    account.first_loss_s = since_window(tally_.first_loss_tsc);
    account.last_loss_s = since_window(tally_.last_loss_tsc);
    add_cpu(account, wall_total_ns, cpu_after);
    add_knobs(account);
    return account;
  }

  void abandon() override { end_thread(); }

 private:
  // Says on which device.
  template <typename Outcome>
  Outcome of_device(Outcome outcome) const {
    if (!outcome)
      outcome.error().where = fmt::format("{} {}", place_.netdev, outcome.error().where);
    return outcome;
  }

  Result<void> set_buffer() {
    if (order_.receiver.socket_buffer_bytes <= 0) return {};
    const auto bytes =
        static_cast<int>(std::min<std::int64_t>(order_.receiver.socket_buffer_bytes, 1 << 30));
    // FORCE: not capped by rmem_max, which a namespace cannot change.
    return socket_.set(SOL_SOCKET, SO_RCVBUFFORCE, bytes, "SO_RCVBUFFORCE");
  }

  // The receiving thread.
  void receive() {
    Batch batch(static_cast<std::size_t>(place_.mtu));
    while (!ending_.load(std::memory_order_acquire)) {
      const int got = batch.receive(socket_.fd());
      const std::uint64_t now = tsc_now();
      if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) continue;
        thread_error_ = std::strerror(errno);
        break;
      }
      const auto count = static_cast<std::size_t>(got);
      for (std::size_t i = 0; i < count; ++i) take(batch.payload(i), batch.bytes(i), now);
      tally_.polled_pkts += got;
      arrivals_.store(tally_.polled_pkts, std::memory_order_release);
      if (count == kBatch || tally_.most_queued_bytes == 0) look_at_queue();
      if (tally_.window_opened_tsc != 0) after_batch(now);
    }
    tally_.end_times = scheduler_times();
  }

  void take(const std::uint8_t* payload, std::size_t bytes, std::uint64_t now) {
    const auto stamp = PayloadStamp::read(payload, bytes);
    if (!stamp || stamp->flow >= tracker_.flows()) {
      ++tally_.foreign_pkts;
      return;
    }
    if (stamp->epoch != order_.epoch) {
      // Nothing but the warm-up precedes the window: the socket is new with the trial.
      warmup_pkts_.fetch_add(1, std::memory_order_release);
      if (tally_.window_opened_tsc != 0) ++tally_.late_pkts;
      return;
    }
    if (tally_.window_opened_tsc == 0) open_window(now);
    tally_.last_arrival_tsc = now;
    const std::int64_t gaps = tracker_.totals().gaps;
    const Arrival arrival = tracker_.record(stamp->flow, stamp->sequence);
    if (tracker_.totals().gaps != gaps) {
      if (tally_.first_loss_tsc == 0) tally_.first_loss_tsc = now;
      tally_.last_loss_tsc = now;
    }
    if (arrival == Arrival::duplicate || arrival == Arrival::stale) {
      ++tally_.duplicate_pkts;
      return;
    }
    tally_.received_bytes += static_cast<std::int64_t>(
        std::max<std::size_t>(bytes + kHeaderBytes + kFcsBytes, kMinFrameBytes));
    latency_.record(static_cast<std::int64_t>(
        static_cast<double>(static_cast<std::int64_t>(now - stamp->tsc)) * 1e9 / tsc_hz_));
    if (order_.receiver.stage == StageKind::touch) tally_.touched += sum_of_payload(payload, bytes);
  }

  void open_window(std::uint64_t now) {
    tally_.window_opened_tsc = now;
    tally_.node = node_of_this_thread();
    tally_.window_opened_cpu_ns = thread_cpu_ns();
    tally_.window_opened_wall_ns = wall_ns();
    tally_.window_opened_times = scheduler_times();
  }

  void after_batch(std::uint64_t now) {
    tally_.last_arrival_cpu_ns = thread_cpu_ns();
    tally_.last_arrival_wall_ns = wall_ns();
    if (order_.planted_stop_ns <= 0 || tally_.stopped_once) return;
    const double open_s = static_cast<double>(now - tally_.window_opened_tsc) / tsc_hz_;
    if (open_s < order_.seconds / 2.0) return;
    tally_.stopped_once = true;
    std::this_thread::sleep_for(std::chrono::nanoseconds(order_.planted_stop_ns));
  }

  void look_at_queue() {
    if (const auto memory = socket_memory(socket_.fd())) {
      tally_.most_queued_bytes = std::max(tally_.most_queued_bytes, memory->queued_bytes);
    }
  }

  // The control thread.
  void end_thread() {
    ending_.store(true, std::memory_order_release);
    thread_.join();
  }

  std::optional<double> since_window(std::uint64_t tsc) const {
    if (tsc == 0 || tally_.window_opened_tsc == 0) return std::nullopt;
    return static_cast<double>(tsc - tally_.window_opened_tsc) / tsc_hz_;
  }

  void add_cpu(ReceiverAccount& account, std::int64_t wall_total_ns,
               const std::vector<CpuStat>& cpu_after) const {
    LcoreHealth health;
    health.role = "receiver socket";
    health.polling = false;
    health.node = tally_.node;
    const std::int64_t window_ns = tally_.last_arrival_wall_ns - tally_.window_opened_wall_ns;
    const std::int64_t cpu_ns = tally_.last_arrival_cpu_ns - tally_.window_opened_cpu_ns;
    if (tally_.window_opened_tsc != 0 && window_ns > 0) {
      const double busy =
          std::min(1.0, static_cast<double>(cpu_ns) / static_cast<double>(window_ns));
      health.thread_cpu_fraction = busy;
      account.busy_fraction = busy;
      if (account.received_pkts > 0) {
        account.cycles_per_pkt = static_cast<double>(cpu_ns) * 1e-9 * tsc_hz_ /
                                 static_cast<double>(account.received_pkts);
      }
      if (tally_.window_opened_times && tally_.end_times) {
        health.runnable_waiting_fraction =
            static_cast<double>(tally_.end_times->waiting_ns -
                                tally_.window_opened_times->waiting_ns) /
            static_cast<double>(window_ns);
      }
      // The kernel receives in the softirq of the CPU that sends (veth), or of the receiver's.
      const std::vector<int> cpus = cpus_.all();
      const auto softirq_ns = softirq_ns_between(cpu_before_, cpu_after, cpus);
      if (softirq_ns && wall_total_ns > 0) {
        account.cpu_cores_used =
            busy + static_cast<double>(*softirq_ns) / static_cast<double>(wall_total_ns);
      }
    }
    account.lcores.push_back(health);
  }

  void add_knobs(ReceiverAccount& account) const {
    const auto memory = socket_memory(socket_.fd());
    Knob knob;
    const std::int64_t asked = order_.receiver.socket_buffer_bytes;
    knob.requested = asked > 0 ? fmt::format("{}", asked) : "default";
    if (memory) {
      // The kernel keeps twice what was asked for: its own book-keeping counts too (socket(7)).
      const std::int64_t effective = memory->buffer_bytes / 2;
      knob.effective = fmt::format("{}", effective);
      knob.state = asked <= 0 || asked == effective ? KnobState::confirmed : KnobState::differs;
      knob.exercised = tally_.most_queued_bytes > 0;
      if (knob.exercised) {
        knob.evidence = fmt::format("held up to {} of {} bytes incl. overhead, {} frames dropped",
                                    tally_.most_queued_bytes, memory->buffer_bytes, memory->drops);
      }
    }
    account.knobs["socket_buffer"] = std::move(knob);
  }

  TrialOrder order_;
  NetdevPlace place_;
  TrialCpus cpus_;
  double tsc_hz_;
  Socket socket_;
  SequenceTracker tracker_;   // thread: wo while it runs
  LatencyHistogram latency_;  // thread: wo while it runs
  Tally tally_;
  std::string thread_error_;  // thread: wo; control: ro after join
  std::atomic<std::int64_t> arrivals_{0};
  std::atomic<std::uint64_t> warmup_pkts_{0};
  std::atomic<bool> ending_{false};
  std::vector<CpuStat> cpu_before_;
  std::int64_t started_wall_ns_ = 0;
  PinnedThread thread_;  // last: joined before what it uses goes away
};

Result<void> refuse_what_it_has_not(const TrialOrder& order) {
  const ReceiverOrder& receiver = order.receiver;
  if (order.traffic.kind != TrafficKind::udp) {
    return fail(Errc::bad_experiment, "path udp_socket: traffic kind udp only");
  }
  if (receiver.queues != 1) return fail(Errc::bad_experiment, "path udp_socket: one queue only");
  if (receiver.workers != 0) return fail(Errc::bad_experiment, "path udp_socket: no workers");
  if (receiver.stage == StageKind::checksum) {
    return fail(Errc::bad_experiment,
                "path udp_socket: the kernel verifies checksums; stage none or touch");
  }
  if (order.traffic.flows < 1 || order.traffic.flows > 65536) {
    return fail(Errc::bad_experiment, "flows: 1..65536");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Receiver>> make_udp_socket_receiver(const TrialOrder& order,
                                                           const NetdevPlace& place) {
  PM_TRYV(refuse_what_it_has_not(order));
  PM_TRY(TrialCpus cpus, trial_cpus(order));
  static const TscFacts tsc = calibrate_tsc();
  return std::make_unique<UdpSocketReceiver>(order, place, std::move(cpus), tsc.hz);
}

}  // namespace pollmark
