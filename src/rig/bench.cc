#include "rig/bench.h"

#include <fmt/format.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/line_rate.h"
#include "base/tsc.h"
#include "datapath/bench_loops.h"
#include "host/cpu_time.h"
#include "rig/capture_pool.h"
#include "rig/eal.h"
#include "rig/frame_images.h"
#include "rig/mbuf_pool.h"
#include "rig/model_nic.h"
#include "rig/model_traffic.h"
#include "rig/paced_send.h"
#include "rig/rss.h"
#include "rig/tally_memory.h"
#include "rig/testpmd_peer.h"

namespace pollmark {
namespace {

constexpr unsigned kSendPoolMbufs = 4095;
constexpr unsigned kSendCacheMbufs = 512;
constexpr int kModelRing = 1024;
constexpr double kModelLinkBps = 100e9;
constexpr std::uint32_t kPreparedFrames = kModelRing;
constexpr int kManyFlows = 65536;
constexpr std::uint32_t kLongestPayloadBytes = 1518;
constexpr double kPeerSeconds = 0.3;
constexpr double kStallNs = 2000.0;
constexpr std::int64_t kBenchMemoryMib = 112;
const std::vector<int> kImix = {64, 570, 64, 64, 570, 64, 1518, 64, 570, 64, 570, 64};

std::optional<double> ordered_at(std::vector<double> values, double part) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(part * last);
  const auto high = std::min(values.size() - 1, low + (part * last > static_cast<double>(low)));
  return (values[low] + values[high]) / 2.0;
}

struct PoolFreer {
  void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
};
using Pool = std::unique_ptr<rte_mempool, PoolFreer>;

Result<Pool> make_pool(const char* name, unsigned mbufs, unsigned cache, unsigned room) {
  Pool pool(create_mbuf_pool(name, mbufs, cache, RTE_PKTMBUF_HEADROOM + room));
  if (pool == nullptr)
    return fail(Errc::host_cannot,
                fmt::format("no memory for {} mbufs ({})", mbufs, take_dpdk_message()));
  return pool;
}

Result<std::uint16_t> start_null_port(rte_mempool* pool) {
  std::uint16_t port = 0;
  if (rte_eth_dev_get_port_by_name("net_null0", &port) != 0)
    return fail(Errc::host_cannot, "DPDK has no net_null driver here");
  const rte_eth_conf none{};
  int error = rte_eth_dev_configure(port, 1, 1, &none);
  if (error == 0) error = rte_eth_rx_queue_setup(port, 0, 512, 0, nullptr, pool);
  if (error == 0) error = rte_eth_tx_queue_setup(port, 0, 512, 0, nullptr);
  if (error == 0) error = rte_eth_dev_start(port);
  if (error != 0) return fail(Errc::host_cannot, take_dpdk_message(), "net_null0");
  return port;
}

TrialOrder traffic_order(int flows, std::vector<int> frame_bytes) {
  TrialOrder order;
  order.traffic.flows = flows;
  order.traffic.frame_bytes = std::move(frame_bytes);
  order.traffic.load.unit = LoadUnit::line_percent;
  order.model.link_bps = kModelLinkBps;
  order.seconds = 1e6;  // never over
  order.warmup_seconds = 0.0;
  return order;
}

FrameImages images_of(const ModelTraffic& made, std::uint16_t port) {
  const Traffic traffic = made.traffic();
  return {{traffic.flows, traffic.flow_count},
          {traffic.shapes, traffic.shape_count},
          traffic.payload,
          rearm_of(port)};
}

GeneratorLcore generator_of(const FrameImages& images, rte_mempool* pool, std::uint16_t port) {
  GeneratorLcore lcore;
  lcore.access.pool = pool;
  lcore.access.cache = rte_mempool_default_cache(pool, rte_lcore_id());
  lcore.port = port;
  lcore.epoch = 1;
  lcore.traffic = images.traffic();
  return lcore;
}

// What one level of the hot code works on. One per level: every loop of it finds its own state as
// it left it.
class LevelBench {
 public:
  static Result<std::unique_ptr<LevelBench>> make(const HotLevel& level, rte_mempool* pool,
                                                  std::uint16_t port, double tsc_hz);

