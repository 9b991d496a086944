#include "rig/dpdk_receiver.h"

#include <fmt/format.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/tsc.h"
#include "datapath/clock.h"
#include "datapath/receive.h"
#include "host/cpu_time.h"
#include "host/kernel_counters.h"
#include "host/numa_placement.h"
#include "host/softirq_share.h"
#include "host/trial_cpus.h"
#include "rig/dpdk_port.h"
#include "rig/dpdk_thread.h"
#include "rig/eal.h"
#include "rig/flow_set.h"
#include "rig/isa.h"
#include "rig/mbuf_pool.h"
#include "rig/patterns.h"
#include "rig/stage_account.h"
#include "rig/tally_memory.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kTrackerWindow = 1024;
constexpr std::int64_t kGapNs = 20'000;
constexpr int kDefaultPool = 1024;

// Beside the datapath's own tallies. Receiving thread: wo; control: ro after join.
struct Watch {
  Ticks window_opened = 0;  // 0: no frame of the window came
  Ticks last_arrival = 0;
  Ticks first_loss = 0;
  Ticks last_loss = 0;
  std::uint64_t late_before_window = 0;
  std::int64_t longest_gap_ns = 0;
  std::int64_t gaps = 0;
  std::int64_t gap_sum_ns = 0;
  Ticks busy_ticks = 0;  // of rounds that found frames, in the window
  std::array<std::uint64_t, kMostBurst + 1> bursts_before{};
  std::uint64_t polled_before = 0;  // until the window opened
  std::optional<int> node;          // NUMA node of the thread when the window opened
  std::int64_t opened_cpu_ns = 0;
  std::int64_t opened_wall_ns = 0;
  std::int64_t last_cpu_ns = 0;
  std::int64_t last_wall_ns = 0;
  std::uint32_t most_pkts = 0;  // taken by one look
  std::uint64_t run_pkts = 0;   // taken since the last empty look
  std::uint64_t longest_run_pkts = 0;
  std::uint64_t full_bursts = 0;
  std::optional<std::int64_t> most_filled;  // descriptors, of the looks at a port that tells
  bool stopped_once = false;
};

class DpdkReceiver final : public Receiver {
 public:
  DpdkReceiver(const TrialOrder& order, NetdevPlace place, TrialCpus cpus, double tsc_hz,
               const HotLevel& level, const FrameStack& stack, std::shared_ptr<SharedPort> port)
      : order_(order),
        place_(std::move(place)),
        cpus_(std::move(cpus)),
        tsc_hz_(tsc_hz),
        level_(level),
        tracker_(static_cast<std::uint32_t>(order.traffic.flows), kTrackerWindow),
        shared_port_(std::move(port)) {
    const int pool = order.receiver.pool_mbufs > 0 ? order.receiver.pool_mbufs : kDefaultPool;
    shared_port_->need(
        {.place = place_, .ring_frames = order.receiver.rx_ring, .receive_mbufs = pool});
    lcore_.rx_of[0] = rx_memory_.tally();
    lcore_.done = done_memory_.tally();
    lcore_.intended = intended_memory_.tally();
    lcore_.queue_count = 1;
    lcore_.burst = static_cast<std::uint32_t>(order.receiver.burst);
    lcore_.flows = tracker_.flows();
    lcore_.tracker = &tracker_;
    lcore_.epoch = order.epoch;
    lcore_.stack = stack;
    const bool has_schedule =
        order.traffic.load.unit != LoadUnit::max && order.traffic.intended_pps > 0.0;
    if (has_schedule &&
        carries_lateness(order.traffic, stack, tsc_hz / order.traffic.intended_pps, tsc_hz)) {
      lcore_.lateness_offset = stack.least_bytes();
    }
  }
  ~DpdkReceiver() override { end_thread(); }

  Result<void> open() override {
    if (order_.receiver.stage == StageKind::hyperscan) {
      PM_TRY(patterns_, PatternSet::load(order_.receiver.patterns));
      PM_TRY(scratch_, patterns_->scratch());
      lcore_.scan = {patterns_->database(), scratch_.get()};
      lcore_.search_from =
          lcore_.stack.least_bytes() + (lcore_.lateness_offset != 0 ? kLatenessBytes : 0);
    }
    PM_TRY(port_, shared_port_->open());
    lcore_.ethdev_queues[0] = {.port = port_->port(), .queue = 0};
    return {};
  }

