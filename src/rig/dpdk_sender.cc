#include "rig/dpdk_sender.h"

#include <fmt/format.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

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
#include "datapath/generate.h"
#include "host/cpu_time.h"
#include "host/kernel_counters.h"
#include "host/trial_cpus.h"
#include "rig/capture_pool.h"
#include "rig/dpdk_port.h"
#include "rig/dpdk_thread.h"
#include "rig/frame_images.h"
#include "rig/frame_source.h"
#include "rig/isa.h"
#include "rig/model_nic.h"
#include "rig/paced_send.h"
#include "rig/tally_memory.h"

namespace pollmark {
namespace {

constexpr int kTransmitRing = 512;
constexpr std::int64_t kLateNs = 20'000;
constexpr std::size_t kNear256 = 2;
static_assert(kNearNs[kNear256] == 256);
constexpr std::int64_t kDrainLimitNs = 500'000'000;

// One of warm-up and window. Sending thread: wo; control: ro after join.
struct Phase {
  PacedTallies paced;
  TallyMemory late_memory;
  std::int64_t cpu_ns = 0;
  std::int64_t wall_ns = 0;
};

class DpdkSender final : public Sender {
 public:
  DpdkSender(const TrialOrder& order, NetdevPlace place, TrialCpus cpus, double tsc_hz,
             const HotLevel& level, FrameSource source)
      : order_(order),
        place_(std::move(place)),
        cpus_(cpus),
        tsc_hz_(tsc_hz),
        level_(level),
        source_(std::move(source)) {
    for (Phase* phase : {&warmup_, &window_}) phase->paced.late = phase->late_memory.tally();
  }

  Result<void> open() override {
    PM_TRY(port_,
           DpdkPort::open(
               {.place = place_, .role = "tx", .ring_frames = kTransmitRing, .pool_mbufs = 1024}));
    if (source_.is_replay()) return lay_out_capture();
    if (source_.goes_in_bursts()) lay_out_flows();
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
        is_max() ? offered_pkts_ : window_.paced.accepted_pkts + window_.paced.given_up_pkts;
    account.tx_unsent_pkts = account.intended_pkts - offered_pkts_;
    account.sent_per_flow = source_.sent_per_flow(offered_pkts_);
    account.window_seconds =
        is_max() ? static_cast<double>(window_.wall_ns) * 1e-9 : source_.window_seconds();
    if (!is_max()) {
      const PacedTallies& paced = window_.paced;
      LatencyHistogram late_ns;
      add_tally(late_ns, paced.late, tsc_hz_);
      account.generator.late_p50_ns = late_ns.percentile(50.0);
      account.generator.late_p99_ns = late_ns.percentile(99.0);
      account.generator.late_max_ns = late_ns.max();
      // What a stall held up is not near its time.
      if (const auto gaps = paced.departure_gaps + paced.stalled_departure_gaps; gaps > 0) {
        account.generator.gap_within_256ns =
            static_cast<double>(paced.near[kNear256]) / static_cast<double>(gaps);
      }
    }
    account.generator.capture = source_.capture_account();
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

  void lay_out_flows() {
    const FlowSet& set = source_.set();
    images_ = FrameImages(set.flows, set.shapes, set.payload.data(), rearm_of(port_->port()));
    lay_payload(
        port_->pool(), set.payload.data(),
        std::min(static_cast<std::uint32_t>(set.payload.size()), source_.largest_data_bytes()));
    generator_.access.pool = port_->pool();
    generator_.port = port_->port();
    generator_.traffic = images_.traffic();
  }

  // Every frame of a capture into an mbuf of its own, to be sent from there again and again; the
  // capture as often as it takes to be more than the port holds at once.
  Result<void> lay_out_capture() {
    const std::vector<ReplayFrame>& frames = source_.replay();
    const std::size_t passes = (2 * kTransmitRing + frames.size() - 1) / frames.size();
    const std::size_t count = passes * frames.size();
    const std::uint32_t room = source_.largest_data_bytes();
    auto capture = CapturePool::create(fmt::format("capture_{}", port_->port()),
                                       static_cast<std::uint32_t>(count), room);
    if (!capture) {
      const double needed =
          static_cast<double>(count) * (sizeof(rte_mbuf) + RTE_PKTMBUF_HEADROOM + room);
      return fail(Errc::host_cannot,
                  fmt::format("{} frames of the capture need {} of DPDK memory, of which there is "
                              "not as much; allowed: a smaller capture, or a filter",
                              frames.size(), si(needed, "B")),
                  order_.traffic.pcap);
    }
    capture_ = std::move(*capture);
    for (std::size_t at = 0; at < count; ++at) {
      const ReplayFrame& frame = frames[at % frames.size()];
      rte_mbuf* mbuf = capture_->mbufs()[at];
      std::memcpy(rte_pktmbuf_mtod(mbuf, void*), frame.data, frame.data_bytes);
      mbuf->data_len = static_cast<std::uint16_t>(frame.data_bytes);
      mbuf->pkt_len = frame.data_bytes;
    }
    replay_.mbufs = capture_->mbufs().data();
    replay_.count = static_cast<std::uint32_t>(count);
    replay_.port = port_->port();
    replay_.freed = capture_->freed();
    return {};
  }

  // Frame by frame: headers, stamps or an order that images do not hold.
  std::uint32_t send_singly(const Ticks* due, std::uint32_t count, Ticks now) noexcept {
    rte_mbuf* mbufs[kSenderBurst];
    if (rte_pktmbuf_alloc_bulk(port_->pool(), mbufs, count) != 0) return 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t bytes =
          source_.next(rte_pktmbuf_mtod(mbufs[i], std::uint8_t*), generator_.epoch, due[i], now);
      mbufs[i]->data_len = static_cast<std::uint16_t>(bytes);
      mbufs[i]->pkt_len = bytes;
    }
    const std::uint32_t sent =
        rte_eth_tx_burst(port_->port(), 0, mbufs, static_cast<std::uint16_t>(count));
    if (sent < count) {
      source_.take_back(count - sent);
      rte_pktmbuf_free_bulk(mbufs + sent, count - sent);
    }
    return sent;
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
    source_.restart();
    generator_.access.cache = rte_mempool_default_cache(port_->pool(), rte_lcore_id());
    generator_.epoch = epoch;
    generator_.at = {};
    const std::int64_t cpu_before = thread_cpu_ns();
    const std::int64_t wall_before = wall_ns();
    if (source_.is_replay()) {
      send_on_schedule(order, phase,
                       [this](const Ticks* /*due*/, std::uint32_t count, Ticks /*now*/) {
                         return replay_burst(replay_, count);
                       });
    } else if (source_.goes_in_bursts()) {
      send_on_schedule(order, phase, [this](const Ticks* /*due*/, std::uint32_t count, Ticks now) {
        return level_.send_burst(generator_, count, now);
      });
    } else {
      send_on_schedule(order, phase, [this](const Ticks* due, std::uint32_t count, Ticks now) {
        return send_singly(due, count, now);
      });
    }
    phase.cpu_ns = thread_cpu_ns() - cpu_before;
    phase.wall_ns = wall_ns() - wall_before;
  }