  [[nodiscard]] const HotLevel& level() const { return level_; }

  // Thread-CPU ns in which `bursts` bursts went through.
  using Loop = std::function<void(std::uint64_t)>;
  struct Work {
    std::string name;
    std::string does;
    Loop loop;
    // Called before each kPreparedFrames frames, outside the measured time; empty: not needed.
    std::function<void()> prepare;
  };
  [[nodiscard]] const std::vector<Work>& works() const { return works_; }
  [[nodiscard]] std::int64_t tracker_bytes() const {
    return static_cast<std::int64_t>(many_tracker_->memory_bytes());
  }
  // Every frame that was received was one: valid, in order, once.
  void check_books() const {
    for (const ReceiveLcore* lcore : {&few_frames_->lcore, &many_frames_->lcore})
      PM_CHECK(lcore->tallies.received == lcore->tallies.polled);
    for (const auto& tracker : trackers_)
      PM_CHECK(tracker->totals().gaps == 0 && tracker->totals().duplicate == 0);
    // The first few frames on the link are of its warm-up.
    const ReceiveTallies& modelled = modelled_.lcore.tallies;
    PM_CHECK(modelled.received + modelled.late == modelled.polled && modelled.late < kBenchBurst);
    PM_CHECK(modelled_.tracker->totals().gaps == 0);
  }
  ~LevelBench();

 private:
  LevelBench(const HotLevel& level, double tsc_hz) : level_(level), tsc_hz_(tsc_hz) {}
  struct ModelStand;
  Result<void> open_model(ModelStand& stand);
  void add_works();

