// What an lcore does with what it receives: validates the stamp, runs the stage, follows sequences,
// records latency, counts. Templates over where frames come from, the clock, where the stamp is and
// the stage; one iteration is one burst from each input that the lcore owns.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "datapath/clock.h"
#include "datapath/frame.h"
#include "datapath/isa_level.h"
#include "datapath/latency_tally.h"
#include "datapath/lateness.h"
#include "datapath/model_link.h"
#include "datapath/software_ring.h"
#include "datapath/stage.h"
#include "datapath/tx_sink.h"
#include "record/sequence_tracker.h"
#include "record/trial_order.h"

namespace pollmark {

enum class StampSource : std::uint8_t {
  payload,        // behind Ethernet, IPv4 and UDP
  stacked,        // behind the headers of ReceiveLcore::stack
  dynamic_field,  // of the mbuf: replayed frames on the model
  none,           // counted only
};

inline constexpr std::uint32_t kMostInputs = 16;
inline constexpr std::uint32_t kMostBurst = 64;
inline constexpr std::uint32_t kHashSamples = 64;
inline constexpr std::uint32_t kHashSampleEvery = 1000;  // frames

// A hash as a port gave it, beside the frame's own addresses and ports (12 bytes with IPv4).
struct HashSample {
  std::uint32_t hash = 0;
  std::uint8_t tuple[36] = {};
};

// written by: one lcore; read by: control after join
struct alignas(64) ReceiveTallies {
  std::uint64_t polled = 0;          // taken by rx_burst
  std::uint64_t received = 0;        // unique, valid, at the end of the stage
  std::uint64_t received_bytes = 0;  // incl. FCS
  std::uint64_t duplicate = 0;
  std::uint64_t foreign = 0;
  std::uint64_t late = 0;
  std::uint64_t corrupt = 0;
  std::uint64_t stale = 0;
  std::uint64_t handed = 0;         // unique, offered to the software ring
  std::uint64_t staged = 0;         // frames that the stage ran on
  std::uint64_t verdicts = 0;       // of the port, good or bad
  std::uint64_t hashes = 0;         // of the port
  std::uint64_t matches = 0;        // of stage hyperscan
  std::uint64_t matched = 0;        // frames with one or more
  std::uint64_t stage_dropped = 0;  // the stage could not do its work on them
  Ticks stage_ticks = 0;
  std::uint64_t stage_result = 0;  // keeps the stage's work from being optimised away
  Ticks first_loss = kNever;       // of frames lost behind rx_burst
  Ticks last_loss = 0;
  std::uint32_t hash_samples = 0;
  std::uint64_t next_sample = 0;  // of polled
  std::uint64_t polled_of[kMostInputs] = {};
  std::uint64_t burst_of[kMostBurst + 1] = {};  // calls of rx_burst that gave so many frames
  HashSample hash_sample[kHashSamples];
};

struct EthdevQueue {
  std::uint16_t port = 0;
  std::uint16_t queue = 0;
};

// One lcore of the receiving side: an rx lcore (queues, perhaps one ring to push to) or a worker
// (rings to take from).
struct alignas(64) ReceiveLcore {
  // set by control
  ModelQueue* model_queues[kMostInputs] = {};
  EthdevQueue ethdev_queues[kMostInputs];
  std::uint32_t queue_count = 0;
  SoftwareRing* push_to = nullptr;
  SoftwareRing* take_from[kMostInputs] = {};
  std::uint32_t ring_count = 0;
  std::uint32_t burst = 32;
  bool port_checks = false;  // the port verifies checksums, the stage need not
  PoolAccess access;
  std::uint32_t stamp_offset = 0;  // of the dynamic field
  std::uint32_t flows = 0;
  FrameStack stack;
  std::uint32_t lateness_offset = 0;   // where frames say how late they left; 0: they do not
  SequenceTracker* tracker = nullptr;  // of an rx lcore; nullptr: untracked
  PatternScan scan;
  std::uint32_t search_from = 0;  // of stage hyperscan: behind all that is the instrument's
  TxSink* sink = nullptr;         // of stage forward on the model
  EthdevQueue transmit_queue;     // ... on a port
  // control: wo between iterations
  std::uint8_t epoch = 0;
  bool in_window = false;
  // lcore: wo
  LatencyTally rx_of[kMostInputs];  // by queue
  LatencyTally done;
  LatencyTally intended;  // of rx_burst from when the frame was due; with lateness_offset
  ReceiveTallies tallies;
  rte_mbuf* pushed[kMostInputs * kMostBurst] = {};  // in this iteration
  std::uint32_t pushed_count = 0;
};

inline namespace PM_ISA_LEVEL {

// Where an rx lcore's frames come from, and go.
template <StampSource kStamps>
struct ModelPort {
  [[gnu::always_inline]] static inline std::uint32_t receive(ReceiveLcore& lcore,
                                                             std::uint32_t input,
                                                             rte_mbuf** mbufs) noexcept {
    return receive_burst<kStamps == StampSource::dynamic_field>(
        *lcore.model_queues[input], lcore.access, lcore.stamp_offset, mbufs, lcore.burst);
  }
  [[gnu::always_inline]] static inline std::uint32_t send(ReceiveLcore& lcore, rte_mbuf** mbufs,
                                                          std::uint32_t count, Ticks now) noexcept {
    return send_to(*lcore.sink, lcore.access, mbufs, count, now);
  }
  // Single segments with one reference, from one pool: straight back, as drivers do.
  [[gnu::always_inline]] static inline void free(ReceiveLcore& lcore, rte_mbuf** mbufs,
                                                 std::uint32_t count) noexcept {
    giving_to(lcore.access.pool);
    rte_mempool_generic_put(lcore.access.pool, reinterpret_cast<void**>(mbufs), count,
                            lcore.access.cache);
  }
};

struct EthdevPort {
  [[gnu::always_inline]] static inline std::uint32_t receive(ReceiveLcore& lcore,
                                                             std::uint32_t input,
                                                             rte_mbuf** mbufs) noexcept {
    const EthdevQueue& queue = lcore.ethdev_queues[input];
    const std::uint32_t count =
        rte_eth_rx_burst(queue.port, queue.queue, mbufs, static_cast<std::uint16_t>(lcore.burst));
    for (std::uint32_t i = 0; i < count; ++i) rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void*));
    return count;
  }
  [[gnu::always_inline]] static inline std::uint32_t send(ReceiveLcore& lcore, rte_mbuf** mbufs,
                                                          std::uint32_t count,
                                                          Ticks /*now*/) noexcept {
    return rte_eth_tx_burst(lcore.transmit_queue.port, lcore.transmit_queue.queue, mbufs,
                            static_cast<std::uint16_t>(count));
  }
  [[gnu::always_inline]] static inline void free(ReceiveLcore& /*lcore*/, rte_mbuf** mbufs,
                                                 std::uint32_t count) noexcept {
    rte_pktmbuf_free_bulk(mbufs, count);
  }
};

