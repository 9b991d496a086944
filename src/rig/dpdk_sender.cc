#include "rig/dpdk_sender.h"

#include <fmt/format.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/line_rate.h"
#include "base/tsc.h"
#include "datapath/clock.h"
#include "datapath/frame.h"
#include "host/cpu_time.h"
#include "host/kernel_counters.h"
#include "host/trial_cpus.h"
#include "rig/capture.h"
#include "rig/dpdk_flows.h"
#include "rig/dpdk_pacer.h"
#include "rig/dpdk_port.h"
#include "rig/dpdk_thread.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kBurst = 32;
constexpr int kTransmitRing = 512;
constexpr std::int64_t kGapNs = 20'000;
constexpr std::int64_t kNearGapNs = 256;
constexpr std::int64_t kDrainLimitNs = 500'000'000;

// What is sent: frame n of a phase, n from 0.
class FrameSource {
 public:
  explicit FrameSource(DpdkFlows flows) : flows_(std::move(flows)) {}
  explicit FrameSource(Capture capture) : capture_(std::move(capture)) {}

  [[nodiscard]] bool is_replay() const { return !capture_.frames.empty(); }
  [[nodiscard]] std::uint32_t flow_count() const {
    return static_cast<std::uint32_t>(flows_.flows.size());
  }

  // Writes the frame; returns its bytes without FCS.
  std::uint32_t build(rte_mbuf* mbuf, std::uint64_t number, std::uint8_t epoch,
                      Ticks now) const noexcept {
    auto* data = rte_pktmbuf_mtod(mbuf, std::uint8_t*);
    std::uint32_t bytes = 0;
    if (is_replay()) {
      const auto& frame = capture_.frames[number % capture_.frames.size()].bytes;
      bytes = std::max(static_cast<std::uint32_t>(frame.size()), kShortest);
      std::memcpy(data, frame.data(), frame.size());
      if (frame.size() < kShortest) std::memset(data + frame.size(), 0, kShortest - frame.size());
    } else {
      const std::size_t flow = number % flows_.flows.size();
      const FrameShape& shape = flows_.shapes[number % flows_.shapes.size()];
      const Stamp stamp{kStampMagic, epoch, static_cast<std::uint16_t>(flow),
                        static_cast<std::uint32_t>(number / flows_.flows.size()), now};
      build_frame(data, flows_.flows[flow], shape, stamp, flows_.payload.data());
      bytes = shape.data_bytes;
    }
    mbuf->data_len = static_cast<std::uint16_t>(bytes);
    mbuf->pkt_len = bytes;
    return bytes;
  }

  // Bytes incl. FCS of the first `frames` frames.
  [[nodiscard]] std::int64_t bytes_of_first(std::int64_t frames) const {
    std::vector<std::int64_t> sizes;
    for (const auto& frame : capture_.frames) {
      sizes.push_back(
          std::max(static_cast<std::int64_t>(frame.bytes.size()), std::int64_t{kShortest}) +
          kFcsBytes);
    }
    for (const auto& shape : flows_.shapes) sizes.push_back(shape.wire_bytes);
    const auto period = static_cast<std::int64_t>(sizes.size());
    std::int64_t whole = 0;
    std::int64_t rest = 0;
    for (std::int64_t i = 0; i < period; ++i) {
      whole += sizes[static_cast<std::size_t>(i)];
      if (i < frames % period) rest += sizes[static_cast<std::size_t>(i)];
    }
    return frames / period * whole + rest;
  }

  [[nodiscard]] std::vector<std::uint32_t> sent_per_flow(std::int64_t frames) const {
    if (is_replay()) return {};
    const auto flows = static_cast<std::int64_t>(flows_.flows.size());
    std::vector<std::uint32_t> sent;
    for (std::int64_t flow = 0; flow < flows; ++flow) {
      sent.push_back(static_cast<std::uint32_t>(frames / flows + (flow < frames % flows ? 1 : 0)));
    }
    return sent;
  }

 private:
  static constexpr std::uint32_t kShortest = kMinFrameBytes - kFcsBytes;
  DpdkFlows flows_;
  Capture capture_;
};