  const HotLevel& level_;
  double tsc_hz_;
  std::optional<ModelTraffic> few_;
  std::optional<ModelTraffic> mixed_;
  std::optional<ModelTraffic> many_;
  FrameImages few_images_;
  FrameImages mixed_images_;
  FrameImages many_images_;
  GeneratorLcore few_sender_;
  GeneratorLcore mixed_sender_;
  GeneratorLcore few_writer_;
  GeneratorLcore many_writer_;
  std::unique_ptr<CapturePool> capture_;
  ReplayLcore replay_;
  Pool prepared_pool_;
  std::vector<rte_mbuf*> prepared_mbufs_;
  std::unique_ptr<PreparedFrames> few_frames_;
  std::unique_ptr<PreparedFrames> many_frames_;
  std::vector<std::unique_ptr<SequenceTracker>> trackers_;
  SequenceTracker* few_tracker_ = nullptr;
  SequenceTracker* many_tracker_ = nullptr;
  std::array<TallyMemory, 5> counts_;
  LatencyTally tally_;
  std::array<Ticks, kBenchBurst> stamped_at_{};
  std::array<std::uint8_t, kBenchBurst * 12> tuples_{};
  std::array<std::uint8_t, kBenchBurst> queues_{};
  Reta reta_{};
  rte_ring* ring_ = nullptr;
  // A link of its own for each work: frames that nobody tracks would be missing to who does.
  struct ModelStand {
    struct Freer {
      void operator()(void* memory) const { std::free(memory); }
    };
    std::unique_ptr<ModelNic> nic;
    Traffic traffic;
    ReceiveLcore lcore;
    ModelQueue* queue = nullptr;
    std::vector<std::uint8_t> place_of;
    TallyMemory rx;
    TallyMemory done;
    std::unique_ptr<SequenceTracker> tracker;
    std::unique_ptr<void, Freer> state;
    ModelBench bench;
  };
  ModelStand polled_;
  ModelStand modelled_;
  std::uint32_t few_flow_ = 0;
  std::uint32_t few_round_ = 0;
  std::uint32_t many_flow_ = 0;
  std::uint32_t many_round_ = 0;
  std::vector<Work> works_;
};

Result<std::unique_ptr<LevelBench>> LevelBench::make(const HotLevel& level, rte_mempool* pool,
                                                     std::uint16_t port, double tsc_hz) {
  std::unique_ptr<LevelBench> bench(new LevelBench(level, tsc_hz));
  LevelBench& one = *bench;
  PM_TRY(one.reta_, make_reta(1, {}));
  const auto traffic_of = [&](int flows, const std::vector<int>& frame_bytes) {
    return ModelTraffic::prepare(traffic_order(flows, frame_bytes), level, one.reta_, tsc_hz,
                                 nullptr);
  };
  PM_TRY(one.few_, traffic_of(64, {64}));
  PM_TRY(one.mixed_, traffic_of(4096, kImix));
  PM_TRY(one.many_, traffic_of(kManyFlows, {64}));
  const Traffic mixed = one.mixed_->traffic();
  lay_payload(pool, mixed.payload, kLongestPayloadBytes);
  one.few_images_ = images_of(*one.few_, port);
  one.mixed_images_ = images_of(*one.mixed_, port);
  one.many_images_ = images_of(*one.many_, port);
  one.few_sender_ = generator_of(one.few_images_, pool, port);
  one.mixed_sender_ = generator_of(one.mixed_images_, pool, port);
  one.few_writer_ = generator_of(one.few_images_, pool, port);
  one.many_writer_ = generator_of(one.many_images_, pool, port);

  // A capture in mbufs: the mix's frames, each with headers of its own.
  const std::string name(level.name);
  PM_TRY(one.capture_, CapturePool::create("bench_capture_" + name, kPreparedFrames, 2048));
  lay_payload(one.capture_->mbufs().front()->pool, mixed.payload, kLongestPayloadBytes);
  GeneratorLcore capture = generator_of(one.mixed_images_, pool, port);
  PreparedFrames all;
  all.mbufs = one.capture_->mbufs().data();
  all.count = kPreparedFrames;
  level.bench->write(capture, all);
  one.replay_.mbufs = one.capture_->mbufs().data();
  one.replay_.count = kPreparedFrames;
  one.replay_.port = port;
  one.replay_.freed = one.capture_->freed();

  PM_TRY(one.prepared_pool_, make_pool(("bench_rx_" + name).c_str(), 1200, 0, 2048));
  one.prepared_mbufs_.resize(kPreparedFrames);
  if (rte_mempool_get_bulk(one.prepared_pool_.get(),
                           reinterpret_cast<void**>(one.prepared_mbufs_.data()),
                           kPreparedFrames) != 0)
    return fail(Errc::broken, "the bench's own pool is too small");
  std::size_t counts = 0;
  const auto frames_of = [&](std::uint32_t flows) {
    auto frames = std::make_unique<PreparedFrames>();
    frames->mbufs = one.prepared_mbufs_.data();
    frames->count = kPreparedFrames;
    frames->lcore.queue_count = 1;
    frames->lcore.burst = kBenchBurst;
    frames->lcore.flows = flows;
    frames->lcore.epoch = 1;
    frames->lcore.rx_of[0] = one.counts_[counts++].tally();
    frames->lcore.done = one.counts_[counts++].tally();
    one.trackers_.push_back(std::make_unique<SequenceTracker>(flows));
    frames->lcore.tracker = one.trackers_.back().get();
    return frames;
  };
  one.few_frames_ = frames_of(64);
  one.many_frames_ = frames_of(kManyFlows);
  for (const std::uint32_t tracked : {64U, std::uint32_t{kManyFlows}})
    one.trackers_.push_back(std::make_unique<SequenceTracker>(tracked));
  one.few_tracker_ = one.trackers_[2].get();
  one.many_tracker_ = one.trackers_[3].get();
  one.tally_ = one.counts_[counts++].tally();
  // Latencies as a moderately loaded port has them: 400 to 2400 ticks, in no order.
  for (std::size_t i = 0; i < one.stamped_at_.size(); ++i)
    one.stamped_at_[i] = kBenchRecordedAt - (400 + i * 1103515245 % 2000);
  const Flow* flows = one.few_->traffic().flows;
  for (std::size_t i = 0; i < kBenchBurst; ++i)
    std::memcpy(one.tuples_.data() + 12 * i, flows[i].header + kTupleOffset, 12);
  one.ring_ = rte_ring_create(("bench_ring_" + name).c_str(), 1024, SOCKET_ID_ANY,
                              RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (one.ring_ == nullptr) return fail(Errc::host_cannot, "no memory for a ring");
  PM_TRYV(one.open_model(one.polled_));
  PM_TRYV(one.open_model(one.modelled_));
  one.add_works();
  return bench;
}

Result<void> LevelBench::open_model(ModelStand& stand) {
  ModelNicOrder order;
  order.rx_ring = kModelRing;
  PM_TRY(stand.nic, ModelNic::create(order));
  stand.nic->post_all();
  stand.traffic = few_->traffic();
  stand.queue = &stand.nic->queue(0);
  stand.place_of.assign(stand.traffic.flow_count, 0);
  stand.bench.link.traffic = &stand.traffic;
  stand.bench.link.queues = &stand.queue;
  stand.bench.link.queue_count = 1;
  stand.bench.link.place_of = stand.place_of.data();
  stand.bench.lcore = &stand.lcore;
  stand.lcore.model_queues[0] = stand.queue;
  stand.lcore.queue_count = 1;
  stand.lcore.burst = kBenchBurst;
  stand.lcore.access = stand.nic->access(0);
  stand.lcore.flows = stand.traffic.flow_count;
  stand.lcore.epoch = stand.traffic.epoch;
  stand.lcore.rx_of[0] = stand.rx.tally();
  stand.lcore.done = stand.done.tally();
  stand.tracker = std::make_unique<SequenceTracker>(stand.lcore.flows);
  stand.lcore.tracker = stand.tracker.get();
  stand.state.reset(std::aligned_alloc(64, kModelBenchBytes));
  stand.bench.state = stand.state.get();
  // Rounded down: more than one burst each time would pile up.
  const double wire_bits = (kMinFrameBytes + kWireOverheadBytes) * 8.0;
  stand.bench.burst_ticks = static_cast<Ticks>(kBenchBurst * wire_bits / kModelLinkBps * tsc_hz_);
  level_.bench->open_model(stand.bench);
  return {};
}

LevelBench::~LevelBench() { rte_ring_free(ring_); }

void LevelBench::add_works() {
  const BenchLoops& loops = *level_.bench;
  const auto add = [&](std::string name, std::string does, Loop loop,
                       std::function<void()> prepare = {}) {
    works_.push_back({std::move(name), std::move(does), std::move(loop), std::move(prepare)});
  };
  add("floor", "pool get, send to net_null",
      [&](std::uint64_t n) { loops.send_raw(few_sender_, n); });
  add("build", "... and headers of 64 flows, 64 B",
      [&](std::uint64_t n) { loops.send_built(few_sender_, n); });
  add("generate", "... and sequence + stamp",
      [&](std::uint64_t n) { loops.send_stamped(few_sender_, n); });
  add("generate imix", "the same, 4096 flows, IMIX",
      [&](std::uint64_t n) { loops.send_stamped(mixed_sender_, n); });
  add("generate imix copied", "... payload copied into each frame",
      [&](std::uint64_t n) { loops.send_copied(mixed_sender_, n); });
  add("replay", "send prebuilt mbufs, IMIX", [&](std::uint64_t n) { loops.replay(replay_, n); });
  add("hash", "Toeplitz over 12 bytes, RETA", [&](std::uint64_t n) {
    loops.steer(microsoft_key(), reta_.data(), tuples_.data(), queues_.data(), n);
  });
  add("enqueue", "one ring: enqueue and dequeue",
      [&](std::uint64_t n) { loops.enqueue(ring_, prepared_mbufs_.data(), n); });
  add("sequence 64 flows", "tracker, in order",
      [&](std::uint64_t n) { loops.follow(*few_tracker_, few_flow_, few_round_, n); });
  add("sequence 65536 flows", "tracker, in order",
      [&](std::uint64_t n) { loops.follow(*many_tracker_, many_flow_, many_round_, n); });
  add("latency", "one record",
      [&](std::uint64_t n) { loops.record(tally_, stamped_at_.data(), n); });
  const auto add_receive = [&](std::string name, std::string does, PreparedFrames& frames,
                               GeneratorLcore& writer, StageKind stage) {
    add(
        std::move(name), std::move(does),
        [&frames, &loops, stage](std::uint64_t /*all*/) { loops.receive(frames, stage); },
        [&frames, &loops, &writer] { loops.write(writer, frames); });
  };
  add_receive("receive 64 flows", "above rx_burst: validate, sequence, latency, ledger",
              *few_frames_, few_writer_, StageKind::none);
  add_receive("receive 64 flows, touch", "... and stage touch", *few_frames_, few_writer_,
              StageKind::touch);
  add_receive("receive 64 flows, checksum", "... and stage checksum", *few_frames_, few_writer_,
              StageKind::checksum);
  add_receive("receive 65536 flows", "above rx_burst", *many_frames_, many_writer_,
              StageKind::none);
  add("poll and repost", "model link, hot: build, rings, rx_burst, free, repost",
      [&](std::uint64_t n) { loops.poll_model(polled_.bench, n); });
  add("model path", "... and receive: build to ledger",
      [&](std::uint64_t n) { loops.run_model_path(modelled_.bench, n); });
}

// Thread-CPU cost of reading the clock twice, with nothing between.
double clock_ns() {
  std::int64_t sum_ns = 0;
  constexpr int kReadings = 1000;
  for (int i = 0; i < kReadings; ++i) {
    const std::int64_t before_ns = thread_cpu_ns();
    sum_ns += thread_cpu_ns() - before_ns;
  }
  return static_cast<double>(sum_ns) / kReadings;
}

struct Sample {
  double ns = 0.0;
  double packets = 0.0;
};

Sample sample_of(const LevelBench::Work& work, std::uint64_t bursts, double clock) {
  Sample sample;
  if (!work.prepare) {
    const std::int64_t before_ns = thread_cpu_ns();
    work.loop(bursts);
    sample.ns = static_cast<double>(thread_cpu_ns() - before_ns) - clock;
    sample.packets = static_cast<double>(bursts) * kBenchBurst;
    return sample;
  }
  for (std::uint64_t done = 0; done < bursts; done += kPreparedFrames / kBenchBurst) {
    work.prepare();
    const std::int64_t before_ns = thread_cpu_ns();
    work.loop(bursts);
    sample.ns += static_cast<double>(thread_cpu_ns() - before_ns) - clock;
    sample.packets += kPreparedFrames;
  }
  return sample;
}

// Bursts that take about that long; what they touch is warm afterwards.
std::uint64_t bursts_for(const LevelBench::Work& work, double seconds, double clock) {
  std::uint64_t bursts = 256;
  for (;;) {
    const Sample sample = sample_of(work, bursts, clock);
    if (sample.ns > seconds * 5e8 || bursts > 100'000'000) return bursts;
    bursts *= 2;
  }
}

struct Asked {
  const char* what;
  const char* work;
  const char* of;  // another row; nullptr: cycles
  double at_most;
};

constexpr const char* kPeerWork = "testpmd";
constexpr std::array kAsked = {
    Asked{"generate / testpmd txonly multi-flow", "generate", kPeerWork, 0.60},
    Asked{"generate / floor", "generate", "floor", 1.4},
    Asked{"generate imix, 4096 flows / floor", "generate imix", "floor", 1.6},
    Asked{"replay unstamped / floor", "replay", "floor", 1.3},
    Asked{"RSS, cycles", "hash", nullptr, 6.0},
    Asked{"receive 64 flows, cycles", "receive 64 flows", nullptr, 14.0},
    Asked{"receive 65536 flows, cycles", "receive 65536 flows", nullptr, 24.0},
    Asked{"latency record, cycles", "latency", nullptr, 4.0},
    Asked{"model path hot, cycles", "model path", nullptr, 60.0},
};
constexpr double kRssWithoutGfni = 40.0;

const BenchRow* row_of(const std::vector<BenchRow>& rows, std::string_view work,
                       std::string_view isa) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const BenchRow& row) {
    return row.work == work && row.isa == isa;
  });
  return found == rows.end() ? nullptr : &*found;
}