[[gnu::always_inline]] inline const std::uint8_t* bytes_of(const rte_mbuf* mbuf) noexcept {
  return static_cast<const std::uint8_t*>(mbuf->buf_addr) + mbuf->data_off;
}

// now: not before the frame came.
template <StampSource kStamps>
[[gnu::always_inline]] inline Stamp stamp_of(const rte_mbuf* mbuf, const ReceiveLcore& lcore,
                                             Ticks now) noexcept {
  Stamp stamp;
  if constexpr (kStamps == StampSource::payload)
    std::memcpy(&stamp, bytes_of(mbuf) + kHeaderBytes, sizeof stamp);
  else if constexpr (kStamps == StampSource::stacked)
    stamp = lcore.stack.stamp == StampKind::full
                ? read_stamp<StampKind::full>(bytes_of(mbuf) + lcore.stack.stamp_at, now)
                : read_stamp<StampKind::brief>(bytes_of(mbuf) + lcore.stack.stamp_at, now);
  else
    std::memcpy(&stamp, reinterpret_cast<const std::uint8_t*>(mbuf) + lcore.stamp_offset,
                sizeof stamp);
  return stamp;
}

// Whether the headers' length is that of the frame; true where frames are not the generator's own.
template <StampSource kStamps>
[[gnu::always_inline]] inline bool has_its_length(const rte_mbuf* mbuf,
                                                  const ReceiveLcore& lcore) noexcept {
  std::uint16_t length;
  if constexpr (kStamps == StampSource::payload) {
    std::memcpy(&length, bytes_of(mbuf) + kEthernetBytes + 2, 2);
    return __builtin_bswap16(length) + kEthernetBytes == mbuf->pkt_len;
  } else if constexpr (kStamps == StampSource::stacked) {
    std::memcpy(&length, bytes_of(mbuf) + lcore.stack.length_at(), 2);
    return __builtin_bswap16(length) + lcore.stack.length_omits() == mbuf->pkt_len;
  } else {
    return true;
  }
}

