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
#include "rig/lcore_share.h"
#include "rig/model_nic.h"
#include "rig/paced_send.h"
#include "rig/tally_memory.h"

namespace pollmark {
namespace {

constexpr int kTransmitRing = 512;
constexpr int kPoolMbufs = 1024;                  // for each lcore
constexpr std::size_t kMostShapesInTurn = 65536;  // that images are laid out for
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

// One sending lcore with its queue of the port. Its thread: rw; control: ro after join.
struct SendingLcore {
  SendingLcore(const FrameSource& source, std::size_t its_number)
      : number(its_number),
        share(source.shares()[its_number]),
        stream(source, source.shares()[its_number]) {
    for (Phase* phase : {&warmup, &window}) phase->paced.late = phase->late_memory.tally();
  }
  std::size_t number;  // and queue
  const LcoreShare& share;
  FrameStream stream;
  FrameImages images;
  GeneratorLcore generator;
  std::unique_ptr<CapturePool> capture;
  ReplayLcore replay;
  Phase warmup;
  Phase window;
  std::int64_t offered_pkts = 0;
  // After the drain; control: ro at any time.
  std::atomic<std::int64_t> warmup_taken{0};
  std::atomic<std::int64_t> taken_by_kernel{0};
  PinnedThread thread;  // last: joined before what it uses goes away
};

class DpdkSender final : public Sender {
 public:
  DpdkSender(const TrialOrder& order, NetdevPlace place, TrialCpus cpus, double tsc_hz,
             const HotLevel& level, FrameSource source, std::shared_ptr<SharedPort> port)
      : order_(order),
        place_(std::move(place)),
        cpus_(std::move(cpus)),
        tsc_hz_(tsc_hz),
        level_(level),
        source_(std::move(source)),
        shared_port_(std::move(port)) {
    PM_CHECK(source_.shares().size() == cpus_.senders.size());
    for (std::size_t number = 0; number < cpus_.senders.size(); ++number)
      lcores_.push_back(std::make_unique<SendingLcore>(source_, number));
    const auto lcores = static_cast<int>(lcores_.size());
    shared_port_->need({.place = place_,
                        .ring_frames = kTransmitRing,
                        .queues = lcores,
                        .send_mbufs = kPoolMbufs * lcores});
  }

  Result<void> open() override {
    PM_TRY(port_, shared_port_->open());
    if (source_.is_replay()) {
      for (const auto& lcore : lcores_) PM_TRYV(lay_out_capture(*lcore));
    } else if (source_.goes_in_bursts()) {
      lay_out_flows();
    }
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
    std::int64_t taken_by_kernel = 0;
    std::int64_t warmup_taken = 0;
    for (const auto& lcore : lcores_) {
      taken_by_kernel += lcore->taken_by_kernel.load(std::memory_order_acquire);
      warmup_taken += lcore->warmup_taken.load(std::memory_order_acquire);
    }
    put("sender.port.accepted_pkts", taken_by_kernel);
    put("sender.port.warmup_pkts", warmup_taken);
    rte_eth_stats stats{};
    if (port_ != nullptr && rte_eth_stats_get(port_->port(), &stats) == 0) {
      put_counter(snapshot, "sender.port.opackets", stats.opackets, facts);
      put_counter(snapshot, "sender.port.oerrors", stats.oerrors, facts);
    }
    return snapshot;
  }

  Result<void> start() override {
    PM_CHECK(port_ != nullptr);
    for (const auto& lcore : lcores_)
      PM_TRYV(start_lcore(lcore->thread, cpus_.senders[lcore->number], role_of(*lcore),
                          [this, own = lcore.get()] { send(*own); }));
    // All are there: one schedule for all of them.
    origin_.store(tsc_now(), std::memory_order_release);
    return {};
  }

  Result<SenderAccount> join() override {
    for (const auto& lcore : lcores_) {
      PM_CHECK(lcore->thread.is_started());
      lcore->thread.join();
    }
    if (abandoned_.load(std::memory_order_relaxed)) {
      return fail(Errc::interrupted, "the trial was abandoned");
    }
    SenderAccount account;
    std::int64_t longest_wall_ns = 0;
    for (const auto& lcore : lcores_) {
      const PacedTallies& paced = lcore->window.paced;
      account.offered_pkts += lcore->offered_pkts;
      account.offered_bytes += source_.bytes_of_first(lcore->share, lcore->offered_pkts);
      account.intended_pkts +=
          is_max() ? lcore->offered_pkts : paced.accepted_pkts + paced.given_up_pkts;
      source_.count_sent(lcore->share, lcore->offered_pkts, account.sent_per_flow);
      longest_wall_ns = std::max(longest_wall_ns, lcore->window.wall_ns);
      account.lcores.push_back(health(*lcore));
    }
    account.tx_unsent_pkts = account.intended_pkts - account.offered_pkts;
    account.window_seconds =
        is_max() ? static_cast<double>(longest_wall_ns) * 1e-9 : source_.window_seconds();
    if (!is_max()) account.generator = pacing();
    account.generator.capture = source_.capture_account();
    return account;
  }

