// A model of a NIC's receive side. Per queue N posted mbufs in FIFO order: a frame takes the oldest
// posted one; none posted: missed, and never built. The link side (deliver) stands for hardware and
// costs nothing; the driver side (receive_burst) is real work of the lcore: rx_burst on a port made
// of rings, completions read into mbufs, mbufs allocated, rearmed and posted.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <cstdint>
#include <cstring>

#include "datapath/arrivals.h"
#include "datapath/clock.h"
#include "datapath/frame.h"
#include "datapath/isa_level.h"
#include "datapath/latency_tally.h"
#include "datapath/pool_handover.h"

namespace pollmark {

// Where a frame lies when it arrives.
enum class Placement : std::uint8_t {
  llc,     // pushed out of the core's own caches (cldemote), as after a DMA write by DDIO
  hot,     // as the link left it: in the core's own caches
  memory,  // flushed (clflushopt)
};

// What the link carries.
enum class Origin : std::uint8_t { flows, capture };
enum class Faults : std::uint8_t { none, planted };

// A port's verdict on checksums, as bits. 0: it did not look, or cannot tell.
inline constexpr std::uint8_t kIpv4Good = 1;
inline constexpr std::uint8_t kIpv4Bad = 2;
inline constexpr std::uint8_t kL4Good = 4;
inline constexpr std::uint8_t kL4Bad = 8;

// What the device writes beside a frame; laid out so that the driver copies it in two moves.
struct alignas(32) Completion {
  std::uint64_t ol_flags;
  std::uint64_t unused;
  std::uint32_t packet_type;  // from here as rx_descriptor_fields1
  std::uint32_t pkt_len;
  std::uint16_t data_len;
  std::uint16_t vlan_tci;
  std::uint32_t rss_hash;
};
static_assert(sizeof(Completion) == 32);

inline constexpr std::uint32_t kPostedDataOffset = sizeof(rte_mbuf) + RTE_PKTMBUF_HEADROOM;

// One receive queue. Indices run freely; slots are index & mask.
struct alignas(64) ModelQueue {
  // set by control
  rte_ring* ring = nullptr;
  rte_mbuf** posted = nullptr;        // [mask + 1]
  Completion* completions = nullptr;  // [mask + 1]
  Stamp* stamps = nullptr;            // [mask + 1]; only where a dynamic field carries them
  std::uint32_t mask = 0;
  std::uint32_t descriptors = 0;  // N
  std::uint16_t port = 0;
  std::uint16_t queue = 0;
  std::uint16_t global_queue = 0;
  // driver: rw; link: ro, see below
  alignas(64) std::uint32_t posted_to = 0;  // one past the newest posted
  std::uint32_t taken_to = 0;               // one past the newest handed over
  bool pool_empty = false;                  // at the last refill
  std::uint32_t fewest_posted = ~0U;
  // link: rw; driver: enqueued_to, ro
  alignas(64) std::uint32_t enqueued_to = 0;  // one past the newest that rx_burst can see
  std::uint32_t filled_to = 0;                // one past the newest filled
  std::uint32_t posted_seen = 0;              // posted_to when the link last ran out
  std::uint32_t occupancy_max = 0;
  std::uint64_t steered = 0;  // of the window, originals that reached RSS
  std::uint64_t missed = 0;   // of the window, frames without any delivered copy
  std::uint64_t no_mbuf = 0;
  std::uint64_t missed_copies = 0;  // of frames that were delivered
};

// Books of the link for one group, window only.
struct LinkTallies {
  std::uint64_t offered = 0;
  std::uint64_t offered_bytes = 0;  // incl. FCS
  std::uint64_t dropped = 0;
  std::uint64_t duplicated = 0;  // delivered twice
  std::uint64_t reordered = 0;   // held to be overtaken, and was
  std::uint64_t corrupted = 0;   // delivered damaged; a damaged frame without descriptor is missed
  std::uint64_t undetectable = 0;  // of those, behind no checksum that could tell
  std::uint64_t delayed = 0;       // held for a time, and delivered
  std::uint64_t overtaken = 0;     // of either cause: delivered behind a later frame of its flow
  std::uint64_t delivered = 0;     // descriptors filled
  Ticks first_loss = kNever;
  Ticks last_loss = 0;
};

// Link side of one group of lcores, as control sets it up.
struct LinkOrder {
  const Traffic* traffic = nullptr;
  HeldFrame* lanes = nullptr;           // [kHeldLanes][held_capacity]
  std::uint32_t* tcp_bytes = nullptr;   // by flow; only where frames are TCP
  ModelQueue* const* queues = nullptr;  // of this group
  std::uint32_t queue_count = 0;
  const std::uint8_t* place_of = nullptr;  // by flow, or by frame of the capture: place in
                                           // `queues`, or kElsewhere
  std::uint32_t* latest = nullptr;         // by flow: one past the latest sequence delivered
  std::uint32_t flow_count = 0;            // of `latest`
  std::uint32_t* sent_per_flow = nullptr;  // wall clock: by flow, counted as frames leave
  bool rss_hash = false;                   // the port writes the hash into completions
  bool checksum = false;                   // ... and its verdicts
  bool corrupt_is_tracked = false;         // a damaged frame reaches the sequence tracker
};
inline constexpr std::uint8_t kElsewhere = 0xff;
inline constexpr std::uint32_t kPayloadStep = 1549;  // odd: flows begin at slots of their own

// The lcore's own way to the pool.
struct PoolAccess {
  rte_mempool* pool = nullptr;
  rte_mempool_cache* cache = nullptr;
  std::uint64_t rearm = 0;  // data_off, refcnt, nb_segs, port as one word
};

inline constexpr std::uint32_t kRearmOffset = offsetof(rte_mbuf, data_off);
inline constexpr std::uint32_t kFieldsOffset = offsetof(rte_mbuf, packet_type);
static_assert(offsetof(rte_mbuf, ol_flags) == kRearmOffset + 8);
static_assert(offsetof(rte_mbuf, pkt_len) == kFieldsOffset + 4);
static_assert(offsetof(rte_mbuf, data_len) == kFieldsOffset + 8);
static_assert(offsetof(rte_mbuf, hash) == kFieldsOffset + 12);

// How well a real-time link kept its schedule. Window only.
struct Pacing {
  Ticks near_ticks = 0;      // set by control: what counts as "within"
  bool window_open = false;  // at the receiving lcores; no frame of the window leaves before
  LatencyTally late;         // delivery against the schedule
  std::uint64_t gaps = 0;
  std::uint64_t gaps_near = 0;  // of them, as long as the schedule's, within near_ticks
  Ticks last_due = kNever;
  Ticks last_out = 0;
};

inline namespace PM_ISA_LEVEL {

// An index that the other side of a queue wrote, and everything that it wrote before. On the wall
// clock driver and link run on two CPUs; in lockstep this is a plain load and a plain store.
[[gnu::always_inline]] inline std::uint32_t acquired(const std::uint32_t& index) noexcept {
  return __atomic_load_n(&index, __ATOMIC_ACQUIRE);
}
template <typename T>
[[gnu::always_inline]] inline void release(T& shared, T value) noexcept {
  __atomic_store_n(&shared, value, __ATOMIC_RELEASE);
}

// Sends the lines of [data, data + bytes) where frames lie when they arrive.
template <Placement kPlacement>
[[gnu::always_inline]] inline void place(const void* data, std::size_t bytes) noexcept {
  if constexpr (kPlacement != Placement::hot) {
    auto* const first = static_cast<char*>(const_cast<void*>(data));
    auto* at = first - (reinterpret_cast<std::uintptr_t>(data) & 63U);
    for (const char* const end = first + bytes; at < end; at += 64) {
      if constexpr (kPlacement == Placement::llc)
        asm volatile("cldemote %0" ::"m"(*at));
      else
        asm volatile("clflushopt %0" : "+m"(*at));
    }
  }
}

[[gnu::always_inline]] inline std::uint64_t flags_of(std::uint8_t verdict) noexcept {
  std::uint64_t flags = 0;
  if ((verdict & kIpv4Good) != 0) flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
  if ((verdict & kIpv4Bad) != 0) flags |= RTE_MBUF_F_RX_IP_CKSUM_BAD;
  if ((verdict & kL4Good) != 0) flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  if ((verdict & kL4Bad) != 0) flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD;
  return flags;
}

[[gnu::always_inline]] inline std::uint32_t packet_type_of(const FrameStack& stack) noexcept {
  return (stack.ip_at == kEthernetBytes               ? RTE_PTYPE_L2_ETHER
          : stack.ip_at == kEthernetBytes + kTagBytes ? RTE_PTYPE_L2_ETHER_VLAN
                                                      : RTE_PTYPE_L2_ETHER_QINQ) |
         (stack.ip == IpKind::ipv4 ? RTE_PTYPE_L3_IPV4 : RTE_PTYPE_L3_IPV6) |
         (stack.l4 == L4Kind::udp ? RTE_PTYPE_L4_UDP : RTE_PTYPE_L4_TCP);
}

// The stamp of a frame on the model.
[[gnu::always_inline]] inline Stamp stamp_of_frame(const FrameIdentity& frame) noexcept {
  return {kStampMagic, frame.epoch, static_cast<std::uint16_t>(frame.flow), frame.sequence,
          frame.stamp};
}

// A generated frame, as the link builds it.
[[gnu::always_inline]] inline void write_model_frame(const Traffic& traffic,
                                                     const FrameIdentity& frame,
                                                     std::uint8_t* data) noexcept {
  FrameShape shape = traffic.shapes[frame.position];
  const std::uint8_t* payload = traffic.payload;
  if (traffic.payload_of != nullptr) {
    const std::uint32_t turn = frame.sequence + frame.flow * kPayloadStep;
    const std::size_t number = traffic.payload_of[turn & traffic.payload_mask];
    shape.payload_sum = traffic.payload_sums[number * traffic.shape_count + frame.position];
    payload += number * traffic.payload_stride_bytes;
  }
  const Stamp stamp = stamp_of_frame(frame);
  if (traffic.tall == nullptr) [[likely]]
    build_frame(data, traffic.flows[frame.flow], shape, stamp, payload);
  else
    build_any_frame(data, traffic.stack, traffic.tall[frame.flow], shape, stamp, frame.tcp_sequence,
                    payload);
}

// Draws the events of the link, keeps those of its group's queues, fills descriptors.
template <Placement kPlacement, Origin kOrigin, Faults kFaults>
class ModelLink {
 public:
  void open(const LinkOrder& order) noexcept {
    order_ = order;
    tallies_ = LinkTallies{};
    window_seen_ = false;
    window_began_ = false;
    out_ = 0;
    wire_.open(*order.traffic, order.lanes, order.tcp_bytes);
    pull();
  }

  // Lockstep rule 3. Afterwards rx_burst sees every frame with arrival <= now.
  [[gnu::always_inline]] inline void deliver(Ticks now) noexcept {
    if (next_.arrival > now) return;
    do {
      arrive();
      pull();
    } while (next_.arrival <= now);
    for (std::uint32_t i = 0; i < order_.queue_count; ++i) show(*order_.queues[i]);
    if constexpr (kPlacement == Placement::memory) _mm_mfence();
  }

  // Wall clock: at most `most` frames that are due by v, stamped with `out` (TSC); returns how
  // many.
  [[gnu::always_inline]] inline std::uint32_t deliver_paced(Ticks v, Ticks out, std::uint32_t most,
                                                            Pacing& pacing) noexcept {
    if (next_.arrival > v || (in_window_ && !pacing.window_open)) return 0;
    out_ = out;
    std::uint32_t count = 0;
    do {
      if (in_window_) {
        record(pacing.late, v - next_.arrival);
        if (pacing.last_due != kNever) {
          const Ticks gap = out - pacing.last_out;
          const Ticks due = next_.arrival - pacing.last_due;
          ++pacing.gaps;
          pacing.gaps_near += (gap > due ? gap - due : due - gap) <= pacing.near_ticks ? 1 : 0;
        }
        pacing.last_due = next_.arrival;
        pacing.last_out = out;
        if (order_.sent_per_flow != nullptr) ++order_.sent_per_flow[next_.frame.flow];
      }
      arrive();
      pull();
    } while (++count < most && next_.arrival <= v && (pacing.window_open || !in_window_));
    keep_from_wrapping(pacing.late, count);
    for (std::uint32_t i = 0; i < order_.queue_count; ++i) show(*order_.queues[i]);
    if constexpr (kPlacement == Placement::memory) _mm_mfence();
    return count;
  }
  [[nodiscard]] bool next_is_of_window() const noexcept {
    return next_.arrival != kNever && in_window_;
  }
  // Frames of the window that found no descriptor so far.
  [[nodiscard]] std::uint64_t missed() const noexcept {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < order_.queue_count; ++i)
      sum += order_.queues[i]->missed + order_.queues[i]->no_mbuf;
    return sum;
  }
  // The rest of the schedule is not sent: taken out of what was offered. Returns its frames.
  std::uint64_t give_up_rest() noexcept {
    std::uint64_t frames = 0;
    for (; next_.arrival != kNever; pull()) {
      if (!in_window_) continue;
      ++frames;
      --tallies_.offered;
      tallies_.offered_bytes -= wire_bytes(next_.frame.position);
    }
    return frames;
  }

  // Arrival of the next frame for this group; kNever when there is none any more.
  [[nodiscard]] Ticks next_arrival() const noexcept { return next_.arrival; }
  [[nodiscard]] const LinkTallies& tallies() const noexcept { return tallies_; }
  [[nodiscard]] std::uint64_t unsent() const noexcept { return wire_.unsent(); }

 private:
  static constexpr bool kReplay = kOrigin == Origin::capture;
  static constexpr bool kFaulty = kFaults == Faults::planted;

  // To the next event that arrives at a queue of this group.
  void pull() noexcept {
    const Traffic& traffic = *order_.traffic;
    for (;;) {
      if (!wire_.template next<kFaulty>(next_)) {
        next_.arrival = kNever;
        return;
      }
      place_ = order_.place_of[kReplay ? next_.frame.position : next_.frame.flow];
      if (place_ == kElsewhere) continue;
      in_window_ = next_.frame.epoch == traffic.epoch;
      if (in_window_ && is_offered(next_.event)) {
        ++tallies_.offered;
        tallies_.offered_bytes += wire_bytes(next_.frame.position);
      }
      if constexpr (kFaulty) {
        if (next_.event == WireEvent::dropped) {
          if (in_window_) {
            ++tallies_.dropped;
            lost_at(next_.arrival);
          }
          continue;
        }
        if (next_.event == WireEvent::held) continue;
      }
      return;
    }
  }

  [[nodiscard]] std::uint32_t wire_bytes(std::uint32_t position) const noexcept {
    return kReplay ? order_.traffic->replay[position].data_bytes + 4
                   : order_.traffic->shapes[position].wire_bytes;
  }

  void lost_at(Ticks arrival) noexcept {
    if (arrival < tallies_.first_loss) tallies_.first_loss = arrival;
    if (arrival > tallies_.last_loss) tallies_.last_loss = arrival;
  }

  [[gnu::always_inline]] inline void arrive() noexcept {
    ModelQueue& queue = *order_.queues[place_];
    if constexpr (kFaulty) {
      if (in_window_ && !window_seen_) {
        window_seen_ = true;
        std::memset(order_.latest, 0, order_.flow_count * sizeof *order_.latest);
      }
    }
    const bool is_copy = kFaulty && next_.event == WireEvent::copy;
    if (in_window_ && !is_copy) ++queue.steered;
    if (queue.filled_to == queue.posted_seen) [[unlikely]] {
      queue.posted_seen = acquired(queue.posted_to);
      if (queue.filled_to == queue.posted_seen) {
        miss(queue);
        return;
      }
    }
    fill(queue);
    if (in_window_) {
      ++tallies_.delivered;
      window_began_ = true;
      if constexpr (kFaulty) follow(queue);
    }
  }

  void miss(ModelQueue& queue) noexcept {
    if (!in_window_) return;
    if constexpr (kFaulty) {
      if (next_.event == WireEvent::copy) {
        if (!original_missed_) ++queue.missed_copies;
        return;
      }
      original_missed_ = true;
      original_no_mbuf_ = queue.pool_empty;
    }
    const bool pool_empty = __atomic_load_n(&queue.pool_empty, __ATOMIC_RELAXED);
    ++(pool_empty ? queue.no_mbuf : queue.missed);
    lost_at(next_.arrival);
  }

  // The fates of a delivered frame that faults bear on.
  void follow(ModelQueue& queue) noexcept {
    switch (next_.event) {
      case WireEvent::copy:
        if (original_missed_)
          --(original_no_mbuf_ ? queue.no_mbuf : queue.missed);  // it came after all
        else
          ++tallies_.duplicated;
        return;
      case WireEvent::corrupt:
        ++tallies_.corrupted;
        if constexpr (kReplay) {
          const std::uint8_t verdict = order_.traffic->replay[next_.frame.position].flipped_verdict;
          if ((verdict & (kIpv4Bad | kL4Bad)) == 0) ++tallies_.undetectable;
        }
        if (!order_.corrupt_is_tracked) return;
        break;
      case WireEvent::reordered:
      case WireEvent::delayed: {
        const bool behind = order_.latest[next_.frame.flow] > next_.frame.sequence;
        if (next_.event == WireEvent::delayed) ++tallies_.delayed;
        if (behind) ++tallies_.overtaken;
        if (behind && next_.event == WireEvent::reordered) ++tallies_.reordered;
        break;
      }
      default:
        break;
    }
    original_missed_ = false;
    std::uint32_t& latest = order_.latest[next_.frame.flow];
    if (next_.frame.sequence + 1 > latest) latest = next_.frame.sequence + 1;
  }

  [[gnu::always_inline]] inline void fill(ModelQueue& queue) noexcept {
    const Traffic& traffic = *order_.traffic;
    const std::uint32_t slot = queue.filled_to & queue.mask;
    // Not a look into the mbuf: its line stays where the driver left it.
    auto* data = reinterpret_cast<std::uint8_t*>(queue.posted[slot]) + kPostedDataOffset;
    FrameIdentity identity = next_.frame;
    if (out_ != 0) identity.stamp = out_;
    Completion& completion = queue.completions[slot];
    std::uint8_t verdict;
    std::uint32_t data_bytes;
    std::uint32_t hash;
    if constexpr (kReplay) {
      const ReplayFrame& frame = traffic.replay[next_.frame.position];
      data_bytes = frame.data_bytes;
      std::memcpy(data, frame.data, data_bytes);
      queue.stamps[slot] = stamp_of_frame(identity);
      hash = frame.rss_hash;
      verdict = frame.verdict;
      if (kFaulty && next_.event == WireEvent::corrupt) {
        data[frame.flip_at] ^= 0x40;
        verdict = frame.flipped_verdict;
      }
      completion.packet_type = 0;
    } else {
      const Flow& flow = traffic.flows[next_.frame.flow];
      const FrameShape& shape = traffic.shapes[next_.frame.position];
      data_bytes = shape.data_bytes;
      write_model_frame(traffic, identity, data);
      hash = flow.rss_hash;
      verdict = kIpv4Good | kL4Good;
      if (kFaulty && next_.event == WireEvent::corrupt) {
        const std::uint64_t draw = drawn(traffic.seed, next_.frame.stamp);
        const std::uint32_t stamped = traffic.stack.least_bytes();
        const std::uint32_t behind = data_bytes - stamped;
        data[behind > 0 ? stamped + (draw >> 8) % behind : stamped - 1] ^=
            static_cast<std::uint8_t>(1U << (draw & 7));
        verdict = kIpv4Good | kL4Bad;
      }
      if (traffic.stack.ip == IpKind::ipv6)
        verdict = static_cast<std::uint8_t>(verdict & ~(kIpv4Good | kIpv4Bad));
      completion.packet_type = packet_type_of(traffic.stack);
    }
    completion.ol_flags =
        (order_.checksum ? flags_of(verdict) : 0) | (order_.rss_hash ? RTE_MBUF_F_RX_RSS_HASH : 0);
    completion.pkt_len = data_bytes;
    completion.data_len = static_cast<std::uint16_t>(data_bytes);
    completion.vlan_tci = 0;
    completion.rss_hash = order_.rss_hash ? hash : 0;
    place<kPlacement>(data, data_bytes);
    ++queue.filled_to;
  }

  // The filled descriptors become visible to rx_burst.
  void show(ModelQueue& queue) noexcept {
    if (queue.enqueued_to == queue.filled_to) return;
    if (window_began_) {
      const std::uint32_t occupied = queue.filled_to - acquired(queue.taken_to);
      if (occupied > queue.occupancy_max) queue.occupancy_max = occupied;
    }
    constexpr std::uint32_t kMostShown = 64;
    while (queue.enqueued_to != queue.filled_to) {
      const std::uint32_t slot = queue.enqueued_to & queue.mask;
      const std::uint32_t left = queue.filled_to - queue.enqueued_to;
      const std::uint32_t in_row = queue.mask + 1 - slot;
      std::uint32_t count = left < in_row ? left : in_row;
      if (count > kMostShown) count = kMostShown;
      // First the index, then the ring: who finds a frame in the ring finds the index raised. The
      // slots are read before: once the frames are in the ring, the driver may post anew.
      rte_mbuf* shown[kMostShown];
      // NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what is copied
      std::memcpy(shown, queue.posted + slot, count * sizeof *shown);
      place<kPlacement>(queue.completions + slot, count * sizeof(Completion));
      if constexpr (kReplay) place<kPlacement>(queue.stamps + slot, count * sizeof(Stamp));
      release(queue.enqueued_to, queue.enqueued_to + count);
      rte_ring_sp_enqueue_burst(queue.ring, reinterpret_cast<void**>(shown), count, nullptr);
    }
  }

  LinkOrder order_;
  Wire wire_;
  WireFrame next_;
  std::uint8_t place_ = 0;
  bool in_window_ = false;
  bool window_seen_ = false;
  bool window_began_ = false;  // a frame of it was delivered
  Ticks out_ = 0;              // wall clock: when the frames at hand leave
  bool original_missed_ = false;
  bool original_no_mbuf_ = false;
  LinkTallies tallies_;
};

// Driver side: allocates what is missing of N, rearms, posts. Takes what the pool has.
[[gnu::always_inline]] inline void post_free_descriptors(ModelQueue& queue,
                                                         const PoolAccess& access) noexcept {
  std::uint32_t missing = queue.descriptors - (queue.posted_to - queue.taken_to);
  std::uint32_t most = 64;
  while (missing > 0) {
    const std::uint32_t slot = queue.posted_to & queue.mask;
    const std::uint32_t in_row = queue.mask + 1 - slot;
    std::uint32_t count = missing < most ? missing : most;
    if (count > in_row) count = in_row;
    rte_mbuf** first = queue.posted + slot;
    if (rte_mempool_generic_get(access.pool, reinterpret_cast<void**>(first), count,
                                access.cache) != 0) [[unlikely]] {
      if (count == 1) {
        __atomic_store_n(&queue.pool_empty, true, __ATOMIC_RELAXED);
        return;
      }
      most = count / 2;
      continue;
    }
    taken_from(access.pool);
    for (std::uint32_t i = 0; i < count; ++i)
      std::memcpy(reinterpret_cast<std::uint8_t*>(first[i]) + kRearmOffset, &access.rearm, 8);
    release(queue.posted_to, queue.posted_to + count);
    missing -= count;
  }
  __atomic_store_n(&queue.pool_empty, false, __ATOMIC_RELAXED);
}

// The driver's receive: filled mbufs in order, completions read into them, as many posted anew.
// stamp_offset: of the mbuf's dynamic field that takes the stamp; unused without kDynamicStamp.
template <bool kDynamicStamp>
[[gnu::always_inline]] inline std::uint32_t receive_burst(ModelQueue& queue,
                                                          const PoolAccess& access,
                                                          std::uint32_t stamp_offset,
                                                          rte_mbuf** mbufs,
                                                          std::uint32_t most) noexcept {
  const std::uint32_t count =
      rte_eth_rx_burst(queue.port, queue.queue, mbufs, static_cast<std::uint16_t>(most));
  (void)acquired(queue.enqueued_to);  // what the link wrote before it
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t slot = (queue.taken_to + i) & queue.mask;
    const Completion& completion = queue.completions[slot];
    auto* bytes = reinterpret_cast<std::uint8_t*>(mbufs[i]);
    rte_prefetch0(bytes + kPostedDataOffset);
    std::memcpy(bytes + kRearmOffset + 8, &completion.ol_flags, 8);
    std::memcpy(bytes + kFieldsOffset, &completion.packet_type, 16);
    if constexpr (kDynamicStamp) std::memcpy(bytes + stamp_offset, &queue.stamps[slot], 16);
  }
  release(queue.taken_to, queue.taken_to + count);
  if (queue.posted_to - queue.taken_to != queue.descriptors) post_free_descriptors(queue, access);
  return count;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