// Of a frame with a stamp behind its headers.
template <StampSource kStamps>
[[gnu::always_inline]] inline std::uint32_t least_bytes(const ReceiveLcore& lcore) noexcept {
  if constexpr (kStamps == StampSource::payload) return kStampedBytes;
  if constexpr (kStamps == StampSource::stacked) return lcore.stack.least_bytes();
  return 0;
}

inline void lost_at(ReceiveTallies& tallies, Ticks ticks) noexcept {
  if (ticks < tallies.first_loss) tallies.first_loss = ticks;
  if (ticks > tallies.last_loss) tallies.last_loss = ticks;
}

enum class StageEnd : std::uint8_t { sound, corrupt, dropped };

template <StampSource kStamps, StageKind kStage>
[[gnu::always_inline]] inline StageEnd run_stage(const rte_mbuf* mbuf,
                                                 ReceiveLcore& lcore) noexcept {
  ReceiveTallies& tallies = lcore.tallies;
  if constexpr (kStage == StageKind::touch)
    tallies.stage_result += touched(bytes_of(mbuf), mbuf->data_len);
  if constexpr (kStage == StageKind::forward) swap_macs(const_cast<std::uint8_t*>(bytes_of(mbuf)));
  if constexpr (kStage == StageKind::hyperscan) {
    // The stamp is the instrument's: it is not searched.
    const std::uint8_t* const data = bytes_of(mbuf);
    FrameBytes payload{data + lcore.search_from, 0};
    if constexpr (kStamps == StampSource::payload || kStamps == StampSource::stacked) {
      if (mbuf->data_len > lcore.search_from) payload.bytes = mbuf->data_len - lcore.search_from;
    } else {
      payload = payload_of(data, mbuf->data_len);
    }
    std::uint64_t matches = 0;
    if (!scanned(lcore.scan, payload, matches)) [[unlikely]]
      return StageEnd::dropped;
    tallies.matches += matches;
    tallies.matched += matches != 0 ? 1 : 0;
  }
  if constexpr (kStage == StageKind::checksum) {
    const std::uint8_t verdict = verify_checksums(bytes_of(mbuf), mbuf->data_len);
    tallies.stage_result += verdict;
    if ((verdict & (kIpv4Bad | kL4Bad)) != 0) [[unlikely]]
      return StageEnd::corrupt;
  }
  return StageEnd::sound;
}