  void abandon() override {
    abandoned_.store(true, std::memory_order_relaxed);
    for (const auto& lcore : lcores_) lcore->thread.join();
  }

  ~DpdkSender() override { abandon(); }

 private:
  [[nodiscard]] bool is_max() const { return !source_.has_schedule(); }

  [[nodiscard]] std::string role_of(const SendingLcore& lcore) const {
    return lcores_.size() == 1 ? "generator" : fmt::format("generator {}", lcore.number);
  }

  // Images of each lcore's own flows, with the sizes that come with them; where those are too many,
  // all lcores write frame by frame, since bursts find the payload in the mbufs of a common pool.
  void lay_out_flows() {
    const FlowSet& set = source_.set();
    std::vector<std::vector<FrameShape>> shapes(lcores_.size());
    for (const auto& lcore : lcores_) {
      const auto turn = sizes_in_turn(lcore->share, static_cast<std::uint32_t>(set.shapes.size()),
                                      kMostShapesInTurn);
      if (turn.empty() && !lcore->share.steps.empty()) return;
      for (const std::uint32_t size : turn) shapes[lcore->number].push_back(set.shapes[size]);
    }
    in_bursts_ = true;
    lay_payload(
        port_->send_pool(), set.payload.data(),
        std::min(static_cast<std::uint32_t>(set.payload.size()), source_.largest_data_bytes()));
    for (const auto& lcore : lcores_) {
      if (lcore->share.steps.empty()) continue;
      std::vector<std::uint16_t> flows;
      visit_first(lcore->share, 0, [&](std::uint32_t flow, std::int64_t /*times*/) {
        flows.push_back(static_cast<std::uint16_t>(flow));
      });
      lcore->images = FrameImages(set.flows, shapes[lcore->number], set.payload.data(),
                                  rearm_of(port_->port()), flows);
      lcore->generator.access.pool = port_->send_pool();
      lcore->generator.port = port_->port();
      lcore->generator.queue = static_cast<std::uint16_t>(lcore->number);
      lcore->generator.traffic = lcore->images.traffic();
    }
  }

  // Every frame that the lcore sends of a capture into an mbuf of its own, to be sent from there
  // again and again; the capture as often as it takes to be more than the port holds at once.
  Result<void> lay_out_capture(SendingLcore& lcore) {
    if (lcore.share.steps.empty()) return {};
    std::vector<const ReplayFrame*> frames;
    visit_first(lcore.share, 0, [&](std::uint32_t position, std::int64_t /*times*/) {
      frames.push_back(&source_.replay()[position]);
    });
    const std::size_t passes = (std::size_t{2} * kTransmitRing + frames.size() - 1) / frames.size();
    const std::size_t count = passes * frames.size();
    const std::uint32_t room = source_.largest_data_bytes();
    auto capture = CapturePool::create(fmt::format("capture_{}_{}", port_->port(), lcore.number),
                                       static_cast<std::uint32_t>(count), room);
    if (!capture) {
      const double needed =
          static_cast<double>(count * (sizeof(rte_mbuf) + RTE_PKTMBUF_HEADROOM + room));
      return fail(Errc::host_cannot,
                  fmt::format("{} frames of the capture need {} of DPDK memory, of which there is "
                              "not as much; allowed: a smaller capture, or a filter",
                              frames.size(), si(needed, "B")),
                  order_.traffic.pcap);
    }
    lcore.capture = std::move(*capture);
    for (std::size_t at = 0; at < count; ++at) {
      const ReplayFrame& frame = *frames[at % frames.size()];
      rte_mbuf* mbuf = lcore.capture->mbufs()[at];
      std::memcpy(rte_pktmbuf_mtod(mbuf, void*), frame.data, frame.data_bytes);
      mbuf->data_len = static_cast<std::uint16_t>(frame.data_bytes);
      mbuf->pkt_len = frame.data_bytes;
    }
    lcore.replay.mbufs = lcore.capture->mbufs().data();
    lcore.replay.count = static_cast<std::uint32_t>(count);
    lcore.replay.port = port_->port();
    lcore.replay.queue = static_cast<std::uint16_t>(lcore.number);
    lcore.replay.freed = lcore.capture->freed();
    return {};
  }