BenchRatio ratio_of(const Asked& asked, const HotLevel& level, const std::vector<BenchRow>& rows) {
  BenchRatio ratio;
  ratio.what = asked.what;
  ratio.isa = level.name;
  ratio.at_most = asked.of == nullptr && std::string_view(asked.work) == "hash" && !level.has_gfni
                      ? kRssWithoutGfni
                      : asked.at_most;
  const BenchRow* row = row_of(rows, asked.work, level.name);
  PM_CHECK(row != nullptr);
  if (asked.of == nullptr) {
    ratio.ratios = row->cycles;
    return ratio;
  }
  const bool peer = std::string_view(asked.of) == kPeerWork;
  const BenchRow* of = row_of(rows, asked.of, peer ? "peer" : level.name);
  PM_CHECK(of != nullptr);
  ratio.not_measured = of->not_measured;
  for (std::size_t i = 0; i < std::min(row->cycles.size(), of->cycles.size()); ++i)
    ratio.ratios.push_back(row->cycles[i] / of->cycles[i]);
  return ratio;
}

}  // namespace

std::optional<double> BenchRow::median() const { return ordered_at(cycles, 0.5); }
std::optional<double> BenchRow::lowest() const { return ordered_at(cycles, 0.0); }
std::optional<double> BenchRow::highest() const { return ordered_at(cycles, 1.0); }
std::optional<double> BenchRatio::median() const { return ordered_at(ratios, 0.5); }
std::optional<double> BenchRatio::lowest() const { return ordered_at(ratios, 0.0); }
std::optional<double> BenchRatio::highest() const { return ordered_at(ratios, 1.0); }