// What the port says of a frame's checksums. A port that says nothing has found nothing.
[[gnu::always_inline]] inline StageEnd port_verdict(const rte_mbuf* mbuf,
                                                    ReceiveTallies& tallies) noexcept {
  const std::uint64_t flags = mbuf->ol_flags;
  const bool ip_bad = (flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD;
  const bool l4_bad = (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD;
  tallies.verdicts +=
      (flags & (RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK)) != 0 ? 1 : 0;
  return ip_bad || l4_bad ? StageEnd::corrupt : StageEnd::sound;
}

// Frames of one burst that are this trial's and sound so far, in the order of their arrival.
struct BurstFrames {
  std::uint32_t count = 0;
  std::uint32_t number[kMostBurst];      // in the burst
  std::uint64_t head[kMostBurst];        // of the stamp: magic, epoch, flow, sequence
  Ticks ticks[kMostBurst];               // of the stamp
  std::uint32_t wire_bytes[kMostBurst];  // incl. FCS
};

// Takes out those whose bits are set.
inline void take_out(BurstFrames& frames, std::uint64_t dropped) noexcept {
  std::uint32_t kept = 0;
  for (std::uint32_t i = 0; i < frames.count; ++i) {
    frames.number[kept] = frames.number[i];
    frames.head[kept] = frames.head[i];
    frames.ticks[kept] = frames.ticks[i];
    frames.wire_bytes[kept] = frames.wire_bytes[i];
    kept += (dropped >> i & 1U) == 0 ? 1U : 0U;
  }
  frames.count = kept;
}

// Why a frame is none of the trial's.
template <StampSource kStamps>
[[gnu::cold, gnu::noinline]] void count_other(const rte_mbuf* mbuf, ReceiveLcore& lcore,
                                              Ticks received_at) noexcept {
  ReceiveTallies& tallies = lcore.tallies;
  const Stamp stamp = stamp_of<kStamps>(mbuf, lcore, received_at);
  if (mbuf->data_len < least_bytes<kStamps>(lcore) || stamp.magic != kStampMagic) {
    ++tallies.foreign;
  } else if (has_its_length<kStamps>(mbuf, lcore) && stamp.epoch != lcore.epoch) {
    ++tallies.late;
  } else {
    ++tallies.corrupt;
    lost_at(tallies, received_at);
  }
}

// The burst's frames with a stamp of this trial. Fetches the state of their flows.
template <StampSource kStamps, bool kTracked, typename Clock>
[[gnu::always_inline]] inline void find_ours(ReceiveLcore& lcore, rte_mbuf* const* mbufs,
                                             std::uint32_t count, Ticks received_at,
                                             BurstFrames& frames) noexcept {
  ReceiveTallies& tallies = lcore.tallies;
  const std::uint64_t mark = kStampMagic | std::uint64_t{lcore.epoch} << 8;
  std::uint32_t kept = 0;
  std::uint64_t hashes = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const rte_mbuf* mbuf = mbufs[i];
    hashes += mbuf->ol_flags / RTE_MBUF_F_RX_RSS_HASH & 1U;
    frames.number[kept] = i;
    frames.wire_bytes[kept] = mbuf->pkt_len + 4;
    if constexpr (kStamps == StampSource::none) {
      ++kept;
    } else {
      const Stamp stamp = stamp_of<kStamps>(mbuf, lcore, received_at);
      if constexpr (kTracked) lcore.tracker->prefetch(stamp.flow);
      const auto head = std::bit_cast<std::array<std::uint64_t, 2>>(stamp)[0];
      frames.head[kept] = head;
      frames.ticks[kept] = Clock::not_after(stamp.ticks, received_at);
      // Joined without branches: each of them is almost always true.
      const int is_ours = int{(head & 0xffffU) == mark} & int{stamp.flow < lcore.flows} &
                          int{mbuf->data_len >= least_bytes<kStamps>(lcore)} &
                          int{has_its_length<kStamps>(mbuf, lcore)};
      if (is_ours != 0) [[likely]]
        ++kept;
      else
        count_other<kStamps>(mbuf, lcore, received_at);
    }
  }
  frames.count = kept;
  tallies.hashes += hashes;
}

[[gnu::always_inline]] inline std::uint32_t flow_of(std::uint64_t head) noexcept {
  return static_cast<std::uint32_t>(head >> 16) & 0xffffU;
}
[[gnu::always_inline]] inline std::uint32_t sequence_of(std::uint64_t head) noexcept {
  return static_cast<std::uint32_t>(head >> 32);
}

// Leaves those that came for the first time.
inline void follow(ReceiveLcore& lcore, BurstFrames& frames) noexcept {
  ReceiveTallies& tallies = lcore.tallies;
  SequenceTracker& tracker = *lcore.tracker;
  std::uint32_t in_order = 0;
  std::uint64_t again = 0;
  for (std::uint32_t i = 0; i < frames.count; ++i) {
    const std::uint32_t flow = flow_of(frames.head[i]);
    const std::uint32_t sequence = sequence_of(frames.head[i]);
    if (tracker.follows(flow, sequence)) [[likely]] {
      ++in_order;
      continue;
    }
    const Arrival arrival = tracker.record(flow, sequence);
    if (arrival >= Arrival::duplicate) [[unlikely]] {
      ++(arrival == Arrival::duplicate ? tallies.duplicate : tallies.stale);
      again |= std::uint64_t{1} << i;
    }
  }
  tracker.add_in_order(in_order);
  if (again != 0) [[unlikely]]
    take_out(frames, again);
}

[[gnu::always_inline]] inline std::uint64_t bytes_of_all(const BurstFrames& frames) noexcept {
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < frames.count; ++i) bytes += frames.wire_bytes[i];
  return bytes;
}