// One of warm-up and window. Sending thread: wo; control: ro after join.
struct Phase {
  std::int64_t accepted_pkts = 0;  // taken by tx_burst
  std::int64_t given_up_pkts = 0;
  std::int64_t longest_gap_ns = 0;
  std::int64_t gaps = 0;
  std::int64_t gap_sum_ns = 0;
  std::int64_t departure_gaps = 0;
  std::int64_t near_departure_gaps = 0;
  std::int64_t cpu_ns = 0;
  std::int64_t wall_ns = 0;
  LatencyHistogram late_ns;
};

class DpdkSender final : public Sender {
 public:
  DpdkSender(const TrialOrder& order, NetdevPlace place, TrialCpus cpus, double tsc_hz,
             FrameSource source)
      : order_(order),
        place_(std::move(place)),
        cpus_(cpus),
        tsc_hz_(tsc_hz),
        source_(std::move(source)) {}

  Result<void> open() override {
    PM_TRY(port_,
           DpdkPort::open(
               {.place = place_, .role = "tx", .ring_frames = kTransmitRing, .pool_mbufs = 1024}));
    return {};
  }

  Result<CounterSnapshot> read_counters() override {
    PM_TRY(CounterSnapshot snapshot, read_sender_counters(place_));
    CounterFacts facts;
    facts.layer = "port";
    facts.scope = "port";
    const auto put = [&](const char* name, std::int64_t value) {
      put_counter(snapshot, name, static_cast<std::uint64_t>(value), facts);
    };
    put("sender.port.accepted_pkts", taken_by_kernel_.load(std::memory_order_acquire));
    put("sender.port.warmup_pkts", warmup_taken_.load(std::memory_order_acquire));
    rte_eth_stats stats{};
    if (port_ != nullptr && rte_eth_stats_get(port_->port(), &stats) == 0) {
      put_counter(snapshot, "sender.port.opackets", stats.opackets, facts);
      put_counter(snapshot, "sender.port.oerrors", stats.oerrors, facts);
    }
    return snapshot;
  }

  Result<void> start() override {
    PM_CHECK(port_ != nullptr);
    return start_lcore(thread_, cpus_.sender, "generator", [this] { send(); });
  }

  Result<SenderAccount> join() override {
    PM_CHECK(thread_.is_started());
    thread_.join();
    if (abandoned_.load(std::memory_order_relaxed)) {
      return fail(Errc::interrupted, "the trial was abandoned");
    }
    SenderAccount account;
    account.offered_pkts = offered_pkts_;
    account.offered_bytes = source_.bytes_of_first(offered_pkts_);
    account.intended_pkts =
        is_max() ? offered_pkts_ : window_.accepted_pkts + window_.given_up_pkts;
    account.tx_unsent_pkts = account.intended_pkts - offered_pkts_;
    account.sent_per_flow = source_.sent_per_flow(offered_pkts_);
    account.window_seconds =
        is_max() ? static_cast<double>(window_.wall_ns) * 1e-9 : order_.seconds;
    if (!is_max()) {
      account.generator.late_p50_ns = window_.late_ns.percentile(50.0);
      account.generator.late_p99_ns = window_.late_ns.percentile(99.0);
      account.generator.late_max_ns = window_.late_ns.max();
      if (window_.departure_gaps > 0) {
        account.generator.gap_within_256ns = static_cast<double>(window_.near_departure_gaps) /
                                             static_cast<double>(window_.departure_gaps);
      }
    }
    account.lcores.push_back(health());
    return account;
  }

