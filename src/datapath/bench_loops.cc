// Compiled once per ISA level, see meson.build.
#include "datapath/bench_loops.h"

#include <new>

#include "datapath/toeplitz.h"

namespace pollmark {
inline namespace PM_ISA_LEVEL {
namespace {

void send_raw(GeneratorLcore& lcore, std::uint64_t bursts) noexcept {
  rte_mbuf* mbufs[kBenchBurst];
  for (; bursts > 0; --bursts)
    if (take_mbufs(lcore.access, mbufs, kBenchBurst))
      send_mbufs(lcore.access, lcore.port, lcore.queue, mbufs, kBenchBurst);
}

template <PayloadFrom kPayload, Stamping kStamping>
void send(GeneratorLcore& lcore, std::uint64_t bursts) noexcept {
  for (; bursts > 0; --bursts)
    send_burst<kPayload, kStamping>(lcore, kBenchBurst, HardwareTsc::now());
}

void replay(ReplayLcore& lcore, std::uint64_t bursts) noexcept {
  for (; bursts > 0; --bursts) replay_burst(lcore, kBenchBurst);
}

void send_copies(GeneratorLcore& lcore, PreparedFrames& source, std::uint64_t bursts) noexcept {
  rte_mbuf* mbufs[kBenchBurst];
  for (; bursts > 0; --bursts) {
    if (!take_mbufs(lcore.access, mbufs, kBenchBurst)) continue;
    for (std::uint32_t i = 0; i < kBenchBurst; ++i) {
      const rte_mbuf* from = source.mbufs[source.next + i];
      std::memcpy(rte_pktmbuf_mtod(mbufs[i], std::uint8_t*), bytes_of(from), from->data_len);
      mbufs[i]->data_len = from->data_len;
      mbufs[i]->pkt_len = from->pkt_len;
    }
    source.next += kBenchBurst;
    if (source.next == source.count) source.next = 0;
    send_mbufs(lcore.access, lcore.port, lcore.queue, mbufs, kBenchBurst);
  }
}

void steer(const ToeplitzKey& key, const std::uint8_t* reta, const std::uint8_t* tuples,
           std::uint8_t* queues, std::uint64_t bursts) noexcept {
  std::uint32_t hashes[kBenchBurst];
  for (; bursts > 0; --bursts) {
    hash_tuples(key, tuples, 12, 12, hashes, kBenchBurst);
    for (std::uint32_t i = 0; i < kBenchBurst; ++i) queues[i] = reta[hashes[i] & 127U];
    asm volatile("" ::: "memory");
  }
}

void enqueue(rte_ring* ring, rte_mbuf** mbufs, std::uint64_t bursts) noexcept {
  rte_mbuf* out[kBenchBurst];
  for (; bursts > 0; --bursts) {
    rte_ring_sp_enqueue_burst(ring, reinterpret_cast<void**>(mbufs), kBenchBurst, nullptr);
    rte_ring_sc_dequeue_burst(ring, reinterpret_cast<void**>(out), kBenchBurst, nullptr);
    asm volatile("" : : "m"(out) : "memory");
  }
}

struct PreparedPort {
  [[gnu::always_inline]] static inline std::uint32_t receive(ReceiveLcore& lcore,
                                                             std::uint32_t /*input*/,
                                                             rte_mbuf** mbufs) noexcept {
    auto& frames = reinterpret_cast<PreparedFrames&>(lcore);
    // NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what is copied
    std::memcpy(mbufs, frames.mbufs + frames.next, kBenchBurst * sizeof *mbufs);
    frames.next += kBenchBurst;
    for (std::uint32_t i = 0; i < kBenchBurst; ++i) rte_prefetch0(bytes_of(mbufs[i]));
    return kBenchBurst;
  }
  [[gnu::always_inline]] static inline std::uint32_t send(ReceiveLcore& /*lcore*/,
                                                          rte_mbuf** /*mbufs*/, std::uint32_t count,
                                                          Ticks /*now*/) noexcept {
    return count;
  }
  [[gnu::always_inline]] static inline void free(ReceiveLcore& /*lcore*/, rte_mbuf** /*mbufs*/,
                                                 std::uint32_t /*count*/) noexcept {}
};

void write(GeneratorLcore& lcore, PreparedFrames& frames) noexcept {
  for (std::uint32_t at = 0; at < frames.count; at += kBenchBurst)
    write_frames<PayloadFrom::mbuf, Stamping::stamped>(lcore, frames.mbufs + at, kBenchBurst,
                                                       HardwareTsc::now());
}

template <StageKind kStage>
void receive_all(PreparedFrames& frames) noexcept {
  const WallClock clock;
  for (frames.next = 0; frames.next < frames.count;)
    receive_and_finish<PreparedPort, WallClock, StampSource::payload, kStage, true>(frames.lcore,
                                                                                    clock);
}

void receive(PreparedFrames& frames, StageKind stage) noexcept {
  switch (stage) {
    case StageKind::touch:
      return receive_all<StageKind::touch>(frames);
    case StageKind::checksum:
      return receive_all<StageKind::checksum>(frames);
    case StageKind::forward:
      return receive_all<StageKind::forward>(frames);
    case StageKind::hyperscan:
      return receive_all<StageKind::hyperscan>(frames);
    case StageKind::none:
      return receive_all<StageKind::none>(frames);
  }
}

void scan(PreparedFrames& frames) noexcept {
  ReceiveLcore& lcore = frames.lcore;
  rte_mbuf* mbufs[kBenchBurst];
  for (frames.next = 0; frames.next < frames.count;) {
    PreparedPort::receive(lcore, 0, mbufs);
    for (const rte_mbuf* mbuf : mbufs)
      scanned(lcore.scan, {bytes_of(mbuf) + lcore.search_from, mbuf->data_len - lcore.search_from},
              lcore.tallies.matches);
  }
}

void follow(SequenceTracker& tracker, std::uint32_t& flow, std::uint32_t& round,
            std::uint64_t bursts) noexcept {
  std::uint32_t at = flow;
  std::uint32_t sequence = round;
  const std::uint32_t flows = tracker.flows();
  for (; bursts > 0; --bursts) {
    std::uint32_t in_order = 0;
    for (std::uint32_t i = 0; i < kBenchBurst; ++i) {
      if (tracker.follows(at, sequence)) [[likely]]
        ++in_order;
      else
        tracker.record(at, sequence);
      if (++at == flows) {
        at = 0;
        ++sequence;
      }
    }
    tracker.add_in_order(in_order);
  }
  flow = at;
  round = sequence;
}

void record_ticks(LatencyTally& tally, const Ticks* stamped_at, std::uint64_t bursts) noexcept {
  for (; bursts > 0; --bursts) {
    record_burst(tally, stamped_at, kBenchBurst, kBenchRecordedAt);
    asm volatile("" ::: "memory");
  }
}

template <Placement kPlacement>
using BenchLink = ModelLink<kPlacement, Origin::flows, Faults::none>;
using Port = ModelPort<StampSource::payload>;

template <Placement kPlacement>
BenchLink<kPlacement>& link_of(ModelBench& bench) noexcept {
  return *static_cast<BenchLink<kPlacement>*>(bench.state);
}

template <Placement kPlacement>
void open_link(ModelBench& bench) noexcept {
  static_assert(sizeof(BenchLink<kPlacement>) <= kModelBenchBytes &&
                alignof(BenchLink<kPlacement>) <= 64);
  auto* link = new (bench.state) BenchLink<kPlacement>;
  link->open(bench.link);
  bench.v = 0;
}

template <Placement kPlacement>
void run_link(ModelBench& bench, std::uint64_t bursts) noexcept {
  BenchLink<kPlacement>& link = link_of<kPlacement>(bench);
  const WallClock clock;
  for (; bursts > 0; --bursts) {
    bench.v += bench.burst_ticks;
    link.deliver(bench.v);
    receive_and_finish<Port, WallClock, StampSource::payload, StageKind::none, true>(*bench.lcore,
                                                                                     clock);
  }
}

void open_model(ModelBench& bench) noexcept {
  bench.placement == Placement::llc ? open_link<Placement::llc>(bench)
                                    : open_link<Placement::hot>(bench);
}

void poll_model(ModelBench& bench, std::uint64_t bursts) noexcept {
  auto& link = link_of<Placement::hot>(bench);
  rte_mbuf* mbufs[kMostBurst];
  for (; bursts > 0; --bursts) {
    bench.v += bench.burst_ticks;
    link.deliver(bench.v);
    const std::uint32_t count = Port::receive(*bench.lcore, 0, mbufs);
    bench.lcore->tallies.polled += count;
    Port::free(*bench.lcore, mbufs, count);
  }
}

void run_model_path(ModelBench& bench, std::uint64_t bursts) noexcept {
  bench.placement == Placement::llc ? run_link<Placement::llc>(bench, bursts)
                                    : run_link<Placement::hot>(bench, bursts);
}

}  // namespace
}  // namespace PM_ISA_LEVEL

namespace PM_ISA_LEVEL {

const BenchLoops bench_loops = {
    .send_raw = send_raw,
    .send_built = send<PayloadFrom::mbuf, Stamping::none>,
    .send_stamped = send<PayloadFrom::mbuf, Stamping::stamped>,
    .send_copied = send<PayloadFrom::frame, Stamping::stamped>,
    .replay = replay,
    .send_copies = send_copies,
    .steer = steer,
    .enqueue = enqueue,
    .write = write,
    .receive = receive,
    .scan = scan,
    .follow = follow,
    .record = record_ticks,
    .open_model = open_model,
    .poll_model = poll_model,
    .run_model_path = run_model_path,
};

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