inline void count_unsound(ReceiveTallies& tallies, StageEnd end, Ticks ticks) noexcept {
  ++(end == StageEnd::corrupt ? tallies.corrupt : tallies.stage_dropped);
  lost_at(tallies, ticks);
}

// Keeps the frames whose end is sound, counts the others. end_of: by number in the burst.
template <typename End>
[[gnu::always_inline]] inline void keep_sound(const End& end_of, BurstFrames& frames, Ticks ticks,
                                              ReceiveTallies& tallies) noexcept {
  std::uint64_t unsound = 0;
  for (std::uint32_t i = 0; i < frames.count; ++i) {
    const StageEnd end = end_of(frames.number[i]);
    if (end == StageEnd::sound) [[likely]]
      continue;
    count_unsound(tallies, end, ticks);
    unsound |= std::uint64_t{1} << i;
  }
  if (unsound != 0) [[unlikely]]
    take_out(frames, unsound);
}

// A sample of the port's hash from time to time; at most one per burst.
[[gnu::always_inline]] inline void sample_hash(const rte_mbuf* mbuf, const FrameStack& stack,
                                               ReceiveTallies& tallies) noexcept {
  if (tallies.polled < tallies.next_sample || tallies.hash_samples == kHashSamples ||
      (mbuf->ol_flags & RTE_MBUF_F_RX_RSS_HASH) == 0) [[likely]]
    return;
  tallies.next_sample = tallies.polled + kHashSampleEvery;
  HashSample& sample = tallies.hash_sample[tallies.hash_samples++];
  sample.hash = mbuf->hash.rss;
  const std::uint32_t bytes = stack.l4_at + 4 - stack.addresses_at();
  std::memcpy(sample.tuple, bytes_of(mbuf) + stack.addresses_at(), bytes);
}

// Polls an input: what every burst is counted as, however it goes on. Its frames are counted by who
// calls.
template <typename Port>
[[gnu::always_inline]] inline std::uint32_t poll(ReceiveLcore& lcore, std::uint32_t input,
                                                 rte_mbuf** mbufs) noexcept {
  ReceiveTallies& tallies = lcore.tallies;
  const std::uint32_t count = Port::receive(lcore, input, mbufs);
  ++tallies.burst_of[count];
  tallies.polled += count;
  tallies.polled_of[input] += count;
  return count;
}