  void abandon() override {
    abandoned_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

  ~DpdkSender() override { abandon(); }

 private:
  [[nodiscard]] bool is_max() const { return order_.traffic.load.unit == LoadUnit::max; }

  [[nodiscard]] Ticks ticks_of(double seconds) const {
    return static_cast<Ticks>(seconds * tsc_hz_);
  }
  [[nodiscard]] std::int64_t ns_of(Ticks ticks) const {
    return static_cast<std::int64_t>(static_cast<double>(ticks) * 1e9 / tsc_hz_);
  }

  // At least one burst's worth, or a slow schedule could never be caught up with.
  [[nodiscard]] Ticks catch_up_ticks(double ticks_per_frame) const {
    return std::max(ticks_of(static_cast<double>(kCatchUpNs) * 1e-9),
                    static_cast<Ticks>(ticks_per_frame * kBurst));
  }

  [[nodiscard]] PacerOrder pacing(Ticks start, double seconds, std::uint64_t salt) const {
    PacerOrder pacing;
    pacing.start = start;
    pacing.end = start + ticks_of(seconds);
    pacing.seed = order_.seed ^ salt;
    if (is_max()) {
      pacing.law = ArrivalLaw::back_to_back;
      return pacing;
    }
    pacing.ticks_per_frame = tsc_hz_ / order_.traffic.intended_pps;
    pacing.burst_frames =
        static_cast<std::uint32_t>(std::max(1, order_.traffic.arrivals.burst_frames));
    switch (order_.traffic.arrivals.kind) {
      case ArrivalKind::constant:
        pacing.law = ArrivalLaw::constant;
        break;
      case ArrivalKind::poisson:
        pacing.law = ArrivalLaw::poisson;
        break;
      case ArrivalKind::burst:
        pacing.law = ArrivalLaw::burst;
        break;
    }
    return pacing;
  }

  // The sending thread.
  void send() {
    const auto warmup_epoch = static_cast<std::uint8_t>(order_.epoch ^ 0x80U);
    Ticks begin = tsc_now();
    if (!source_.is_replay() && order_.warmup_seconds > 0.0) {
      send_phase(pacing(begin, order_.warmup_seconds, 1), warmup_epoch, warmup_);
      begin = std::max(tsc_now(), begin + ticks_of(order_.warmup_seconds));
    }
    send_phase(pacing(begin, order_.seconds, 0), order_.epoch, window_);
    drain();
  }

  void send_phase(const PacerOrder& order, std::uint8_t epoch, Phase& phase) {
    Pacer pacer(order);
    const bool max = order.law == ArrivalLaw::back_to_back;
    const Ticks catch_up = catch_up_ticks(order.ticks_per_frame);
    const std::int64_t cpu_before = thread_cpu_ns();
    const std::int64_t wall_before = wall_ns();
    rte_mbuf* mbufs[kBurst];
    Ticks due[kBurst];
    Ticks last_departure = 0;
    Ticks last_due = 0;
    Ticks prev = tsc_now();
    while (!abandoned_.load(std::memory_order_relaxed)) {
      const Ticks now = tsc_now();
      note_gap(now - prev, phase);
      prev = now;
      if (max ? now >= order.end : !pacer.has_slot()) break;
      phase.given_up_pkts += pacer.give_up_before(now > catch_up ? now - catch_up : 0);
      Pacer ahead = pacer;
      std::uint32_t wanted = 0;
      while (wanted < kBurst && ahead.has_slot() && ahead.due() <= now) {
        due[wanted++] = ahead.due();
        ahead.advance();
      }
      if (wanted == 0 || rte_pktmbuf_alloc_bulk(port_->pool(), mbufs, wanted) != 0) {
        rte_pause();
        continue;
      }
      for (std::uint32_t i = 0; i < wanted; ++i) {
        (void)source_.build(mbufs[i], static_cast<std::uint64_t>(phase.accepted_pkts) + i, epoch,
                            now);
      }
      const std::uint32_t sent =
          rte_eth_tx_burst(port_->port(), 0, mbufs, static_cast<std::uint16_t>(wanted));
      if (sent < wanted) {
        rte_pktmbuf_free_bulk(mbufs + sent, wanted - sent);
        // A full ring is no call of the driver's into the kernel.
        if (sent == 0) kick_transmit_ring(port_->socket_fd());
      }
      phase.accepted_pkts += sent;
      if (max) continue;
      for (std::uint32_t i = 0; i < sent; ++i) {
        phase.late_ns.record(ns_of(now - due[i]));
        if (last_departure != 0) {
          const auto gap = static_cast<std::int64_t>(now - last_departure);
          const auto ideal = static_cast<std::int64_t>(due[i] - last_due);
          ++phase.departure_gaps;
          const std::int64_t apart = gap > ideal ? gap - ideal : ideal - gap;
          if (ns_of(static_cast<Ticks>(apart)) <= kNearGapNs) ++phase.near_departure_gaps;
        }
        last_departure = now;
        last_due = due[i];
        pacer.advance();
      }
    }
    phase.cpu_ns = thread_cpu_ns() - cpu_before;
    phase.wall_ns = wall_ns() - wall_before;
  }

  void note_gap(Ticks ticks, Phase& phase) const {
    const std::int64_t gap_ns = ns_of(ticks);
    phase.longest_gap_ns = std::max(phase.longest_gap_ns, gap_ns);
    if (gap_ns <= kGapNs) return;
    ++phase.gaps;
    phase.gap_sum_ns += gap_ns;
  }

  // Until the kernel has taken everything from the transmit ring.
  void drain() {
    const std::int64_t begin_ns = wall_ns();
    std::int64_t unsent = 0;
    for (;;) {
      kick_transmit_ring(port_->socket_fd());
      unsent = port_->view().unsent();
      if (unsent == 0 || wall_ns() - begin_ns > kDrainLimitNs) break;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    // The ring is a queue: what is left came last.
    const std::int64_t of_window = std::min(unsent, window_.accepted_pkts);
    offered_pkts_ = window_.accepted_pkts - of_window;
    const std::int64_t warmup = warmup_.accepted_pkts - (unsent - of_window);
    warmup_taken_.store(warmup, std::memory_order_release);
    taken_by_kernel_.store(warmup + offered_pkts_, std::memory_order_release);
  }

  [[nodiscard]] LcoreHealth health() const {
    LcoreHealth health;
    health.role = "generator";
    health.polling = true;
    health.longest_gap_ns = window_.longest_gap_ns;
    health.gaps = window_.gaps;
    health.gap_sum_ns = window_.gap_sum_ns;
    if (window_.wall_ns > 0) {
      health.thread_cpu_fraction =
          std::min(1.0, static_cast<double>(window_.cpu_ns) / static_cast<double>(window_.wall_ns));
    }
    // A longer gap leaves a debt that is not worked off any more. Without a schedule there is none.
    if (!is_max())
      health.tolerated_gap_ns = ns_of(catch_up_ticks(tsc_hz_ / order_.traffic.intended_pps));
    return health;
  }

  TrialOrder order_;
  NetdevPlace place_;
  TrialCpus cpus_;
  double tsc_hz_;
  FrameSource source_;
  std::unique_ptr<DpdkPort> port_;
  Phase warmup_;  // thread: wo; control: ro after join
  Phase window_;
  std::int64_t offered_pkts_ = 0;
  std::atomic<std::int64_t> warmup_taken_{0};
  std::atomic<std::int64_t> taken_by_kernel_{0};
  std::atomic<bool> abandoned_{false};
  PinnedThread thread_;  // last: joined before what it uses goes away
};

Result<FrameSource> source_of(const TrialOrder& order, const NetdevPlace& place) {
  if (order.traffic.kind == TrafficKind::udp) {
    PM_TRY(DpdkFlows flows, DpdkFlows::prepare(order.traffic, place));
    return FrameSource(std::move(flows));
  }
  PM_TRY(Capture capture, load_capture(order.traffic.pcap));
  const std::size_t largest = static_cast<std::size_t>(place.mtu) + kEthernetBytes;
  for (std::size_t i = 0; i < capture.frames.size(); ++i) {
    if (capture.frames[i].bytes.size() <= largest) continue;
    return fail(Errc::bad_experiment,
                fmt::format("frame {} has {} bytes without FCS; {} carries {}", i + 1,
                            capture.frames[i].bytes.size(), place.netdev, largest),
                order.traffic.pcap);
  }
  return FrameSource(std::move(capture));
}

}  // namespace

Result<std::unique_ptr<Sender>> make_dpdk_sender(const TrialOrder& order,
                                                 const NetdevPlace& place) {
  if (order.traffic.load.unit != LoadUnit::max && !(order.traffic.intended_pps > 0.0)) {
    return fail(Errc::bad_experiment, "load: must be above zero");
  }
  PM_TRY(const TrialCpus cpus, trial_cpus(order));
  PM_TRY(FrameSource source, source_of(order, place));
  static const TscFacts tsc = calibrate_tsc();
  return std::make_unique<DpdkSender>(order, place, cpus, tsc.hz, std::move(source));
}

}  // namespace pollmark
