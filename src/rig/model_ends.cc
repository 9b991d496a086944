#include "rig/model_ends.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <thread>

#include "base/line_rate.h"
#include "base/text.h"
#include "datapath/model_run.h"
#include "host/cpu_time.h"
#include "host/numa_placement.h"
#include "plan/factors.h"
#include "rig/capture.h"
#include "rig/core_speed.h"
#include "rig/eal.h"
#include "rig/isa.h"
#include "rig/model_nic.h"
#include "rig/model_stalls.h"
#include "rig/model_traffic.h"
#include "rig/model_wall.h"
#include "rig/patterns.h"
#include "rig/rss.h"
#include "rig/stage_account.h"
#include "rig/tally_memory.h"

namespace pollmark {
namespace {

constexpr double kExcisionFloorNs = 2000.0;
constexpr std::uint64_t kFirstSlices = 128;  // of the core, before the first trial: some 10 ms
// What a strict trial may wait for its core.
constexpr double kPatienceSeconds = 1.0;
constexpr double kPatiencePerSecond = 4.0;  // of warm-up and window
constexpr int kMostRxRing = 32768;
constexpr int kTxRing = 1024;

bool offloads(const TrialOrder& order, std::string_view name) {
  const auto& list = order.receiver.rx_offloads;
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Which lcores a trial has, and which of them share rings. Virtual lcores are numbered rx first,
// then workers.
struct Layout {
  int rx_lcores = 1;
  int workers = 0;
  std::vector<std::vector<int>> queues;  // [rx lcore]
  std::vector<std::vector<int>> rings;   // [worker] rings (= rx lcores) that it takes from
  std::vector<std::vector<int>> groups;  // virtual lcores, producers first
  [[nodiscard]] int lcores() const { return rx_lcores + workers; }
  // "receiver q0 q2", "worker 0".
  [[nodiscard]] std::string role(int lcore) const {
    if (lcore >= rx_lcores) return fmt::format("worker {}", lcore - rx_lcores);
    std::string role = "receiver";
    for (const int queue : queues[static_cast<std::size_t>(lcore)])
      role += fmt::format(" q{}", queue);
    return role;
  }
};

Layout lay_out(const TrialOrder& order) {
  Layout layout;
  const int queues = order.receiver.queues;
  layout.rx_lcores = order.receiver_lcores.empty()
                         ? queues
                         : std::min(queues, static_cast<int>(order.receiver_lcores.size()));
  layout.workers = order.receiver.workers;
  layout.queues.resize(static_cast<std::size_t>(layout.rx_lcores));
  for (int queue = 0; queue < queues; ++queue)
    layout.queues[static_cast<std::size_t>(queue % layout.rx_lcores)].push_back(queue);
  layout.rings.resize(static_cast<std::size_t>(layout.workers));
  // As many groups as there are of the fewer: each of the more joins the fewer in turn.
  const int groups =
      layout.workers == 0 ? layout.rx_lcores : std::min(layout.rx_lcores, layout.workers);
  layout.groups.resize(static_cast<std::size_t>(groups));
  for (int rx = 0; rx < layout.rx_lcores; ++rx)
    layout.groups[static_cast<std::size_t>(rx % groups)].push_back(rx);
  for (int worker = 0; worker < layout.workers; ++worker) {
    auto& group = layout.groups[static_cast<std::size_t>(worker % groups)];
    for (int rx = 0; rx < layout.rx_lcores; ++rx)
      if (rx % groups == worker % groups)
        layout.rings[static_cast<std::size_t>(worker)].push_back(rx);
    group.push_back(layout.rx_lcores + worker);
  }
  return layout;
}

ModelNicOrder nic_order_of(const TrialOrder& order, const Layout& layout) {
  ModelNicOrder nic;
  nic.queues = order.receiver.queues;
  nic.rx_ring = order.receiver.rx_ring;
  nic.lcores = layout.lcores();
  nic.software_rings = layout.workers > 0 ? layout.rx_lcores : 0;
  nic.ring = order.receiver.ring;
  nic.ring_has_many_takers.assign(static_cast<std::size_t>(nic.software_rings), false);
  std::vector<int> takers(static_cast<std::size_t>(nic.software_rings), 0);
  for (const auto& rings : layout.rings)
    for (const int ring : rings)
      nic.ring_has_many_takers[static_cast<std::size_t>(ring)] =
          ++takers[static_cast<std::size_t>(ring)] > 1;
  nic.burst = order.receiver.burst;
  nic.pool_mbufs = order.receiver.pool_mbufs;
  nic.stamps = order.traffic.kind == TrafficKind::replay;
  if (order.receiver.stage == StageKind::forward) nic.tx_ring = kTxRing;
  if (!order.traffic.frame_bytes.empty())
    nic.frame_most_bytes =
        *std::max_element(order.traffic.frame_bytes.begin(), order.traffic.frame_bytes.end());
  return nic;
}

Result<void> check(const TrialOrder& order) {
  const ReceiverOrder& receiver = order.receiver;
  const auto refuse = [](std::string what) { return fail(Errc::bad_experiment, std::move(what)); };
  if (order.path != Path::model) return refuse("path: this is the model's");
  if (order.clock == ClockKind::wall) {
    const FaultOrder& faults = order.model.faults;
    if (order.model.stalls.kind != StallKind::none)
      return refuse("stalls with clock = \"wall\": the host has its own; allowed: \"none\"");
    if (faults.drop + faults.duplicate + faults.reorder + faults.corrupt + faults.delay > 0.0)
      return refuse("faults with clock = \"wall\"; allowed with clock = \"lockstep\"");
    if (order.planted_stop_ns > 0)
      return refuse("a planted stop with clock = \"wall\"; allowed with clock = \"lockstep\"");
  }
  if (receiver.queues < 1 || receiver.queues > static_cast<int>(kMostInputs))
    return refuse(
        fmt::format("queues: {}; allowed on the model: 1 to {}", receiver.queues, kMostInputs));
  if (receiver.rx_ring < 1 || receiver.rx_ring > kMostRxRing)
    return refuse(
        fmt::format("rx_ring: {}; allowed on the model: 1 to {}", receiver.rx_ring, kMostRxRing));
  if (receiver.burst < 1 || receiver.burst > static_cast<int>(kMostBurst))
    return refuse(fmt::format("burst: {}; allowed: 1 to {}", receiver.burst, kMostBurst));
  if (receiver.workers < 0 || receiver.workers > static_cast<int>(kMostInputs))
    return refuse(fmt::format("workers: {}; allowed: 0 to {}", receiver.workers, kMostInputs));
  if (receiver.workers > 0 && receiver.ring < 4 * receiver.burst)
    return refuse(
        fmt::format("ring: {} slots; at least four bursts: {}", receiver.ring, 4 * receiver.burst));
  for (const std::string& offload : receiver.rx_offloads)
    if (offload != "checksum" && offload != "rss_hash")
      return refuse(
          fmt::format("rx_offloads: \"{}\" is none of the model's; allowed: checksum, "
                      "rss_hash",
                      offload));
  if (order.model.dma == DmaPlacement::memory && !has_clflushopt())
    return fail(Errc::host_cannot, "dma = \"memory\" needs the instruction clflushopt");
  if (!(order.seconds > 0.0) || order.warmup_seconds < 0.0)
    return refuse("seconds: must be above zero, and warmup not below");
  return {};
}

// Frames that were lost before the stage are no fair sample; a thousandth and five sigmas are
// allowed for them.
Knob hit_ratio_knob(const TrialOrder& order, const ReceiveTallies& sum) {
  Knob knob;
  knob.requested = level_of("hit_ratio", order);
  knob.exercised = sum.staged > 0;
  if (sum.staged == 0) return knob;
  const auto staged = static_cast<double>(sum.staged);
  const double asked = order.traffic.hit_ratio;
  const double found = static_cast<double>(sum.matched) / staged;
  const double room =
      asked == 0.0 || asked == 1.0 ? 0.0 : 0.001 + 5.0 * std::sqrt(asked * (1.0 - asked) / staged);
  knob.state = std::abs(found - asked) <= room ? KnobState::confirmed : KnobState::differs;
  knob.effective =
      knob.state == KnobState::confirmed ? knob.requested : fmt::format("{:.6g} %", 100.0 * found);
  knob.evidence = fmt::format("{} of {} searched payloads matched", sum.matched, sum.staged);
  return knob;
}

// Everything of one trial; shared by its two ends.
class ModelTrial {
 public:
  ModelTrial(TrialOrder order, const HotLevel& level, Reta reta)
      : order_(std::move(order)), level_(level), reta_(reta), layout_(lay_out(order_)) {}

  Result<void> open();
  Result<void> run();
  // Wall clock; nothing to do in lockstep.
  Result<void> start_lcores();
  Result<void> start_links();
  Result<void> drain(std::int64_t limit_ns);
  ~ModelTrial() { abandon(); }
  [[nodiscard]] LiveTallies live_links() const {
    return wall_ ? wall_->live_links() : LiveTallies{};
  }
  [[nodiscard]] LiveTallies live_lcores() const {
    return wall_ ? wall_->live_lcores() : LiveTallies{};
  }
  void abandon() { abandoned_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] CounterSnapshot link_counters() const;
  [[nodiscard]] Result<SenderAccount> sender_account() const;
  [[nodiscard]] Result<ReceiverAccount> receiver_account(const std::vector<std::uint32_t>& sent);

 private:
  [[nodiscard]] Result<void> build_groups();
  [[nodiscard]] Result<void> build_wall();
  void add_lockstep_cost(ReceiverAccount& account) const;
  void add_wall_cost(ReceiverAccount& account) const;
  [[nodiscard]] LinkTallies link_tallies() const;
  [[nodiscard]] std::map<std::string, Knob> knobs(const ReceiverAccount& account,
                                                  const ReceiveTallies& sum) const;
  [[nodiscard]] double seconds_of(Ticks ticks) const {
    return static_cast<double>(ticks) / tsc_hz_;
  }
  [[nodiscard]] bool is_wall() const { return order_.clock == ClockKind::wall; }
  LatencyTally new_tally() { return tally_memory_.emplace_back().tally(); }
  [[nodiscard]] ReceiveLcore& lcore(int number) {
    return lcores_[static_cast<std::size_t>(number)];
  }

  TrialOrder order_;
  const HotLevel& level_;
  Reta reta_;
  Layout layout_;
  double tsc_hz_ = 0.0;
  bool opened_ = false;
  bool ran_ = false;
  std::atomic<bool> abandoned_{false};
  Ticks run_ticks_ = 0;      // lockstep: real time of the run
  std::optional<int> node_;  // lockstep: NUMA node of the run
  std::optional<int> memory_node_;

  std::shared_ptr<const PatternSet> patterns_;  // of stage hyperscan
  std::vector<Scratch> scratches_;
  std::optional<ModelTraffic> prepared_;
  Traffic traffic_;
  std::unique_ptr<ModelNic> nic_;
  std::vector<ReceiveLcore> lcores_;  // [virtual lcore]
  std::vector<std::unique_ptr<SequenceTracker>> warmup_trackers_;
  std::vector<std::unique_ptr<SequenceTracker>> trackers_;  // [virtual lcore]; of rx lcores
  std::vector<TallyMemory> tally_memory_;
  std::vector<std::vector<Stall>> stalls_;
  std::vector<std::vector<RunningMedian>> medians_;
  std::vector<std::vector<HalfCost>> half_costs_;

  struct Group {
    std::vector<ReceiveLcore*> lcores;
    std::vector<SequenceTracker*> trackers;
    std::vector<LockstepLcore> clocks;
    std::vector<ModelQueue*> queues;
    std::vector<std::uint8_t> place_of;
    std::vector<HeldFrame> lanes;
    std::vector<std::uint32_t> latest;
    std::vector<std::uint32_t> tcp_bytes;
  };
  std::vector<Group> group_;
  std::vector<Group> link_;  // wall clock: queues and place_of of each link
  std::optional<CaptureAccount> capture_account_;
  std::vector<std::uint32_t> sent_per_flow_;  // wall clock; a flow is one link's
  std::vector<ModelGroup> groups_;
  ModelRun run_;
  std::unique_ptr<ModelWall> wall_;  // last: its threads end before what they use goes away
};

Result<void> ModelTrial::open() {
  if (opened_) return {};
  const std::optional<EalFacts> eal = eal_facts();
  if (!eal) return fail(Errc::host_cannot, "DPDK has not been started in this process");
  tsc_hz_ = eal->tsc_hz;
  memory_node_ = eal->memory_node;

  std::optional<Capture> capture;
  if (order_.traffic.kind == TrafficKind::replay) {
    PM_TRY(capture, load_capture(capture_order(order_.traffic)));
    capture_account_ = account_of(*capture);
  }
  if (order_.receiver.stage == StageKind::hyperscan) {
    PM_TRY(patterns_, PatternSet::load(order_.receiver.patterns));
  }
  PM_TRY(prepared_, ModelTraffic::prepare(order_, level_, reta_, tsc_hz_,
                                          capture ? &*capture : nullptr, patterns_.get()));
  traffic_ = prepared_->traffic();

  ModelNicOrder nic = nic_order_of(order_, layout_);
  nic.frame_most_bytes = prepared_->largest_data_bytes();
  nic.tx_ticks_per_byte = 8.0 * tsc_hz_ / order_.model.link_bps;
  PM_TRY(nic_, ModelNic::create(nic));
  nic_->post_all();

  lcores_.resize(static_cast<std::size_t>(layout_.lcores()));
  warmup_trackers_.resize(lcores_.size());
  trackers_.resize(lcores_.size());
  stalls_.resize(lcores_.size());
  medians_.resize(lcores_.size());
  half_costs_.resize(lcores_.size());
  const double end_ns = static_cast<double>(traffic_.window_end) / tsc_hz_ * 1e9;
  for (int number = 0; number < layout_.lcores(); ++number) {
    const auto at = static_cast<std::size_t>(number);
    ReceiveLcore& one = lcores_[at];
    one.burst = static_cast<std::uint32_t>(order_.receiver.burst);
    one.port_checks = offloads(order_, "checksum");
    one.access = nic_->access(number);
    one.stamp_offset = nic_->stamp_offset();
    one.sink = nic_->sink(number);
    one.flows = prepared_->flow_count();
    one.stack = prepared_->stack();
    if (patterns_) {
      PM_TRY(Scratch scratch, patterns_->scratch());
      one.scan = {patterns_->database(), scratch.get()};
      one.search_from = prepared_->stack().least_bytes();
      scratches_.push_back(std::move(scratch));
    }
    one.done = new_tally();
    if (number < layout_.rx_lcores) {
      for (const int queue : layout_.queues[at]) {
        one.rx_of[one.queue_count] = new_tally();
        one.model_queues[one.queue_count++] = &nic_->queue(queue);
      }
      if (layout_.workers > 0) one.push_to = &nic_->ring(number);
      for (auto* trackers : {&warmup_trackers_, &trackers_})
        (*trackers)[at] = std::make_unique<SequenceTracker>(one.flows, prepared_->tracker_window());
      one.tracker = warmup_trackers_[at].get();
      PM_TRY(stalls_[at], make_stalls(order_.model.stalls, static_cast<std::int64_t>(end_ns),
                                      tsc_hz_, order_.seed, number));
      if (order_.planted_stop_ns > 0) {
        const Stall planted{
            traffic_.window_start + (traffic_.window_end - traffic_.window_start) / 2,
            static_cast<Ticks>(static_cast<double>(order_.planted_stop_ns) * tsc_hz_ * 1e-9)};
        const auto behind = std::find_if(stalls_[at].begin(), stalls_[at].end(),
                                         [&](const Stall& s) { return s.start > planted.start; });
        stalls_[at].insert(behind, planted);
      }
    } else {
      for (const int ring : layout_.rings[at - static_cast<std::size_t>(layout_.rx_lcores)])
        one.take_from[one.ring_count++] = &nic_->ring(ring);
    }
    medians_[at].resize(1 + std::size_t{one.burst} * (one.queue_count + one.ring_count));
    half_costs_[at].resize(medians_[at].size());
  }
  PM_TRYV(build_groups());
  if (is_wall()) PM_TRYV(build_wall());
  opened_ = true;
  return {};
}

// Of this process. Measured once before the first trial, which has no other to be held against.
CoreSpeed& core_speed(const HotLevel& level) {
  static CoreSpeed speed = [&] {
    CoreSpeed before;
    CoreProbe probe = before.probe(0);
    while (probe.slices < kFirstSlices) level.probe_core(probe);
    (void)before.slowdown(probe, 0);
    return before;
  }();
  return speed;
}

Result<void> ModelTrial::build_groups() {
  const std::vector<std::uint16_t> queue_of = prepared_->queue_of();
  group_.resize(layout_.groups.size());
  groups_.resize(layout_.groups.size());
  for (std::size_t number = 0; number < group_.size(); ++number) {
    Group& group = group_[number];
    std::vector<std::uint8_t> place_of_queue(kMostInputs, kElsewhere);
    for (const int member : layout_.groups[number]) {
      const auto at = static_cast<std::size_t>(member);
      ReceiveLcore& one = lcore(member);
      if (one.push_to != nullptr)
        one.push_to->producer = static_cast<std::uint32_t>(group.lcores.size());
      group.lcores.push_back(&one);
      group.trackers.push_back(trackers_[at].get());
      LockstepLcore clock;
      clock.stalls = stalls_[at].data();
      clock.stall_count = static_cast<std::uint32_t>(stalls_[at].size());
      clock.medians = medians_[at].data();
      clock.half_costs = half_costs_[at].data();
      clock.max_work = static_cast<std::uint32_t>(medians_[at].size()) - 1;
      group.clocks.push_back(clock);
      for (std::uint32_t i = 0; i < one.queue_count; ++i) {
        place_of_queue[one.model_queues[i]->queue] = static_cast<std::uint8_t>(group.queues.size());
        group.queues.push_back(one.model_queues[i]);
      }
    }
    for (const std::uint16_t queue : queue_of) group.place_of.push_back(place_of_queue[queue]);
    if (traffic_.has_faults) {
      group.lanes.resize(std::size_t{kHeldLanes} * traffic_.held_capacity);
      group.latest.resize(prepared_->flow_count());
    }
    ModelGroup& made = groups_[number];
    made.link.traffic = &traffic_;
    made.link.lanes = group.lanes.data();
    if (prepared_->stack().l4 == L4Kind::tcp) {
      group.tcp_bytes.resize(prepared_->flow_count());
      made.link.tcp_bytes = group.tcp_bytes.data();
    }
    made.link.queues = group.queues.data();
    made.link.queue_count = static_cast<std::uint32_t>(group.queues.size());
    made.link.place_of = group.place_of.data();
    made.link.latest = group.latest.data();
    made.link.flow_count = static_cast<std::uint32_t>(group.latest.size());
    made.link.rss_hash = offloads(order_, "rss_hash");
    made.link.checksum = offloads(order_, "checksum");
    made.link.corrupt_is_tracked =
        layout_.workers > 0 ||
        (order_.receiver.stage != StageKind::checksum && !made.link.checksum);
    made.lcores = group.lcores.data();
    made.window_trackers = group.trackers.data();
    made.clocks = group.clocks.data();
    made.count = static_cast<std::uint32_t>(group.lcores.size());
  }
  run_.placement = order_.model.dma == DmaPlacement::memory                  ? Placement::memory
                   : order_.model.dma == DmaPlacement::llc && has_cldemote() ? Placement::llc
                                                                             : Placement::hot;
  run_.stamps = prepared_->is_replay()          ? StampSource::dynamic_field
                : prepared_->stack().is_plain() ? StampSource::payload
                                                : StampSource::stacked;
  run_.stage = order_.receiver.stage;
  run_.traffic = &traffic_;
  run_.times.window_start = traffic_.window_start;
  run_.times.window_end = traffic_.window_end;
  run_.times.excision_floor_ticks = static_cast<Ticks>(kExcisionFloorNs * tsc_hz_ * 1e-9);
  const double patience =
      order_.validity == ValidityRule::strict
          ? kPatienceSeconds + kPatiencePerSecond * (order_.warmup_seconds + order_.seconds)
          : 0.0;  // it takes the host as it is
  run_.probe = core_speed(level_).probe(static_cast<Ticks>(patience * tsc_hz_));
  run_.groups = groups_.data();
  run_.group_count = static_cast<std::uint32_t>(groups_.size());
  run_.abandoned = &abandoned_;
  return {};
}

// As many links as generators; each feeds its part of the queues.
Result<void> ModelTrial::build_wall() {
  PM_TRY(const NumaPlan numa, numa_plan(order_));
  PM_TRY(WallCpus cpus, wall_cpus(order_, layout_.rx_lcores, layout_.workers, numa));
  const std::vector<std::uint16_t> queue_of = prepared_->queue_of();
  const std::vector<double> shares = prepared_->expected_shares(order_.receiver.queues);
  const double pps = order_.traffic.intended_pps > 0.0
                         ? order_.traffic.intended_pps
                         : tsc_hz_ / std::max(1.0, traffic_.mean_gap_ticks);
  sent_per_flow_.resize(prepared_->flow_count());
  const std::size_t links = cpus.links.size();
  link_.resize(links);
  std::vector<LinkOrder> link_orders;
  for (std::size_t number = 0; number < links; ++number) {
    Group& link = link_[number];
    std::vector<std::uint8_t> place_of_queue(kMostInputs, kElsewhere);
    for (int queue = 0; queue < order_.receiver.queues; ++queue) {
      if (static_cast<std::size_t>(queue) % links != number) continue;
      place_of_queue[static_cast<std::size_t>(queue)] =
          static_cast<std::uint8_t>(link.queues.size());
      link.queues.push_back(&nic_->queue(queue));
    }
    for (const std::uint16_t queue : queue_of) link.place_of.push_back(place_of_queue[queue]);
    LinkOrder order = groups_.front().link;
    order.queues = link.queues.data();
    order.queue_count = static_cast<std::uint32_t>(link.queues.size());
    order.place_of = link.place_of.data();
    order.sent_per_flow = sent_per_flow_.data();
    if (order.tcp_bytes != nullptr) {
      link.tcp_bytes.resize(prepared_->flow_count());
      order.tcp_bytes = link.tcp_bytes.data();
    }
    link_orders.push_back(order);
  }
  std::vector<WallLcoreOrder> lcores;
  for (int number = 0; number < layout_.lcores(); ++number) {
    WallLcoreOrder lcore_order;
    lcore_order.lcore = &lcore(number);
    lcore_order.role = layout_.role(number);
    if (number < layout_.rx_lcores) {
      const auto at = static_cast<std::size_t>(number);
      lcore_order.window_tracker = trackers_[at].get();
      lcore_order.slots = order_.receiver.rx_ring;
      for (const int queue : layout_.queues[at]) {
        lcore_order.pps = std::max(lcore_order.pps, pps * shares[static_cast<std::size_t>(queue)]);
      }
    } else {
      const int worker = number - layout_.rx_lcores;
      lcore_order.producers = layout_.rings[static_cast<std::size_t>(worker)];
      lcore_order.slots = order_.receiver.ring;
      for (const int rx : lcore_order.producers) {
        double ring_pps = 0.0;
        for (const int queue : layout_.queues[static_cast<std::size_t>(rx)])
          ring_pps += pps * shares[static_cast<std::size_t>(queue)];
        lcore_order.pps = std::max(lcore_order.pps, ring_pps);
      }
    }
    lcores.push_back(std::move(lcore_order));
  }
  wall_ = std::make_unique<ModelWall>(level_, run_, tsc_hz_, std::move(cpus), abandoned_);
  wall_->prepare(link_orders, lcores);
  return {};
}

Result<void> ModelTrial::start_lcores() {
  return is_wall() ? wall_->start_lcores() : Result<void>();
}

Result<void> ModelTrial::start_links() { return is_wall() ? wall_->start_links() : Result<void>(); }

Result<void> ModelTrial::drain(std::int64_t limit_ns) {
  if (!is_wall()) return {};
  const std::int64_t begin_ns = wall_ns();
  // They end by themselves: what a link has sent lies in their rings.
  while (!wall_->lcores_ended() && wall_ns() - begin_ns < limit_ns)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (!wall_->lcores_ended() && !abandoned_.load(std::memory_order_relaxed)) {
    // What they have not taken stays in the rings: the books of this trial are open, and it is
    // judged by the length of its drain.
    abandon();
    wall_->join_lcores();
    abandoned_.store(false, std::memory_order_relaxed);
    return {};
  }
  wall_->join_lcores();
  if (abandoned_.load(std::memory_order_relaxed))
    return fail(Errc::interrupted, "the trial was stopped");
  PM_CHECK(nic_->missing_mbufs() == 0);
  return {};
}

Result<void> ModelTrial::run() {
  if (ran_) return {};
  PM_TRYV(open());
  if (is_wall()) {
    wall_->join_links();
    ran_ = true;
    if (abandoned_.load(std::memory_order_relaxed))
      return fail(Errc::interrupted, "the trial was stopped");
    return {};
  }
  const Ticks from = HardwareTsc::now();
  level_.run_model(run_);
  run_ticks_ = HardwareTsc::now() - from;
  node_ = node_of_this_thread();
  ran_ = true;
  if (abandoned_.load(std::memory_order_relaxed))
    return fail(Errc::interrupted, "the trial was stopped");
  PM_CHECK(nic_->missing_mbufs() == 0);
  return {};
}

LinkTallies ModelTrial::link_tallies() const {
  LinkTallies sum;
  std::vector<LinkTallies> parts;
  if (wall_) parts = wall_->link_tallies();
  if (!is_wall())
    for (const ModelGroup& group : groups_) parts.push_back(group.tallies);
  for (const LinkTallies& one : parts) {
    sum.offered += one.offered;
    sum.offered_bytes += one.offered_bytes;
    sum.dropped += one.dropped;
    sum.duplicated += one.duplicated;
    sum.reordered += one.reordered;
    sum.corrupted += one.corrupted;
    sum.undetectable += one.undetectable;
    sum.delayed += one.delayed;
    sum.overtaken += one.overtaken;
    sum.delivered += one.delivered;
    sum.first_loss = std::min(sum.first_loss, one.first_loss);
    sum.last_loss = std::max(sum.last_loss, one.last_loss);
  }
  return sum;
}

CounterSnapshot ModelTrial::link_counters() const {
  const LinkTallies sum = link_tallies();
  CounterSnapshot snapshot;
  const auto add = [&](const char* name, std::uint64_t value) {
    CounterFacts facts;
    facts.layer = "model";
    facts.scope = "port";
    facts.role = CounterRole::context;
    facts.trust = "trusted";
    snapshot.values[name] = value;
    snapshot.facts[name] = facts;
  };
  add("model.injected_drop", sum.dropped);
  add("model.injected_duplicate", sum.duplicated);
  add("model.injected_reorder", sum.reordered);
  add("model.injected_corrupt", sum.corrupted);
  add("model.undetectable_corrupt", sum.undetectable);
  add("model.injected_delay", sum.delayed);
  add("model.overtaken", sum.overtaken);
  add("model.delivered", sum.delivered);
  return snapshot;
}

Result<SenderAccount> ModelTrial::sender_account() const {
  const LinkTallies sum = link_tallies();
  SenderAccount account;
  account.offered_pkts = static_cast<std::int64_t>(sum.offered);
  account.offered_bytes = static_cast<std::int64_t>(sum.offered_bytes);
  // Every group saw the whole schedule.
  account.tx_unsent_pkts =
      static_cast<std::int64_t>(wall_ ? wall_->unsent() : groups_.front().unsent);
  account.intended_pkts = account.offered_pkts + account.tx_unsent_pkts;
  account.sent_per_flow = wall_ ? sent_per_flow_ : prepared_->sent_per_flow(sum.offered);
  account.window_seconds = wall_ ? wall_->window_seconds() : prepared_->window_seconds();
  if (wall_) {
    account.generator = wall_->generator();
    account.lcores = wall_->link_health();
  }
  account.generator.capture = capture_account_;
  return account;
}

Result<ReceiverAccount> ModelTrial::receiver_account(const std::vector<std::uint32_t>& sent) {
  if (!ran_) return fail(Errc::broken, "the receiver was stopped before the sender was joined");
  ReceiverAccount account;
  account.isa = level_.name;
  const LinkTallies link = link_tallies();

  ReceiveTallies sum;
  Ticks first_loss = link.first_loss;
  Ticks last_loss = link.last_loss;
  account.latency_ns.rx.emplace();
  account.latency_ns.done.emplace();
  for (const ReceiveLcore& one : lcores_) {
    const ReceiveTallies& tallies = one.tallies;
    sum.polled += tallies.polled;
    sum.received += tallies.received;
    sum.received_bytes += tallies.received_bytes;
    sum.duplicate += tallies.duplicate;
    sum.foreign += tallies.foreign;
    sum.late += tallies.late;
    sum.corrupt += tallies.corrupt;
    sum.stale += tallies.stale;
    sum.handed += tallies.handed;
    sum.staged += tallies.staged;
    sum.verdicts += tallies.verdicts;
    sum.hashes += tallies.hashes;
    sum.stage_ticks += tallies.stage_ticks;
    sum.matches += tallies.matches;
    sum.matched += tallies.matched;
    sum.stage_dropped += tallies.stage_dropped;
    if (tallies.first_loss != kNever) {
      // On the wall clock an lcore reads the TSC, a link its schedule.
      const Ticks shift = wall_ ? wall_->window_began() - traffic_.window_start : 0;
      first_loss =
          std::min(first_loss, std::max(tallies.first_loss - shift, traffic_.window_start));
      last_loss = std::max(last_loss, tallies.last_loss - shift);
    }
    for (std::uint32_t i = 0; i < one.queue_count; ++i)
      add_tally(*account.latency_ns.rx, one.rx_of[i], tsc_hz_);
    add_tally(*account.latency_ns.done, one.done, tsc_hz_);
  }
  if (order_.receiver.stage == StageKind::none && layout_.workers == 0)
    account.latency_ns.done = account.latency_ns.rx;
  account.received_pkts = static_cast<std::int64_t>(sum.received);
  account.received_bytes = static_cast<std::int64_t>(sum.received_bytes);
  if (first_loss != kNever) {
    // A frame of the window is lost in it or in the drain behind it.
    account.first_loss_s = seconds_of(first_loss - traffic_.window_start);
    account.last_loss_s = seconds_of(last_loss - traffic_.window_start);
  }

  std::uint64_t missed = 0;
  std::uint64_t no_mbuf = 0;
  std::uint64_t steered = 0;
  for (int number = 0; number < order_.receiver.queues; ++number) {
    const ModelQueue& queue = nic_->queue(number);
    missed += queue.missed;
    no_mbuf += queue.no_mbuf;
    steered += queue.steered;
  }
  account.queues.resize(static_cast<std::size_t>(order_.receiver.queues));
  for (int rx = 0; rx < layout_.rx_lcores; ++rx) {
    const ReceiveLcore& one = lcore(rx);
    for (std::uint32_t i = 0; i < one.queue_count; ++i) {
      const ModelQueue& queue = *one.model_queues[i];
      QueueAccount& of_queue = account.queues[queue.queue];
      of_queue.queue = queue.queue;
      of_queue.polled_pkts = static_cast<std::int64_t>(one.tallies.polled_of[i]);
      of_queue.rx_missed_pkts = static_cast<std::int64_t>(queue.missed);
      if (steered > 0)
        of_queue.share = static_cast<double>(queue.steered) / static_cast<double>(steered);
      of_queue.occupancy_max = queue.occupancy_max;
      add_tally(of_queue.latency_rx_ns.emplace(), one.rx_of[i], tsc_hz_);
    }
  }

  const auto count = [&](Fate fate, std::uint64_t pkts) {
    account.fates[fate] = static_cast<std::int64_t>(pkts);
  };
  count(Fate::link_dropped, link.dropped);
  count(Fate::rx_missed, missed);
  count(Fate::rx_no_mbuf, no_mbuf);
  count(Fate::corrupt, sum.corrupt);
  if (order_.receiver.stage == StageKind::hyperscan || order_.receiver.stage == StageKind::forward)
    count(Fate::stage_dropped, sum.stage_dropped);
  count(Fate::duplicate, sum.duplicate);
  count(Fate::foreign, sum.foreign);
  // What came too late for the tracker to tell stays open in the books (stale).
  count(Fate::late, sum.late + sum.stale);
  if (layout_.workers > 0) {
    std::uint64_t overflow = 0;
    for (int number = 0; number < layout_.rx_lcores; ++number) {
      const SoftwareRing& ring = nic_->ring(number);
      account.rings.push_back({number, static_cast<int>(ring.size),
                               static_cast<std::int64_t>(ring.overflow), ring.high_water});
      overflow += ring.overflow;
    }
    count(Fate::sw_ring_overflow, overflow);
  }

  if (!sent.empty()) {
    // Each rx lcore saw the flows of its own queues only.
    const std::vector<std::uint16_t> queue_of_flow = prepared_->queue_of_flow();
    account.tracker.emplace();
    for (int rx = 0; rx < layout_.rx_lcores; ++rx) {
      std::vector<std::uint32_t> own(sent.size(), 0);
      for (std::size_t flow = 0; flow < sent.size(); ++flow)
        if (queue_of_flow[flow] % layout_.rx_lcores == rx) own[flow] = sent[flow];
      SequenceTracker& tracker = *trackers_[static_cast<std::size_t>(rx)];
      tracker.finish(own);
      *account.tracker += tracker.totals();
    }
    // What was handed to a ring and never came out of a worker did not arrive.
    if (layout_.workers > 0) {
      const auto unfinished = static_cast<std::int64_t>(sum.handed - sum.received);
      account.tracker->unique -= unfinished;
      account.tracker->lost += unfinished;
    }
  }

  wall_ ? add_wall_cost(account) : add_lockstep_cost(account);
  if (order_.receiver.stage != StageKind::none)
    account.stage = stage_account(sum, order_.receiver.stage);
  account.page_size_bytes = nic_->page_size_bytes();
  account.pool_nodes = nic_->pool_nodes();
  account.knobs = knobs(account, sum);
  return account;
}

// Calls of rx_burst by what they gave; workers make none.
std::vector<std::int64_t> bursts_of(const ReceiveLcore& lcore) {
  std::vector<std::int64_t> bursts;
  for (std::uint32_t frames = 0; lcore.queue_count > 0 && frames <= lcore.burst; ++frames)
    bursts.push_back(static_cast<std::int64_t>(lcore.tallies.burst_of[frames]));
  return bursts;
}

void ModelTrial::add_lockstep_cost(ReceiverAccount& account) const {
  const double ns_per_tick = 1e9 / tsc_hz_;
  const Ticks window = traffic_.window_end - traffic_.window_start;
  Ticks busy = 0;
  Ticks busiest = 0;
  HalfDrift drift;
  std::uint64_t polled_work = 0;
  std::uint64_t iterations = 0;
  Ticks longest = 0;
  Ticks excised_ticks = 0;
  for (std::size_t number = 0; number < group_.size(); ++number) {
    for (std::size_t i = 0; i < group_[number].clocks.size(); ++i) {
      const LockstepLcore& clock = group_[number].clocks[i];
      const ReceiveLcore& one = *group_[number].lcores[i];
      LcoreHealth health;
      health.role = layout_.role(static_cast<int>(&one - lcores_.data()));
      health.busy_fraction = static_cast<double>(clock.busy_ticks) / static_cast<double>(window);
      health.node = node_;
      health.bursts = bursts_of(one);
      account.lcores.push_back(std::move(health));
      busy += clock.busy_ticks;
      busiest = std::max(busiest, clock.busy_ticks);
      iterations += clock.iterations;
      account.stalls.injected += static_cast<std::int64_t>(clock.injected_stalls);
      account.stalls.excised += static_cast<std::int64_t>(clock.excised);
      longest = std::max(longest, clock.longest_excised_ticks);
      excised_ticks += clock.excised_ticks;
      drift.add(clock.half_costs, clock.max_work);
      if (group_[number].lcores[i]->queue_count > 0) polled_work += clock.work;
    }
  }
  account.stalls.longest_ns =
      static_cast<std::int64_t>(std::llround(static_cast<double>(longest) * ns_per_tick));
  account.stalls.excised_ns =
      static_cast<std::int64_t>(std::llround(static_cast<double>(excised_ticks) * ns_per_tick));
  if (polled_work > 0)
    account.cycles_per_pkt = static_cast<double>(busy) / static_cast<double>(polled_work);
  account.busy_fraction = static_cast<double>(busiest) / static_cast<double>(window);
  account.cpu_cores_used = static_cast<double>(busy) / static_cast<double>(window);
  if (iterations > 0)
    account.excised_share =
        static_cast<double>(account.stalls.excised) / static_cast<double>(iterations);
  account.half_drift = drift.value();
  account.stalls.waited_ns =
      static_cast<std::int64_t>(std::llround(static_cast<double>(run_.probe.waited) * ns_per_tick));
  if (run_.probe.looks > 0)
    account.core_shared =
        static_cast<double>(run_.probe.shared) / static_cast<double>(run_.probe.looks);
  if (run_.probe.slices > 0) {
    account.core_mix_slowdown = core_speed(level_).mix_slowdown(run_.probe);
    account.core_slowdown = core_speed(level_).slowdown(run_.probe, run_ticks_);
  }
}

// Of undisturbed rounds that found frames: what a preempted round took is in no figure but the
// gaps.
void ModelTrial::add_wall_cost(ReceiverAccount& account) const {
  Ticks busy = 0;
  std::uint64_t polled_work = 0;
  double busiest = 0.0;
  double cores = 0.0;
  for (std::size_t number = 0; number < lcores_.size(); ++number) {
    const LoopWatch& watch = wall_->watch(number);
    busy += watch.busy_ticks;
    if (lcores_[number].queue_count > 0) polled_work += watch.busy_work;
    const Ticks window = watch.closed_at - watch.opened_at;
    if (watch.closed_at <= watch.opened_at) continue;
    const double share = static_cast<double>(watch.busy_ticks) / static_cast<double>(window);
    busiest = std::max(busiest, share);
    cores += share;
  }
  if (polled_work > 0)
    account.cycles_per_pkt = static_cast<double>(busy) / static_cast<double>(polled_work);
  account.busy_fraction = busiest;
  account.cpu_cores_used = cores;
  account.lcores = wall_->lcore_health();
  for (std::size_t number = 0; number < lcores_.size(); ++number)
    account.lcores[number].bursts = bursts_of(lcores_[number]);
}

std::map<std::string, Knob> ModelTrial::knobs(const ReceiverAccount& account,
                                              const ReceiveTallies& sum) const {
  std::map<std::string, Knob> knobs;
  const ReceiverOrder& receiver = order_.receiver;
  const auto confirmed = [&](const std::string& name, const std::string& level,
                             std::string evidence, bool exercised) {
    knobs[name] = {level, level, KnobState::confirmed, std::move(evidence), exercised};
  };

  std::int64_t most_filled = 0;
  std::int64_t fewest_turns = std::numeric_limits<std::int64_t>::max();
  std::vector<std::string> shares;
  int polled_queues = 0;
  for (const QueueAccount& queue : account.queues) {
    most_filled = std::max(most_filled, queue.occupancy_max.value_or(0));
    fewest_turns = std::min(fewest_turns, queue.polled_pkts / receiver.rx_ring);
    shares.push_back(fmt::format("{:.3f}", queue.share.value_or(0.0)));
    polled_queues += queue.polled_pkts > 0 ? 1 : 0;
  }
  confirmed("rx_ring", fmt::format("{}", receiver.rx_ring),
            fmt::format("at most {} of {} descriptors filled at once; each filled {} times or more",
                        most_filled, receiver.rx_ring, fewest_turns),
            fewest_turns > 0);
  confirmed("queues", fmt::format("{}", receiver.queues),
            fmt::format("{} of {} queues handed frames over", polled_queues, receiver.queues),
            polled_queues == receiver.queues);

  // A call that gave as many was cut by it.
  std::int64_t most_given = 0;
  for (const LcoreHealth& lcore : account.lcores)
    for (std::size_t frames = 1; frames < lcore.bursts.size(); ++frames)
      if (lcore.bursts[frames] > 0)
        most_given = std::max(most_given, static_cast<std::int64_t>(frames));
  confirmed("burst", fmt::format("{}", receiver.burst),
            fmt::format("a call of rx_burst gave at most {} frames", most_given),
            most_given >= receiver.burst);
  const std::int64_t pool = nic_->pool_mbufs();
  confirmed("pool_mbufs", receiver.pool_mbufs == 0 ? "auto" : fmt::format("{}", pool),
            fmt::format("{} frames through {} mbufs; {} found none", sum.polled, pool,
                        account.fates.at(Fate::rx_no_mbuf)),
            sum.polled >= static_cast<std::uint64_t>(pool));

  std::vector<std::string> weights;
  for (const int weight : receiver.reta_weights) weights.push_back(fmt::format("{}", weight));
  std::vector<std::string> expected;
  for (const double share : prepared_->expected_shares(receiver.queues))
    expected.push_back(fmt::format("{:.3f}", share));
  bool all_weighted_polled = true;
  for (const QueueAccount& queue : account.queues)
    if (receiver.reta_weights.empty() ||
        receiver.reta_weights[static_cast<std::size_t>(queue.queue)] > 0)
      all_weighted_polled = all_weighted_polled && queue.polled_pkts > 0;
  confirmed("reta", weights.empty() ? "equal" : join(weights, ":"),
            fmt::format("shares {}; the flows' hashes lead to {}", join(shares, " "),
                        join(expected, " ")),
            all_weighted_polled);
  confirmed("rss_fields", join(receiver.rss_fields, ","),
            fmt::format("{} flows over {} queues", prepared_->flow_count(), polled_queues),
            sum.polled > 0);

  std::int64_t samples = 0;
  std::int64_t equal = 0;
  const FrameStack& stack = prepared_->stack();
  const std::uint32_t address_bytes = stack.l4_at - stack.addresses_at();
  const std::string by_ports = fmt::format("{}-{}", stack.ip == IpKind::ipv4 ? "ipv4" : "ipv6",
                                           stack.l4 == L4Kind::udp ? "udp" : "tcp");
  const bool with_ports =
      !prepared_->is_replay() && std::find(receiver.rss_fields.begin(), receiver.rss_fields.end(),
                                           by_ports) != receiver.rss_fields.end();
  if (!prepared_->is_replay()) {
    for (const ReceiveLcore& one : lcores_) {
      for (std::uint32_t i = 0; i < one.tallies.hash_samples; ++i) {
        // Not the code that made them: bit by bit, as the lowest level does it.
        const HashSample& sample = one.tallies.hash_sample[i];
        std::uint32_t hash = 0;
        v2::hot_level.hash_tuples(microsoft_key(), sample.tuple, sizeof sample.tuple,
                                  with_ports ? address_bytes + 4 : address_bytes, &hash, 1);
        ++samples;
        equal += hash == sample.hash ? 1 : 0;
      }
    }
  }
  {
    std::vector<std::string> asked = receiver.rx_offloads;
    std::vector<std::string> seen;
    std::vector<std::string> acted;
    if (sum.verdicts > 0) {
      seen.emplace_back("checksum");
      acted.push_back(fmt::format("{} checksum verdicts seen", sum.verdicts));
    }
    if (sum.hashes > 0) {
      seen.emplace_back("rss_hash");
      acted.push_back(samples > 0 ? fmt::format("{} hashes seen, {} of {} samples recomputed alike",
                                                sum.hashes, equal, samples)
                                  : fmt::format("{} hashes seen", sum.hashes));
    }
    std::sort(asked.begin(), asked.end());
    Knob knob;
    knob.requested = asked.empty() ? "none" : join(asked, "+");
    knob.effective = seen.empty() ? "none" : join(seen, "+");
    knob.state = asked == seen && equal == samples ? KnobState::confirmed : KnobState::differs;
    // Nothing was received: nothing could be seen either way.
    if (sum.polled == 0) knob.state = KnobState::unverifiable;
    knob.evidence = acted.empty() ? fmt::format("no verdict and no hash in {} frames", sum.polled)
                                  : join(acted, "; ");
    knob.exercised = sum.polled > 0;
    knobs["rx_offloads"] = knob;
  }

  const std::string stage = level_of("stage", order_);
  if (receiver.stage == StageKind::none)
    confirmed("stage", stage, "no stage", true);
  else if (patterns_)
    confirmed("stage", stage,
              fmt::format("searched {} payloads for {} expressions: {} matches in {}", sum.staged,
                          patterns_->patterns().size(), sum.matches, sum.matched),
              sum.staged > 0);
  else if (receiver.stage == StageKind::forward)
    confirmed("stage", stage,
              fmt::format("sent {} frames back, {} found no transmit descriptor",
                          sum.staged - sum.stage_dropped, sum.stage_dropped),
              sum.staged > sum.stage_dropped);
  else
    confirmed("stage", stage, fmt::format("ran on {} frames", sum.staged), sum.staged > 0);
  if (patterns_ && !prepared_->is_replay()) knobs["hit_ratio"] = hit_ratio_knob(order_, sum);
  if (order_.model.stalls.kind == StallKind::none)
    confirmed("stalls", "none", "no stall was given", true);
  else
    confirmed("stalls",
              order_.model.stalls.kind == StallKind::trace
                  ? "trace:" + order_.model.stalls.trace
                  : fmt::format("{} {} ns for {} ns", name_of(order_.model.stalls.kind),
                                order_.model.stalls.every_ns, order_.model.stalls.for_ns),
              fmt::format("{} stalls injected", account.stalls.injected),
              account.stalls.injected > 0);

  Knob dma;
  dma.requested = std::string(name_of(order_.model.dma));
  switch (run_.placement) {
    case Placement::llc:
      dma.effective = "llc";
      dma.evidence = "cldemote on every line of a frame and of its completion";
      break;
    case Placement::hot:
      dma.effective = "hot";
      dma.evidence = order_.model.dma == DmaPlacement::hot
                         ? "lines stay where the link wrote them"
                         : "this CPU has no cldemote: lines stay where the link wrote them";
      break;
    case Placement::memory:
      dma.effective = "memory";
      dma.evidence = "clflushopt on every line of a frame and of its completion";
      break;
  }
  dma.state = dma.requested == dma.effective ? KnobState::confirmed : KnobState::unverifiable;
  dma.exercised = dma.requested == dma.effective && sum.polled > 0;
  knobs["dma"] = dma;
  knobs["numa"] = numa_knob(receiver.numa, memory_node_, account.pool_nodes, account.lcores);

  if (layout_.workers > 0) {
    std::int64_t high_water = 0;
    for (const RingAccount& ring : account.rings)
      high_water = std::max(high_water, ring.high_water);
    confirmed("workers", fmt::format("{}", layout_.workers),
              fmt::format("{} workers behind {} rx lcores", layout_.workers, layout_.rx_lcores),
              sum.received > 0);
    confirmed("ring", fmt::format("{}", receiver.ring),
              fmt::format("at most {} of {} slots filled", high_water, receiver.ring),
              high_water > 0);
  }
  return knobs;
}

class ModelSender : public Sender {
 public:
  explicit ModelSender(std::shared_ptr<ModelTrial> trial) : trial_(std::move(trial)) {}
  Result<void> open() override { return trial_->open(); }
  Result<CounterSnapshot> read_counters() override { return trial_->link_counters(); }
  Result<void> start() override { return trial_->start_links(); }
  LiveTallies live() const override { return trial_->live_links(); }
  Result<SenderAccount> join() override {
    PM_TRYV(trial_->run());
    return trial_->sender_account();
  }
  void abandon() override { trial_->abandon(); }

 private:
  std::shared_ptr<ModelTrial> trial_;
};

class ModelReceiver : public Receiver {
 public:
  explicit ModelReceiver(std::shared_ptr<ModelTrial> trial) : trial_(std::move(trial)) {}
  Result<void> open() override { return trial_->open(); }
  Result<CounterSnapshot> read_counters() override { return CounterSnapshot{}; }
  Result<void> start() override { return trial_->start_lcores(); }
  LiveTallies live() const override { return trial_->live_lcores(); }
  Result<void> drain(std::int64_t /*quiet_ns*/, std::int64_t limit_ns) override {
    return trial_->drain(limit_ns);
  }
  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& sent_per_flow) override {
    return trial_->receiver_account(sent_per_flow);
  }
  void abandon() override { trial_->abandon(); }

 private:
  std::shared_ptr<ModelTrial> trial_;
};

}  // namespace

Result<Ends> make_model_ends(const TrialOrder& order, const HotLevel& level) {
  PM_TRYV(check(order));
  PM_TRY(const Reta reta, make_reta(order.receiver.queues, order.receiver.reta_weights));
  auto trial = std::make_shared<ModelTrial>(order, level, reta);
  Ends ends;
  ends.sender = std::make_unique<ModelSender>(trial);
  ends.receiver = std::make_unique<ModelReceiver>(trial);  // no books: the link counts all itself
  return ends;
}

Result<Ends> make_model_ends(const TrialOrder& order) {
  PM_TRY(const HotLevel* level, chosen_hot_level());
  return make_model_ends(order, *level);
}

std::int64_t model_memory_mib(const TrialOrder& order) {
  ModelNicOrder nic = nic_order_of(order, lay_out(order));
  if (order.traffic.kind == TrafficKind::replay) {
    // What is wrong with it, open() says.
    if (const auto capture = load_capture(capture_order(order.traffic)))
      for (const CapturedFrame& frame : capture->frames)
        nic.frame_most_bytes =
            std::max<std::int64_t>(nic.frame_most_bytes, std::ssize(frame.bytes));
  }
  return model_nic_memory_mib(nic);
}

}  // namespace pollmark