// An rx lcore without a software ring: everything on the spot. Without a stage a frame is done when
// it is received: `done` records nothing.
template <typename Port, typename Clock, StampSource kStamps, StageKind kStage, bool kTracked>
std::uint32_t receive_and_finish(ReceiveLcore& lcore, const Clock& clock) noexcept {
  rte_mbuf* mbufs[kMostBurst];
  BurstFrames frames;
  ReceiveTallies& tallies = lcore.tallies;
  std::uint32_t total = 0;
  for (std::uint32_t input = 0; input < lcore.queue_count; ++input) {
    const std::uint32_t count = poll<Port>(lcore, input, mbufs);
    if (count == 0) continue;
    total += count;
    const Ticks received_at = clock.now();
    find_ours<kStamps, kTracked, Clock>(lcore, mbufs, count, received_at, frames);
    sample_hash(mbufs[0], lcore.stack, tallies);

    const Ticks stage_from = kStage == StageKind::none ? 0 : clock.now();
    if (lcore.port_checks) {
      const auto verdict = [&](std::uint32_t i) { return port_verdict(mbufs[i], tallies); };
      keep_sound(verdict, frames, received_at, tallies);
    }
    if constexpr (kStage != StageKind::none) {
      tallies.staged += frames.count;
      if (kStage != StageKind::checksum || !lcore.port_checks) {
        const auto stage = [&](std::uint32_t i) {
          return run_stage<kStamps, kStage>(mbufs[i], lcore);
        };
        keep_sound(stage, frames, received_at, tallies);
      }
      if constexpr (kStage == StageKind::forward) {
        rte_mbuf* outgoing[kMostBurst];
        for (std::uint32_t i = 0; i < frames.count; ++i)
          outgoing[i] = std::exchange(mbufs[frames.number[i]], nullptr);
        const std::uint32_t accepted = Port::send(lcore, outgoing, frames.count, clock.now());
        if (accepted != frames.count) [[unlikely]] {
          for (std::uint32_t i = accepted; i < frames.count; ++i)
            mbufs[frames.number[i]] = outgoing[i];
          tallies.stage_dropped += frames.count - accepted;
          lost_at(tallies, received_at);
          frames.count = accepted;
        }
      }
      const Ticks stage_to = clock.now();
      if (stage_to > stage_from) tallies.stage_ticks += stage_to - stage_from;
    }
    const Ticks done_at = kStage == StageKind::none ? received_at : clock.now();

    if constexpr (kTracked) follow(lcore, frames);
    tallies.received += frames.count;
    tallies.received_bytes += bytes_of_all(frames);
    if constexpr (kStamps != StampSource::none) {
      record_burst(lcore.rx_of[input], frames.ticks, frames.count, received_at);
      if constexpr (kStage != StageKind::none)
        record_burst(lcore.done, frames.ticks, frames.count, done_at);
      if constexpr (kStage != StageKind::forward) {  // whose frames are gone by now
        if (lcore.lateness_offset != 0) {
          for (std::uint32_t i = 0; i < frames.count; ++i)
            frames.ticks[i] -=
                lateness_at(bytes_of(mbufs[frames.number[i]]), lcore.lateness_offset);
          record_burst(lcore.intended, frames.ticks, frames.count, received_at);
        }
      }
    }
    if constexpr (kStage == StageKind::forward) {
      std::uint32_t left = 0;
      for (std::uint32_t i = 0; i < count; ++i)
        if (mbufs[i] != nullptr) mbufs[left++] = mbufs[i];
      if (left != 0) [[unlikely]]
        Port::free(lcore, mbufs, left);
    } else {
      Port::free(lcore, mbufs, count);
    }
  }
  return total;
}

