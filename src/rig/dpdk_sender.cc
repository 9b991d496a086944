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

#include "base/tsc.h"
#include "base/units.h"
#include "datapath/clock.h"
#include "host/cpu_time.h"
#include "host/kernel_counters.h"
#include "host/trial_cpus.h"
#include "rig/dpdk_port.h"
#include "rig/dpdk_thread.h"
#include "rig/frame_source.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kBurst = kSenderBurst;
constexpr int kTransmitRing = 512;
constexpr std::int64_t kGapNs = 20'000;
constexpr std::int64_t kNearGapNs = 256;
constexpr std::int64_t kDrainLimitNs = 500'000'000;

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
    if (source_.is_replay()) PM_TRYV(lay_out_capture());
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
        is_max() ? static_cast<double>(window_.wall_ns) * 1e-9 : source_.window_seconds();
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
  [[nodiscard]] bool is_max() const { return !source_.has_schedule(); }

  // Every frame of a capture into an mbuf of its own, to be sent from there again and again.
  Result<void> lay_out_capture() {
    const auto count = static_cast<unsigned>(source_.replay().size());
    const unsigned room = RTE_PKTMBUF_HEADROOM + source_.largest_data_bytes();
    const std::string name = fmt::format("capture_{}", port_->port());
    replay_pool_.reset(rte_pktmbuf_pool_create(name.c_str(), count, 0, 0,
                                               static_cast<std::uint16_t>(room), SOCKET_ID_ANY));
    if (!replay_pool_) {
      const double needed = static_cast<double>(count) * (sizeof(rte_mbuf) + room);
      return fail(Errc::host_cannot,
                  fmt::format("{} frames of the capture need {} of DPDK memory, of which there is "
                              "not as much; allowed: a smaller capture, or a filter",
                              count, si(needed, "B")),
                  order_.traffic.pcap);
    }
    for (const ReplayFrame& frame : source_.replay()) {
      rte_mbuf* mbuf = rte_pktmbuf_alloc(replay_pool_.get());
      PM_CHECK(mbuf != nullptr);
      std::memcpy(rte_pktmbuf_mtod(mbuf, void*), frame.data, frame.data_bytes);
      mbuf->data_len = static_cast<std::uint16_t>(frame.data_bytes);
      mbuf->pkt_len = frame.data_bytes;
      replay_mbufs_.push_back(mbuf);
    }
    return {};
  }

  // The next frames, ready to send; false when there is no memory for them now.
  bool take(rte_mbuf** mbufs, const Ticks* due, std::uint32_t count, std::uint8_t epoch,
            Ticks now) noexcept {
    if (source_.is_replay()) {
      for (std::uint32_t i = 0; i < count; ++i) {
        mbufs[i] = replay_mbufs_[source_.position()];
        // The driver frees what it has sent: it gets a reference of its own.
        rte_mbuf_refcnt_update(mbufs[i], 1);
        source_.skip();
      }
      return true;
    }
    if (rte_pktmbuf_alloc_bulk(port_->pool(), mbufs, count) != 0) return false;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t bytes =
          source_.next(rte_pktmbuf_mtod(mbufs[i], std::uint8_t*), epoch, due[i], now);
      mbufs[i]->data_len = static_cast<std::uint16_t>(bytes);
      mbufs[i]->pkt_len = bytes;
    }
    return true;
  }

  [[nodiscard]] Ticks ticks_of(double seconds) const {
    return static_cast<Ticks>(seconds * tsc_hz_);
  }
  [[nodiscard]] std::int64_t ns_of(Ticks ticks) const {
    return static_cast<std::int64_t>(static_cast<double>(ticks) * 1e9 / tsc_hz_);
  }

  // The sending thread.
  void send() {
    const auto warmup_epoch = static_cast<std::uint8_t>(order_.epoch ^ 0x80U);
    Ticks begin = tsc_now();
    if (!source_.is_replay() && order_.warmup_seconds > 0.0) {
      send_phase(source_.pacing(begin, order_.warmup_seconds, 1), warmup_epoch, warmup_);
      begin = std::max(tsc_now(), begin + ticks_of(order_.warmup_seconds));
    }
    send_phase(source_.pacing(begin, order_.seconds, 0), order_.epoch, window_);
    drain();
  }

  void send_phase(const PacerOrder& order, std::uint8_t epoch, Phase& phase) {
    Pacer pacer(order);
    source_.restart();
    const bool max = order.law == ArrivalLaw::back_to_back;
    const Ticks catch_up = catch_up_ticks(order.ticks_per_frame, tsc_hz_);
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
      if ((max && now >= order.end) || !pacer.has_slot()) break;
      phase.given_up_pkts += pacer.give_up_before(now > catch_up ? now - catch_up : 0);
      Pacer ahead = pacer;
      std::uint32_t wanted = 0;
      while (wanted < kBurst && ahead.has_slot() && ahead.due() <= now) {
        due[wanted++] = ahead.due();
        ahead.advance();
      }
      if (wanted == 0 || !take(mbufs, due, wanted, epoch, now)) {
        rte_pause();
        continue;
      }
      const std::uint32_t sent =
          rte_eth_tx_burst(port_->port(), 0, mbufs, static_cast<std::uint16_t>(wanted));
      if (sent < wanted) {
        source_.take_back(wanted - sent);
        rte_pktmbuf_free_bulk(mbufs + sent, wanted - sent);
        // A full ring is no call of the driver's into the kernel.
        if (sent == 0) kick_transmit_ring(port_->socket_fd());
      }
      phase.accepted_pkts += sent;
      if (max) {
        for (std::uint32_t i = 0; i < sent; ++i) pacer.advance();
        continue;
      }
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
      health.tolerated_gap_ns = ns_of(catch_up_ticks(source_.ticks_per_frame(), tsc_hz_));
    return health;
  }

  TrialOrder order_;
  NetdevPlace place_;
  TrialCpus cpus_;
  double tsc_hz_;
  struct FreePool {
    void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
  };
  FrameSource source_;
  std::unique_ptr<rte_mempool, FreePool> replay_pool_;  // behind the port: it goes first
  std::vector<rte_mbuf*> replay_mbufs_;                 // by place in the capture
  std::unique_ptr<DpdkPort> port_;
  Phase warmup_;  // thread: wo; control: ro after join
  Phase window_;
  std::int64_t offered_pkts_ = 0;
  std::atomic<std::int64_t> warmup_taken_{0};
  std::atomic<std::int64_t> taken_by_kernel_{0};
  std::atomic<bool> abandoned_{false};
  PinnedThread thread_;  // last: joined before what it uses goes away
};

}  // namespace

Result<std::unique_ptr<Sender>> make_dpdk_sender(const TrialOrder& order,
                                                 const NetdevPlace& place) {
  PM_TRY(const TrialCpus cpus, trial_cpus(order));
  static const TscFacts tsc = calibrate_tsc();
  PM_TRY(FrameSource source, FrameSource::open(order, place, tsc.hz));
  return std::make_unique<DpdkSender>(order, place, cpus, tsc.hz, std::move(source));
}

}  // namespace pollmark