Result<std::vector<PacingRow>> run_pacing_bench(const HotLevel& level, double seconds) {
  EalOrder eal;
  eal.memory_mib = kBenchMemoryMib;
  eal.vdevs = {"net_null0"};
  PM_TRY(const EalFacts facts, start_eal(eal));
  (void)facts;
  const double hz = calibrate_tsc().hz;
  PM_TRY(const Pool pool, make_pool("bench_pacing", kSendPoolMbufs, kSendCacheMbufs, 2048));
  PM_TRY(const std::uint16_t port, start_null_port(pool.get()));
  PM_TRY(const Reta reta, make_reta(1, {}));
  PM_TRY(const ModelTraffic made,
         ModelTraffic::prepare(traffic_order(64, {64}), level, reta, hz, nullptr));
  const FrameImages images = images_of(made, port);
  PacedOrder paced;
  const auto ticks_of = [&](double ns) { return static_cast<Ticks>(ns * hz * 1e-9); };
  paced.catch_up_ticks = ticks_of(static_cast<double>(kCatchUpNs));
  paced.stall_ticks = ticks_of(kStallNs);
  for (std::size_t at = 0; at < kNearNs.size(); ++at)
    paced.near_ticks[at] = ticks_of(static_cast<double>(kNearNs[at]));
  const std::atomic<bool> go_on{false};
  std::vector<PacingRow> rows;
  for (const double pps : {1e5, 1e6, 5e6}) {
    GeneratorLcore lcore = generator_of(images, pool.get(), port);
    PacerOrder order;
    order.ticks_per_frame = hz / pps;
    order.start = tsc_now() + ticks_of(1e6);
    order.end = order.start + ticks_of(seconds * 1e9);
    Pacer pacer(order);
    PacedTallies tallies;
    send_paced<HardwareTsc>(
        pacer, order.end, paced, go_on,
        [&](const Ticks* /*due*/, std::uint32_t count, Ticks now) {
          return level.send_burst(lcore, count, now);
        },
        tallies);
    PacingRow row;
    row.asked_pps = pps;
    row.sent_pps = static_cast<double>(tallies.accepted_pkts) / seconds;
    if (tallies.gap_ticks > 0)
      row.rate_error =
          static_cast<double>(tallies.ideal_gap_ticks) / static_cast<double>(tallies.gap_ticks) -
          1.0;
    row.gaps = tallies.departure_gaps;
    const auto share = [&](std::int64_t gaps) {
      return tallies.departure_gaps == 0
                 ? 0.0
                 : static_cast<double>(gaps) / static_cast<double>(tallies.departure_gaps);
    };
    for (const std::int64_t near : tallies.near) row.within.push_back(share(near));
    row.back_to_back = share(tallies.back_to_back);
    row.stalls = tallies.stalls;
    row.stalled_share = static_cast<double>(tallies.stalled_ticks) / hz / seconds;
    row.longest_stall_ns =
        static_cast<std::int64_t>(static_cast<double>(tallies.longest_gap_ticks) / hz * 1e9);
    row.gaps_behind_stalls = tallies.stalled_departure_gaps;
    row.given_up_pkts = tallies.given_up_pkts;
    rows.push_back(row);
  }
  rte_eth_dev_stop(port);
  return rows;
}