// An rx lcore with a software ring: validates, follows sequences (it alone sees each flow), hands
// what is unique to the workers.
template <typename Port, typename Clock, StampSource kStamps>
std::uint32_t receive_and_push(ReceiveLcore& lcore, const Clock& clock) noexcept {
  rte_mbuf* mbufs[kMostBurst];
  BurstFrames frames;
  ReceiveTallies& tallies = lcore.tallies;
  SoftwareRing& ring = *lcore.push_to;
  std::uint32_t total = 0;
  lcore.pushed_count = 0;
  for (std::uint32_t input = 0; input < lcore.queue_count; ++input) {
    const std::uint32_t count = poll<Port>(lcore, input, mbufs);
    if (count == 0) continue;
    total += count;
    const Ticks received_at = clock.now();
    find_ours<kStamps, true, Clock>(lcore, mbufs, count, received_at, frames);
    sample_hash(mbufs[0], lcore.stack, tallies);
    follow(lcore, frames);
    record_burst(lcore.rx_of[input], frames.ticks, frames.count, received_at);
    tallies.handed += frames.count;

    rte_mbuf** pushed = lcore.pushed + lcore.pushed_count;
    for (std::uint32_t i = 0; i < frames.count; ++i)
      pushed[i] = std::exchange(mbufs[frames.number[i]], nullptr);
    const std::uint32_t accepted =
        rte_ring_enqueue_burst(ring.ring, reinterpret_cast<void**>(pushed), frames.count, nullptr);
    ring.pushed_to += accepted;
    lcore.pushed_count += Clock::kLockstep ? accepted : 0;
    const auto occupied = Clock::kLockstep
                              ? static_cast<std::uint32_t>(ring.pushed_to - ring.taken_to)
                              : occupied_now(ring);
    if (occupied > ring.high_water) ring.high_water = occupied;
    if (accepted != frames.count) [[unlikely]] {
      ring.overflow += frames.count - accepted;
      lost_at(tallies, received_at);
      Port::free(lcore, pushed + accepted, frames.count - accepted);
    }
    if (frames.count != count) [[unlikely]] {
      std::uint32_t left = 0;
      for (std::uint32_t i = 0; i < count; ++i)
        if (mbufs[i] != nullptr) mbufs[left++] = mbufs[i];
      Port::free(lcore, mbufs, left);
    }
  }
  return total;
}

// The window opens for this lcore: tallies begin anew, frames of the warm-up are of another epoch.
inline void open_window(ReceiveLcore& lcore, std::uint8_t epoch,
                        SequenceTracker* window_tracker) noexcept {
  lcore.epoch = epoch;
  lcore.tallies = ReceiveTallies{};
  for (std::uint32_t input = 0; input < lcore.queue_count; ++input) forget(lcore.rx_of[input]);
  forget(lcore.done);
  if (lcore.lateness_offset != 0) forget(lcore.intended);
  if (window_tracker != nullptr) lcore.tracker = window_tracker;
  if (lcore.push_to != nullptr) {
    lcore.push_to->overflow = 0;
    lcore.push_to->high_water = 0;
  }
}

// Frames of the window that are lost behind rx_burst, as far as this lcore knows.
[[nodiscard]] inline std::uint64_t lost_here(const ReceiveLcore& lcore) noexcept {
  return lcore.tallies.corrupt + lcore.tallies.stage_dropped +
         (lcore.push_to != nullptr ? lcore.push_to->overflow : 0);
}