  // Frame by frame: headers, stamps or an order that images do not hold.
  template <Sharing kSharing>
  std::uint32_t send_singly(SendingLcore& lcore, const Ticks* due, std::uint32_t count,
                            Ticks now) noexcept {
    rte_mbuf* mbufs[kSenderBurst];
    if (rte_pktmbuf_alloc_bulk(port_->send_pool(), mbufs, count) != 0) return 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t bytes = lcore.stream.next<kSharing>(
          rte_pktmbuf_mtod(mbufs[i], std::uint8_t*), lcore.generator.epoch, due[i], now);
      mbufs[i]->data_len = static_cast<std::uint16_t>(bytes);
      mbufs[i]->pkt_len = bytes;
    }
    const std::uint32_t sent =
        rte_eth_tx_burst(port_->port(), static_cast<std::uint16_t>(lcore.number), mbufs,
                         static_cast<std::uint16_t>(count));
    if (sent < count) {
      lcore.stream.take_back<kSharing>(count - sent);
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
  void send(SendingLcore& lcore) {
    const auto warmup_epoch = static_cast<std::uint8_t>(order_.epoch ^ 0x80U);
    Ticks begin = 0;
    while ((begin = origin_.load(std::memory_order_acquire)) == 0) {
      if (abandoned_.load(std::memory_order_relaxed)) return;
      std::this_thread::yield();
    }
    if (!source_.is_replay() && order_.warmup_seconds > 0.0) {
      send_phase(lcore, source_.pacing(begin, TrialPhase::warmup), warmup_epoch, lcore.warmup);
      begin = common_begin(std::max(tsc_now(), begin + ticks_of(order_.warmup_seconds)));
    }
    send_phase(lcore, source_.pacing(begin, TrialPhase::window), order_.epoch, lcore.window);
    drain(lcore);
  }

  // When the window begins: as the last of the lcores can.
  Ticks common_begin(Ticks own) noexcept {
    Ticks latest = window_begin_.load(std::memory_order_relaxed);
    while (latest < own &&
           !window_begin_.compare_exchange_weak(latest, own, std::memory_order_relaxed)) {
    }
    lcores_at_window_.fetch_add(1, std::memory_order_acq_rel);
    while (lcores_at_window_.load(std::memory_order_acquire) < lcores_.size() &&
           !abandoned_.load(std::memory_order_relaxed))
      std::this_thread::yield();
    return window_begin_.load(std::memory_order_relaxed);
  }

  void send_phase(SendingLcore& lcore, const PacerOrder& order, std::uint8_t epoch, Phase& phase) {
    lcore.stream.restart();
    lcore.generator.access.cache = rte_mempool_default_cache(port_->send_pool(), rte_lcore_id());
    lcore.generator.epoch = epoch;
    lcore.generator.at = {};
    const std::int64_t cpu_before = thread_cpu_ns();
    const std::int64_t wall_before = wall_ns();
    if (lcores_.size() == 1) {
      send_slots<Sharing::alone>(lcore, Pacer(order), order, phase);
    } else if (!lcore.share.steps.empty()) {
      send_slots<Sharing::shared>(lcore, SharedPacer(order, lcore.share), order, phase);
    }
    phase.cpu_ns = thread_cpu_ns() - cpu_before;
    phase.wall_ns = wall_ns() - wall_before;
  }

  template <Sharing kSharing, typename Schedule>
  void send_slots(SendingLcore& lcore, const Schedule& slots, const PacerOrder& order,
                  Phase& phase) {
    if (source_.is_replay()) {
      send_on_schedule(lcore, slots, order, phase,
                       [&lcore](const Ticks* /*due*/, std::uint32_t count, Ticks /*now*/) {
                         return replay_burst(lcore.replay, count);
                       });
    } else if (in_bursts_) {
      send_on_schedule(lcore, slots, order, phase,
                       [this, &lcore](const Ticks* /*due*/, std::uint32_t count, Ticks now) {
                         return level_.send_burst(lcore.generator, count, now);
                       });
    } else {
      send_on_schedule(lcore, slots, order, phase,
                       [this, &lcore](const Ticks* due, std::uint32_t count, Ticks now) {
                         return send_singly<kSharing>(lcore, due, count, now);
                       });
    }
  }

  template <typename Schedule, typename Send>
  void send_on_schedule(const SendingLcore& lcore, Schedule slots, const PacerOrder& order,
                        Phase& phase, Send send) {
    PacedOrder paced;
    paced.catch_up_ticks = catch_up_ticks(order.ticks_per_frame, tsc_hz_);
    paced.stall_ticks = ticks_of(static_cast<double>(kLateNs) * 1e-9);
    for (std::size_t at = 0; at < kNearNs.size(); ++at)
      paced.near_ticks[at] = ticks_of(static_cast<double>(kNearNs[at]) * 1e-9);
    const int socket_fd = port_->socket_fd(lcore.number);
    send_paced<WallClock>(
        slots, order.end, paced, abandoned_,
        [&](const Ticks* due, std::uint32_t count, Ticks now) {
          const std::uint32_t sent = send(due, count, now);
          // A full ring is no call of the driver's into the kernel.
          if (sent == 0) kick_transmit_ring(socket_fd);
          return sent;
        },
        phase.paced);
  }

  // Until the kernel has taken everything from the lcore's transmit ring.
  void drain(SendingLcore& lcore) {
    const std::int64_t begin_ns = wall_ns();
    std::int64_t unsent = 0;
    for (;;) {
      kick_transmit_ring(port_->socket_fd(lcore.number));
      unsent = port_->view(lcore.number).unsent();
      if (unsent == 0 || wall_ns() - begin_ns > kDrainLimitNs) break;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    // The ring is a queue: what is left came last.
    const std::int64_t of_window = std::min(unsent, lcore.window.paced.accepted_pkts);
    lcore.offered_pkts = lcore.window.paced.accepted_pkts - of_window;
    const std::int64_t warmup = lcore.warmup.paced.accepted_pkts - (unsent - of_window);
    lcore.warmup_taken.store(warmup, std::memory_order_release);
    lcore.taken_by_kernel.store(warmup + lcore.offered_pkts, std::memory_order_release);
  }

  // How well all of them kept the schedule.
  [[nodiscard]] GeneratorAccount pacing() const {
    LatencyHistogram late_ns;
    std::int64_t gaps = 0;
    std::int64_t near = 0;
    for (const auto& lcore : lcores_) {
      const PacedTallies& paced = lcore->window.paced;
      add_tally(late_ns, paced.late, tsc_hz_);
      // What a stall held up is not near its time.
      gaps += paced.departure_gaps + paced.stalled_departure_gaps;
      near += paced.near[kNear256];
    }
    GeneratorAccount account;
    account.late_p50_ns = late_ns.percentile(50.0);
    account.late_p99_ns = late_ns.percentile(99.0);
    account.late_max_ns = late_ns.max();
    if (gaps > 0) account.gap_within_256ns = static_cast<double>(near) / static_cast<double>(gaps);
    return account;
  }

  [[nodiscard]] LcoreHealth health(const SendingLcore& lcore) const {
    const Phase& window = lcore.window;
    LcoreHealth health;
    health.role = role_of(lcore);
    health.polling = true;
    health.longest_gap_ns = ns_of(window.paced.longest_gap_ticks);
    health.gaps = window.paced.stalls;
    health.gap_sum_ns = ns_of(window.paced.stalled_ticks);
    if (window.wall_ns > 0 && !lcore.share.steps.empty()) {
      health.thread_cpu_fraction =
          std::min(1.0, static_cast<double>(window.cpu_ns) / static_cast<double>(window.wall_ns));
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
  bool in_bursts_ = false;
  std::atomic<bool> abandoned_{false};
  // The schedule's beginnings, common to all lcores; 0: not yet known.
  std::atomic<Ticks> origin_{0};
  std::atomic<Ticks> window_begin_{0};
  std::atomic<std::size_t> lcores_at_window_{0};
  std::vector<std::unique_ptr<SendingLcore>> lcores_;
  std::shared_ptr<SharedPort> shared_port_;
  std::shared_ptr<DpdkPort> port_;  // goes before the captures that it sends
};

}  // namespace

Result<std::unique_ptr<Sender>> make_dpdk_sender(const TrialOrder& order, const NetdevPlace& place,
                                                 std::shared_ptr<SharedPort> port) {
  PM_TRY(TrialCpus cpus, trial_cpus(order));
  PM_TRY(FrameSource source, FrameSource::open(order, place, host_tsc().hz));
  PM_TRY(const HotLevel* level, chosen_hot_level());
  return std::make_unique<DpdkSender>(order, place, std::move(cpus), host_tsc().hz, *level,
                                      std::move(source), std::move(port));
}

}  // namespace pollmark