Result<BenchReport> run_bench(const BenchOrder& order, const std::function<void(int)>& progress) {
  EalOrder eal;
  eal.memory_mib = kBenchMemoryMib * static_cast<std::int64_t>(order.levels.size());
  eal.vdevs = {"net_null0"};
  PM_TRY(const EalFacts facts, start_eal(eal));
  BenchReport report;
  report.tsc_hz = calibrate_tsc().hz;
  report.page_size_bytes = facts.page_size_bytes;
  report.repeats = order.repeats;
  PM_TRY(const Pool pool, make_pool("bench_tx", kSendPoolMbufs, kSendCacheMbufs, 2048));
  PM_TRY(const std::uint16_t port, start_null_port(pool.get()));

  std::vector<std::unique_ptr<LevelBench>> benches;
  for (const HotLevel* level : order.levels) {
    PM_TRY(auto bench, LevelBench::make(*level, pool.get(), port, report.tsc_hz));
    benches.push_back(std::move(bench));
  }
  report.tracker_bytes = benches.front()->tracker_bytes();

  const double clock = clock_ns();
  const double cycles_per_ns = report.tsc_hz * 1e-9;
  std::vector<std::vector<std::uint64_t>> bursts;
  for (const auto& bench : benches) {
    bursts.emplace_back();
    for (const LevelBench::Work& work : bench->works()) {
      bursts.back().push_back(bursts_for(work, order.sample_seconds, clock));
      report.rows.push_back({work.name, bench->level().name, work.does, {}, {}});
    }
  }
  report.rows.push_back(
      {kPeerWork, "peer", "txonly --txonly-multi-flow on net_null, 64 B", {}, {}});
  std::optional<TestpmdPeer> peer;
  if (order.with_peer) {
    auto started = TestpmdPeer::start(facts.cpu, "--txonly-multi-flow");
    if (started)
      peer.emplace(std::move(*started));
    else
      report.peer = started.error().text();
  } else {
    report.peer = "not asked for";
  }

  for (int repeat = 1; repeat <= order.repeats; ++repeat) {
    std::size_t row = 0;
    for (std::size_t level = 0; level < benches.size(); ++level) {
      for (std::size_t at = 0; at < benches[level]->works().size(); ++at) {
        const Sample sample = sample_of(benches[level]->works()[at], bursts[level][at], clock);
        report.rows[row++].cycles.push_back(sample.ns * cycles_per_ns / sample.packets);
      }
      benches[level]->check_books();
    }
    if (peer) {
      auto sample = peer->send_for(kPeerSeconds);
      if (sample) {
        report.rows.back().cycles.push_back(static_cast<double>(sample->cpu_ns) * cycles_per_ns /
                                            static_cast<double>(sample->packets));
      } else {
        report.peer = sample.error().text();
        peer.reset();
      }
    }
    progress(repeat);
  }
  report.rows.back().not_measured = report.peer;
  if (report.peer.empty()) report.peer = "dpdk-testpmd";
  for (const HotLevel* level : order.levels)
    for (const Asked& asked : kAsked) report.ratios.push_back(ratio_of(asked, *level, report.rows));
  benches.clear();
  rte_eth_dev_stop(port);
  return report;
}

}  // namespace pollmark