  Result<CounterSnapshot> read_counters() override {
    PM_TRY(CounterSnapshot snapshot, read_receiver_counters(place_, FrameConsumer::packet_ring));
    PM_TRY(const PacketStatistics since_last, take_packet_statistics(port_->socket_fd()));
    ring_total_.packets += since_last.packets;
    ring_total_.drops += since_last.drops;
    put_packet_ring_counters(snapshot, ring_total_);
    CounterFacts of_port;
    of_port.layer = "port";
    of_port.scope = "port";
    put_counter(snapshot, "receiver.port.warmup_pkts", warmup_pkts_.load(std::memory_order_acquire),
                of_port);
    rte_eth_stats stats{};
    if (rte_eth_stats_get(port_->port(), &stats) == 0) {
      put_counter(snapshot, "receiver.port.ipackets", stats.ipackets, of_port);
    }
    return snapshot;
  }

  Result<void> start() override {
    PM_CHECK(port_ != nullptr);
    softirq_.begin(cpus_.all());
    return start_lcore(thread_, cpus_.receivers.front(), "receiver", [this] { poll(); });
  }

  Result<void> drain(std::int64_t quiet_ns, std::int64_t limit_ns) override {
    constexpr std::uint64_t kEmptyRounds = 1000;
    const std::int64_t begin_ns = wall_ns();
    std::uint64_t seen = ~std::uint64_t{0};
    std::uint64_t rounds_then = 0;
    std::int64_t quiet_since_ns = begin_ns;
    for (;;) {
      const std::int64_t now_ns = wall_ns();
      const std::uint64_t polled = polled_.load(std::memory_order_acquire);
      const std::uint64_t rounds = empty_rounds_.load(std::memory_order_acquire);
      if (polled != seen) {
        seen = polled;
        rounds_then = rounds;
        quiet_since_ns = now_ns;
      }
      // Quiet means that the thread looked and found nothing, not that it did not run.
      const bool looked = rounds - rounds_then >= kEmptyRounds;
      if ((looked && now_ns - quiet_since_ns >= quiet_ns) || now_ns - begin_ns >= limit_ns) {
        return {};
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& sent_per_flow) override {
    end_thread();
    const std::optional<double> softirq_cores = softirq_.cores();
    const ReceiveTallies& tallies = lcore_.tallies;
    const bool tracked = !is_replay();

    ReceiverAccount account;
    account.received_pkts = static_cast<std::int64_t>(tallies.received);
    account.received_bytes = static_cast<std::int64_t>(tallies.received_bytes);
    account.queues.push_back({.queue = 0,
                              .polled_pkts = static_cast<std::int64_t>(tallies.polled),
                              .share = 1.0,
                              .occupancy_max = watch_.most_filled});
    account.isa = level_.name;
    if (const auto eal = eal_facts()) account.page_size_bytes = eal->page_size_bytes;
    account.pool_nodes = nodes_of_pool(*port_->receive_pool());
    if (tracked) {
      if (!sent_per_flow.empty()) tracker_.finish(sent_per_flow);
      account.tracker = tracker_.totals();
      account.fates[Fate::duplicate] = static_cast<std::int64_t>(tallies.duplicate + tallies.stale);
      account.fates[Fate::foreign] = static_cast<std::int64_t>(tallies.foreign);
      account.fates[Fate::late] =
          watch_.window_opened == 0
              ? 0
              : static_cast<std::int64_t>(tallies.late - watch_.late_before_window);
      account.fates[Fate::corrupt] = static_cast<std::int64_t>(tallies.corrupt);
      add_tally(account.latency_ns.rx.emplace(), lcore_.rx_of[0], tsc_hz_);
      account.latency_ns.done = account.latency_ns.rx;
      if (order_.receiver.stage != StageKind::none)
        add_tally(account.latency_ns.done.emplace(), lcore_.done, tsc_hz_);
      if (lcore_.lateness_offset != 0) {
        add_tally(account.latency_ns.intended.emplace(), lcore_.intended, tsc_hz_);
      }
      account.queues[0].latency_rx_ns = account.latency_ns.rx;
      if (tracker_.totals().lost > 0 && watch_.first_loss == 0) {
        // Nothing came behind the lost ones that could have shown a gap.
        watch_.first_loss = watch_.last_loss = watch_.last_arrival;
      }
      account.first_loss_s = since_window(watch_.first_loss);
      account.last_loss_s = since_window(watch_.last_loss);
    }
    if (order_.receiver.stage != StageKind::none)
      account.stage = stage_account(tallies, order_.receiver.stage);
    if (patterns_)
      account.fates[Fate::stage_dropped] = static_cast<std::int64_t>(tallies.stage_dropped);
    add_cost(account, softirq_cores);
    PM_TRYV(add_knobs(account));
    return account;
  }

  void abandon() override { end_thread(); }
  LiveTallies live() const override {
    LiveTallies live;
    live.polled_pkts = window_polled_.load(std::memory_order_relaxed);
    live.received_pkts = window_received_.load(std::memory_order_relaxed);
    if (!is_replay()) live.gaps = window_gaps_.load(std::memory_order_relaxed);
    return live;
  }

 private:
  [[nodiscard]] bool is_replay() const { return order_.traffic.kind == TrafficKind::replay; }
  [[nodiscard]] std::int64_t ns_of(Ticks ticks) const {
    return static_cast<std::int64_t>(static_cast<double>(ticks) * 1e9 / tsc_hz_);
  }

  // The receiving thread.
  void poll() {
    const StageKind stage = order_.receiver.stage;
    const StampSource stamps = is_replay()               ? StampSource::none
                               : lcore_.stack.is_plain() ? StampSource::payload
                                                         : StampSource::stacked;
    const EthdevStep step = level_.ethdev_step(stamps, stage);
    const ReceiveTallies& tallies = lcore_.tallies;
    const auto half_window = static_cast<Ticks>(order_.seconds / 2.0 * tsc_hz_);
    std::uint64_t empty_rounds = 0;
    std::int64_t gaps_seen = 0;
    Ticks prev = tsc_now();
    while (!ending_.load(std::memory_order_relaxed)) {
      const Ticks now = tsc_now();
      if (watch_.window_opened != 0) note_gap(now - prev);
      prev = now;
      const std::uint32_t count = step(lcore_);
      if (count == 0) {
        watch_.run_pkts = 0;
        empty_rounds_.store(++empty_rounds, std::memory_order_release);
        continue;
      }
      watch_.most_pkts = std::max(watch_.most_pkts, count);
      watch_.run_pkts += count;
      watch_.longest_run_pkts = std::max(watch_.longest_run_pkts, watch_.run_pkts);
      polled_.store(tallies.polled, std::memory_order_release);
      if (tallies.late != 0) warmup_pkts_.store(tallies.late, std::memory_order_release);
      if (tallies.received == 0 && tallies.corrupt == 0) continue;  // still the warm-up
      if (watch_.window_opened == 0) {
        open_window(now, count);
      } else {
        watch_.busy_ticks += tsc_now() - now;
      }
      after_round(now, gaps_seen);
      if (count == lcore_.burst) look_at_ring(count);
      if (order_.planted_stop_ns > 0 && !watch_.stopped_once &&
          now - watch_.window_opened >= half_window) {
        watch_.stopped_once = true;
        std::this_thread::sleep_for(std::chrono::nanoseconds(order_.planted_stop_ns));
      }
    }
  }

  void open_window(Ticks now, std::uint32_t count) {
    watch_.window_opened = now;
    watch_.late_before_window = lcore_.tallies.late;
    watch_.polled_before = lcore_.tallies.polled - count;
    std::copy_n(lcore_.tallies.burst_of, watch_.bursts_before.size(), watch_.bursts_before.begin());
    --watch_.bursts_before[count];  // this one is the window's
    watch_.node = node_of_this_thread();
    watch_.opened_cpu_ns = thread_cpu_ns();
    watch_.opened_wall_ns = wall_ns();
  }

  void after_round(Ticks now, std::int64_t& gaps_seen) {
    watch_.last_arrival = now;
    const std::int64_t gaps = tracker_.totals().gaps;
    if (gaps != gaps_seen) {
      gaps_seen = gaps;
      window_gaps_.store(gaps, std::memory_order_relaxed);
      if (watch_.first_loss == 0) watch_.first_loss = now;
      watch_.last_loss = now;
    }
    watch_.last_cpu_ns = thread_cpu_ns();
    watch_.last_wall_ns = wall_ns();
    window_polled_.store(static_cast<std::int64_t>(lcore_.tallies.polled - watch_.polled_before),
                         std::memory_order_relaxed);
    window_received_.store(static_cast<std::int64_t>(lcore_.tallies.received),
                           std::memory_order_relaxed);
  }

  // Only a full burst leaves frames behind; drivers walk the ring to count them.
  void look_at_ring(std::uint32_t taken) {
    constexpr std::uint64_t kEvery = 64;  // full bursts
    if (!tells_occupancy_ || watch_.full_bursts++ % kEvery != 0) return;
    const int left = rte_eth_rx_queue_count(port_->port(), 0);
    tells_occupancy_ = left >= 0;
    if (tells_occupancy_)
      watch_.most_filled = std::max(watch_.most_filled.value_or(0), std::int64_t{left} + taken);
  }

  void note_gap(Ticks ticks) {
    record(gaps_, ticks);
    keep_from_wrapping(gaps_, 1);
    const std::int64_t gap_ns = ns_of(ticks);
    watch_.longest_gap_ns = std::max(watch_.longest_gap_ns, gap_ns);
    if (gap_ns <= kGapNs) return;
    ++watch_.gaps;
    watch_.gap_sum_ns += gap_ns;
  }

  // The control thread.
  void end_thread() {
    ending_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

  [[nodiscard]] std::optional<double> since_window(Ticks ticks) const {
    if (ticks == 0 || watch_.window_opened == 0) return std::nullopt;
    return static_cast<double>(ticks - watch_.window_opened) / tsc_hz_;
  }

  void add_cost(ReceiverAccount& account, std::optional<double> softirq_cores) const {
    LcoreHealth health;
    health.role = "receiver q0";
    health.polling = true;
    health.node = watch_.node;
    health.longest_gap_ns = watch_.longest_gap_ns;
    health.gaps = watch_.gaps;
    health.gap_sum_ns = watch_.gap_sum_ns;
    if (order_.traffic.intended_pps > 0.0) {
      health.tolerated_gap_ns = static_cast<std::int64_t>(
          1e9 * static_cast<double>(port_->ring().frames) / order_.traffic.intended_pps);
    }
    const std::int64_t window_ns = watch_.last_wall_ns - watch_.opened_wall_ns;
    if (watch_.window_opened != 0 && window_ns > 0) {
      const double on_cpu =
          std::min(1.0, static_cast<double>(watch_.last_cpu_ns - watch_.opened_cpu_ns) /
                            static_cast<double>(window_ns));
      health.thread_cpu_fraction = on_cpu;
      const auto window_ticks = static_cast<double>(watch_.last_arrival - watch_.window_opened);
      if (window_ticks > 0.0) {
        account.busy_fraction =
            std::min(1.0, static_cast<double>(watch_.busy_ticks) / window_ticks);
      }
      const auto polled = lcore_.tallies.polled - watch_.polled_before;
      if (polled > 0) {
        account.syscalls_per_pkt = 0.0;  // net_af_packet looks into its ring
        account.cycles_per_pkt =
            static_cast<double>(watch_.busy_ticks) / static_cast<double>(polled);
      }
      // The kernel's part of receiving runs in softirq on the CPU that sends.
      if (softirq_cores) account.cpu_cores_used = on_cpu + *softirq_cores;
    }
    health.busy_fraction = account.busy_fraction;
    if (watch_.window_opened != 0) {
      add_tally(health.poll_gap_ns.emplace(), gaps_, tsc_hz_);
      for (std::size_t frames = 0; frames <= lcore_.burst; ++frames)
        health.bursts.push_back(static_cast<std::int64_t>(lcore_.tallies.burst_of[frames] -
                                                          watch_.bursts_before[frames]));
    }
    account.lcores.push_back(std::move(health));
  }

  Result<void> add_knobs(ReceiverAccount& account) {
    PM_TRY(const PacketStatistics since_last, take_packet_statistics(port_->socket_fd()));
    ring_total_.packets += since_last.packets;
    ring_total_.drops += since_last.drops;
    Knob knob;
    knob.requested = fmt::format("{}", order_.receiver.rx_ring);
    knob.effective = fmt::format("{}", port_->ring().frames);
    knob.state = knob.requested == knob.effective ? KnobState::confirmed : KnobState::differs;
    knob.exercised = lcore_.tallies.polled > 0;
    if (knob.exercised) {
      knob.evidence =
          fmt::format("{} frames went through it, up to {} without an empty look; {} found it full",
                      lcore_.tallies.polled, watch_.longest_run_pkts, ring_total_.drops);
    }
    account.knobs["rx_ring"] = std::move(knob);
    const std::string burst = fmt::format("{}", order_.receiver.burst);
    account.knobs["burst"] = {burst, burst, KnobState::confirmed,
                              fmt::format("rx_burst gave at most {} frames", watch_.most_pkts),
                              watch_.most_pkts >= lcore_.burst};
    const auto eal = eal_facts();
    account.knobs["numa"] = numa_knob(order_.receiver.numa, eal ? eal->memory_node : std::nullopt,
                                      account.pool_nodes, account.lcores);
    return {};
  }

  TrialOrder order_;
  NetdevPlace place_;
  TrialCpus cpus_;
  double tsc_hz_;
  const HotLevel& level_;
  TallyMemory rx_memory_;
  TallyMemory done_memory_;
  TallyMemory intended_memory_;
  TallyMemory gaps_memory_;
  LatencyTally gaps_ = gaps_memory_.tally();    // thread: wo while it runs
  std::shared_ptr<const PatternSet> patterns_;  // of stage hyperscan
  Scratch scratch_;
  SequenceTracker tracker_;      // thread: wo while it runs
  ReceiveLcore lcore_;           // thread: wo while it runs
  Watch watch_;                  // thread: wo while it runs
  bool tells_occupancy_ = true;  // thread: rw
  std::shared_ptr<SharedPort> shared_port_;
  std::shared_ptr<DpdkPort> port_;
  PacketStatistics ring_total_;
  std::atomic<std::uint64_t> polled_{0};
  std::atomic<std::uint64_t> empty_rounds_{0};
  std::atomic<std::uint64_t> warmup_pkts_{0};
  std::atomic<std::int64_t> window_polled_{0};
  std::atomic<std::int64_t> window_received_{0};
  std::atomic<std::int64_t> window_gaps_{0};
  std::atomic<bool> ending_{false};
  SoftirqShare softirq_;
  PinnedThread thread_;  // last: joined before what it uses goes away
};

Result<void> refuse_what_it_has_not(const TrialOrder& order) {
  const ReceiverOrder& receiver = order.receiver;
  if (receiver.queues != 1) {
    return fail(Errc::bad_experiment, "path dpdk on a kernel device: one queue only");
  }
  if (receiver.workers != 0) {
    return fail(Errc::bad_experiment, "path dpdk on a kernel device: no workers");
  }
  if (!receiver.rx_offloads.empty()) {
    return fail(Errc::bad_experiment, "path dpdk on a kernel device: no receive offloads");
  }
  if (receiver.rx_ring < 1) return fail(Errc::bad_experiment, "rx_ring: at least 1");
  if (receiver.burst < 1 || receiver.burst > static_cast<int>(kMostBurst)) {
    return fail(Errc::bad_experiment, fmt::format("burst: 1 to {}", kMostBurst));
  }
  if (order.traffic.flows < 1 || order.traffic.flows > 65536) {
    return fail(Errc::bad_experiment, "flows: 1 to 65536");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Receiver>> make_dpdk_receiver(const TrialOrder& order,
                                                     const NetdevPlace& place,
                                                     std::shared_ptr<SharedPort> port) {
  PM_TRYV(refuse_what_it_has_not(order));
  PM_TRY(TrialCpus cpus, trial_cpus(order));
  PM_TRY(const HotLevel* level, chosen_hot_level());
  FrameStack stack;
  if (order.traffic.kind != TrafficKind::replay) {
    PM_TRY(stack, frame_stack(order.traffic));
  }
  return std::make_unique<DpdkReceiver>(order, place, std::move(cpus), host_tsc().hz, *level, stack,
                                        std::move(port));
}

}  // namespace pollmark
