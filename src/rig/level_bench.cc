#include "rig/level_bench.h"

#include <fmt/format.h>
#include <rte_mempool.h>

#include <algorithm>
#include <cstring>

#include "base/line_rate.h"
#include "rig/isa.h"

namespace pollmark {
namespace {

constexpr int kManyFlows = 65536;
constexpr int kMixedFlows = 4096;
constexpr int kFewFlows = 64;
constexpr int kLongBytes = 594;
constexpr std::uint32_t kLongestPayloadBytes = 1518;
const std::vector<int> kImix = {64, 570, 64, 64, 570, 64, 1518, 64, 570, 64, 570, 64};
// Of the kinds that signatures are made of: words, alternatives, classes, bounded gaps.
constexpr std::array kExpressions = {
    "GET /[a-z]{3,8}",       "password=",         "(cmd|powershell)\\.exe", "\\x90{8}",
    "Host: [0-9]+\\.[0-9]+", "SELECT.{0,32}FROM", "[A-Za-z0-9]{24}==",      "evil"};

constexpr int kLiterals = 256;

}  // namespace

Result<std::unique_ptr<LevelBench>> LevelBench::make(const HotLevel& level, rte_mempool* pool,
                                                     std::uint16_t port, double tsc_hz) {
  std::unique_ptr<LevelBench> bench(new LevelBench(level, tsc_hz));
  LevelBench& one = *bench;
  PM_TRY(one.reta_, make_reta(1, {}));
  const auto traffic_of = [&](int flows, const std::vector<int>& frame_bytes) {
    return ModelTraffic::prepare(bench_order(flows, frame_bytes), level, one.reta_, tsc_hz,
                                 nullptr);
  };
  PM_TRY(one.few_, traffic_of(kFewFlows, {64}));
  PM_TRY(one.mixed_, traffic_of(kMixedFlows, kImix));
  PM_TRY(one.many_, traffic_of(kManyFlows, {64}));
  PM_TRY(one.long_, traffic_of(kFewFlows, {kLongBytes}));
  const Traffic mixed = one.mixed_->traffic();
  lay_payload(pool, mixed.payload, kLongestPayloadBytes);
  one.few_images_ = images_of(*one.few_, port);
  one.mixed_images_ = images_of(*one.mixed_, port);
  one.many_images_ = images_of(*one.many_, port);
  one.long_images_ = images_of(*one.long_, port);
  one.few_sender_ = generator_of(one.few_images_, pool, port);
  one.mixed_sender_ = generator_of(one.mixed_images_, pool, port);
  one.few_writer_ = generator_of(one.few_images_, pool, port);
  one.many_writer_ = generator_of(one.many_images_, pool, port);
  one.long_writer_ = generator_of(one.long_images_, pool, port);
  one.scan_writer_ = generator_of(one.long_images_, pool, port);
  one.copier_ = generator_of(one.mixed_images_, pool, port);

  // A capture in mbufs: the mix's frames, each with headers of its own.
  const std::string name(level.name);
  PM_TRY(one.capture_, CapturePool::create("bench_capture_" + name, kPreparedFrames, 2048));
  lay_payload(one.capture_->mbufs().front()->pool, mixed.payload, kLongestPayloadBytes);
  GeneratorLcore capture = generator_of(one.mixed_images_, pool, port);
  one.captured_.mbufs = one.capture_->mbufs().data();
  one.captured_.count = kPreparedFrames;
  level.bench->write(capture, one.captured_);
  one.replay_.mbufs = one.capture_->mbufs().data();
  one.replay_.count = kPreparedFrames;
  one.replay_.port = port;
  one.replay_.freed = one.capture_->freed();

  PM_TRY(one.prepared_pool_, make_bench_pool(("bench_rx_" + name).c_str(), 1200, 0));
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
  one.few_frames_ = frames_of(kFewFlows);
  one.many_frames_ = frames_of(kManyFlows);
  one.long_frames_ = frames_of(kFewFlows);
  PM_TRYV(one.load_patterns());
  for (const std::uint32_t tracked : {std::uint32_t{kFewFlows}, std::uint32_t{kManyFlows}})
    one.trackers_.push_back(std::make_unique<SequenceTracker>(tracked));
  one.few_tracker_ = one.trackers_[3].get();
  one.many_tracker_ = one.trackers_[4].get();
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
  PM_TRYV(one.open_model(one.polled_, Placement::hot));
  PM_TRYV(one.open_model(one.modelled_, Placement::hot));
  if (has_cldemote()) PM_TRYV(one.open_model(one.modelled_llc_, Placement::llc));
  one.add_works();
  return bench;
}

Result<void> LevelBench::open_model(ModelStand& stand, Placement placement) {
  ModelNicOrder order;
  order.rx_ring = static_cast<int>(kPreparedFrames);
  PM_TRY(stand.nic, ModelNic::create(order));
  stand.nic->post_all();
  stand.traffic = few_->traffic();
  stand.queue = &stand.nic->queue(0);
  stand.place_of.assign(stand.traffic.flow_count, 0);
  stand.bench.placement = placement;
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
  stand.bench.burst_ticks = static_cast<Ticks>(kBenchBurst * wire_bits / kBenchLinkBps * tsc_hz_);
  level_.bench->open_model(stand.bench);
  return {};
}

Result<void> LevelBench::load_patterns() {
  std::vector<Pattern> patterns;
  for (const char* expression : kExpressions) patterns.push_back({.expression = expression});
  for (int literal = 0; literal < kLiterals; ++literal)
    patterns.push_back({.expression = fmt::format("{:04x}-signature", literal * 251)});
  for (std::size_t at = 0; at < patterns.size(); ++at) patterns[at].id = static_cast<unsigned>(at);
  PM_TRY(patterns_, PatternSet::compile(std::move(patterns), "the bench's own expressions"));
  PM_TRY(scratch_, patterns_->scratch());
  long_frames_->lcore.scan = {patterns_->database(), scratch_.get()};
  long_frames_->lcore.search_from = kStampedBytes;
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
  add("copy loop", "copy the same frames into fresh mbufs, send",
      [&](std::uint64_t n) { loops.send_copies(copier_, captured_, n); });
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
  add_receive("receive 64 flows, forward", "... and stage forward, without the port", *few_frames_,
              few_writer_, StageKind::forward);
  add_receive("receive 65536 flows", "above rx_burst", *many_frames_, many_writer_,
              StageKind::none);
  add_receive("stage hyperscan", "the stage alone: 264 expressions over 536 bytes", *long_frames_,
              long_writer_, StageKind::hyperscan);
  works_.back().stage_of = &long_frames_->lcore.tallies;
  add(
      "hs_scan", "a bare loop over the same payloads",
      [&](std::uint64_t /*all*/) { loops.scan(*long_frames_); },
      [&] { loops.write(scan_writer_, *long_frames_); });
  add("poll and repost", "model link, hot: build, rings, rx_burst, free, repost",
      [&](std::uint64_t n) { loops.poll_model(polled_.bench, n); });
  add("model path", "... and receive: build to ledger",
      [&](std::uint64_t n) { loops.run_model_path(modelled_.bench, n); });
  add("model path, llc", "the same, every line of a frame demoted to the last-level cache",
      [&](std::uint64_t n) { loops.run_model_path(modelled_llc_.bench, n); });
  if (!has_cldemote()) works_.back().not_measured = "this CPU has no cldemote";
}

}  // namespace pollmark