// A worker: takes what is visible, runs the stage.
template <typename Port, typename Clock, StampSource kStamps, StageKind kStage>
std::uint32_t take_and_finish(ReceiveLcore& lcore, const Clock& clock) noexcept {
  rte_mbuf* mbufs[kMostBurst];
  ReceiveTallies& tallies = lcore.tallies;
  std::uint32_t total = 0;
  for (std::uint32_t input = 0; input < lcore.ring_count; ++input) {
    SoftwareRing& ring = *lcore.take_from[input];
    std::uint32_t most = lcore.burst;
    if constexpr (Clock::kLockstep) {
      const auto seen = static_cast<std::uint32_t>(ring.visible_to - ring.taken_to);
      if (seen < most) most = seen;
    }
    const std::uint32_t count =
        rte_ring_dequeue_burst(ring.ring, reinterpret_cast<void**>(mbufs), most, nullptr);
    if (count == 0) continue;
    total += count;
    if constexpr (Clock::kLockstep) ring.taken_to += count;
    for (std::uint32_t i = 0; i < count; ++i) rte_prefetch0(mbufs[i]);
    for (std::uint32_t i = 0; i < count; ++i) rte_prefetch0(bytes_of(mbufs[i]));
    const Ticks stage_from = kStage == StageKind::none ? 0 : clock.now();
    StageEnd ends[kMostBurst];
    for (std::uint32_t i = 0; i < count; ++i)
      ends[i] = lcore.port_checks ? port_verdict(mbufs[i], tallies) : StageEnd::sound;
    if (kStage != StageKind::checksum || !lcore.port_checks) {
      for (std::uint32_t i = 0; i < count; ++i)
        if (ends[i] == StageEnd::sound) [[likely]]
          ends[i] = run_stage<kStamps, kStage>(mbufs[i], lcore);
    }
    [[maybe_unused]] rte_mbuf* left[kMostBurst];
    [[maybe_unused]] std::uint32_t left_count = 0;
    [[maybe_unused]] Stamp stamps[kMostBurst];
    [[maybe_unused]] std::uint32_t wire_bytes[kMostBurst];
    if constexpr (kStage == StageKind::forward) {
      // What is sent is the port's: all that is still asked of a frame is read before.
      rte_mbuf* outgoing[kMostBurst];
      std::uint32_t from[kMostBurst];
      std::uint32_t sound = 0;
      const Ticks taken_at = clock.now();
      for (std::uint32_t i = 0; i < count; ++i) {
        stamps[i] = stamp_of<kStamps>(mbufs[i], lcore, taken_at);
        wire_bytes[i] = mbufs[i]->pkt_len + 4;
        if (ends[i] == StageEnd::sound) [[likely]] {
          from[sound] = i;
          outgoing[sound++] = mbufs[i];
        } else {
          left[left_count++] = mbufs[i];
        }
      }
      const std::uint32_t accepted = Port::send(lcore, outgoing, sound, clock.now());
      for (std::uint32_t i = accepted; i < sound; ++i) {
        ends[from[i]] = StageEnd::dropped;
        left[left_count++] = outgoing[i];
      }
    }
    const Ticks done_at = clock.now();
    if constexpr (kStage != StageKind::none) {
      tallies.staged += count;
      if (done_at > stage_from) tallies.stage_ticks += done_at - stage_from;
    }
    Ticks stamped_at[kMostBurst];
    std::uint32_t done = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      Stamp stamp;
      if constexpr (kStage == StageKind::forward)
        stamp = stamps[i];
      else
        stamp = stamp_of<kStamps>(mbufs[i], lcore, done_at);
      if (stamp.epoch != lcore.epoch) [[unlikely]]
        continue;  // pushed before the window
      if (ends[i] != StageEnd::sound) [[unlikely]] {
        count_unsound(tallies, ends[i], done_at);
        continue;
      }
      if constexpr (kStage == StageKind::forward)
        tallies.received_bytes += wire_bytes[i];
      else
        tallies.received_bytes += mbufs[i]->pkt_len + 4;
      stamped_at[done++] = Clock::not_after(stamp.ticks, done_at);
    }
    tallies.received += done;
    record_burst(lcore.done, stamped_at, done, done_at);
    if constexpr (kStage == StageKind::forward) {
      if (left_count != 0) [[unlikely]]
        Port::free(lcore, left, left_count);
    } else {
      Port::free(lcore, mbufs, count);
    }
  }
  return total;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