  template <typename Send>
  void send_on_schedule(const PacerOrder& order, Phase& phase, Send send) {
    Pacer pacer(order);
    PacedOrder paced;
    paced.catch_up_ticks = catch_up_ticks(order.ticks_per_frame, tsc_hz_);
    paced.stall_ticks = ticks_of(static_cast<double>(kLateNs) * 1e-9);
    for (std::size_t at = 0; at < kNearNs.size(); ++at)
      paced.near_ticks[at] = ticks_of(static_cast<double>(kNearNs[at]) * 1e-9);
    send_paced<WallClock>(
        pacer, order.end, paced, abandoned_,
        [&](const Ticks* due, std::uint32_t count, Ticks now) {
          const std::uint32_t sent = send(due, count, now);
          // A full ring is no call of the driver's into the kernel.
          if (sent == 0) kick_transmit_ring(port_->socket_fd());
          return sent;
        },
        phase.paced);
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
    const std::int64_t of_window = std::min(unsent, window_.paced.accepted_pkts);
    offered_pkts_ = window_.paced.accepted_pkts - of_window;
    const std::int64_t warmup = warmup_.paced.accepted_pkts - (unsent - of_window);
    warmup_taken_.store(warmup, std::memory_order_release);
    taken_by_kernel_.store(warmup + offered_pkts_, std::memory_order_release);
  }

  [[nodiscard]] LcoreHealth health() const {
    LcoreHealth health;
    health.role = "generator";
    health.polling = true;
    health.longest_gap_ns = ns_of(window_.paced.longest_gap_ticks);
    health.gaps = window_.paced.stalls;
    health.gap_sum_ns = ns_of(window_.paced.stalled_ticks);
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
  const HotLevel& level_;
  FrameSource source_;
  FrameImages images_;
  std::unique_ptr<CapturePool> capture_;  // behind the port: it goes first
  std::unique_ptr<DpdkPort> port_;
  GeneratorLcore generator_;  // thread: rw
  ReplayLcore replay_;
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
  PM_TRY(const HotLevel* level, chosen_hot_level());
  return std::make_unique<DpdkSender>(order, place, cpus, tsc.hz, *level, std::move(source));
}

}  // namespace pollmark
