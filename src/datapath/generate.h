// What a sending lcore does with one burst: takes mbufs, writes frames into them, stamps them,
// hands them to a port. Frame n of a phase is of flow n mod flow_count, carries sequence n /
// flow_count, and has shape n mod shape_count. Unsent frames are written anew next time, under
// their own numbers.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <cstdint>
#include <cstring>

#include "datapath/clock.h"
#include "datapath/frame.h"
#include "datapath/isa_level.h"
#include "datapath/model_link.h"

namespace pollmark {

// Where the bytes behind the stamp come from.
enum class PayloadFrom : std::uint8_t {
  mbuf,   // they lie in every mbuf of the pool already: nobody else writes there
  frame,  // copied into each frame
};
enum class Stamping : std::uint8_t { none, stamped };
enum class Sizes : std::uint8_t { one, several };

inline constexpr std::uint32_t kMostSent = 64;  // frames per burst

// The next frame.
struct GeneratorPosition {
  std::uint32_t flow = 0;
  std::uint32_t round = 0;  // of all flows: the sequence
  std::uint32_t shape = 0;
};

// The first 64 bytes of each frame of a flow: headers, the stamp's flow, the first bytes of the
// payload. Zero: the UDP checksum, and what else a stamp holds; where there are several shapes,
// both lengths and the IPv4 checksum, too.
struct alignas(64) FlowImage {
  std::uint8_t bytes[64];
};
// What an mbuf holds from its rearm word to its RSS hash.
struct alignas(32) MbufFields {
  std::uint64_t rearm;
  std::uint64_t ol_flags;
  std::uint32_t packet_type;
  std::uint32_t pkt_len;
  std::uint16_t data_len;
  std::uint16_t vlan_tci;
  std::uint32_t rss_hash;
};
static_assert(sizeof(MbufFields) == 32 && kFieldsOffset == kRearmOffset + 16);

// Flows and sizes, ready to be written burst by burst; made by the rig. All sums are folded words
// in memory order. Arrays over shapes repeat them to kMostSent beyond the last.
struct PreparedTraffic {
  const FlowImage* images = nullptr;         // [flow_count]
  const std::uint32_t* ipv4_sums = nullptr;  // [flow_count]; of the header without its length
  const std::uint32_t* udp_sums = nullptr;   // [flow_count]; of all but length, payload, stamp
  std::uint32_t flow_count = 1;
  const std::uint32_t* ipv4_lengths = nullptr;  // [shapes]; network order
  const std::uint32_t* udp_lengths = nullptr;   // [shapes]; network order
  const std::uint32_t* shape_sums = nullptr;    // [shapes]; UDP length twice, and the payload
  const MbufFields* fields = nullptr;           // [shapes]
  std::uint32_t shape_count = 1;
  const std::uint8_t* payload = nullptr;  // readable to 64 bytes beyond the longest
};

// written by: the sending lcore; set up by control before
struct alignas(64) GeneratorLcore {
  // set by control
  PoolAccess access;  // of mbufs with a head room of RTE_PKTMBUF_HEADROOM
  std::uint16_t port = 0;
  std::uint16_t queue = 0;
  std::uint8_t epoch = 0;
  PreparedTraffic traffic;
  // lcore: rw
  GeneratorPosition at;
};

// A capture that lies in mbufs, ready to send as it is: no byte is written, no mbuf allocated.
// Their pool does nothing but count what the driver frees (capture_pool.h), so that none is sent
// before it is back.
struct alignas(64) ReplayLcore {
  // set by control
  rte_mbuf** mbufs = nullptr;  // [count]
  std::uint32_t count = 0;
  std::uint16_t port = 0;
  std::uint16_t queue = 0;
  const std::uint64_t* freed = nullptr;  // by the driver, ever; drivers free in order
  // lcore: rw
  std::uint64_t sent = 0;  // ever
  std::uint32_t position = 0;
};

inline namespace PM_ISA_LEVEL {

// Sums below 2^20: two foldings do. The arithmetic inverse, as it stands in a header.
[[gnu::always_inline]] inline std::uint32_t inverse_of_small_sum(std::uint32_t sum) noexcept {
  sum = (sum & 0xffffU) + (sum >> 16);
  sum += sum >> 16;
  return ~sum & 0xffffU;
}

using FrameLine = std::uint64_t __attribute__((vector_size(64), may_alias));
using FieldLine = std::uint64_t __attribute__((vector_size(32), may_alias));

// 64 bytes at a time: both ends have room for it.
[[gnu::always_inline]] inline void copy_in_lines(std::uint8_t* to, const std::uint8_t* from,
                                                 std::uint32_t bytes) noexcept {
  for (std::uint32_t at = 0; at < bytes; at += 64) std::memcpy(to + at, from + at, 64);
}

// A run of frames of flows in a row: their stamps differ in nothing but the flow.
template <PayloadFrom kPayload, Stamping kStamping, Sizes kSizes>
[[gnu::always_inline]] inline void write_run(const PreparedTraffic& traffic,
                                             const GeneratorPosition& at, std::uint8_t epoch,
                                             rte_mbuf** mbufs, std::uint32_t count,
                                             Ticks now) noexcept {
  FrameLine common{};  // the stamp as it lies behind the headers, at byte 42
  std::uint32_t stamp_sum = 0;
  if constexpr (kStamping == Stamping::stamped) {
    const Stamp stamp{kStampMagic, epoch, 0, at.round, now};
    stamp_sum = folded(sum_of(stamp));
    common[5] = std::uint64_t{kStampMagic} << 16 | std::uint64_t{epoch} << 24 |
                std::uint64_t{at.round} << 48;
    common[6] = at.round >> 16 | now << 16;
    common[7] = now >> 48;
  }
  const std::uint32_t* ipv4_lengths = traffic.ipv4_lengths + at.shape;
  const std::uint32_t* udp_lengths = traffic.udp_lengths + at.shape;
  const std::uint32_t* shape_sums = traffic.shape_sums + at.shape;
  const std::uint32_t* ipv4_sums = traffic.ipv4_sums + at.flow;
  const std::uint32_t* udp_sums = traffic.udp_sums + at.flow;
  // In a loop of its own, which compilers turn into vectors.
  std::uint16_t ipv4_checksums[kMostSent];
  std::uint32_t udp_tails[kMostSent];  // length and checksum
  for (std::uint32_t i = 0; i < count; ++i) {
    if constexpr (kSizes == Sizes::several)
      ipv4_checksums[i] =
          static_cast<std::uint16_t>(inverse_of_small_sum(ipv4_sums[i] + ipv4_lengths[i]));
    const std::uint32_t inverse = inverse_of_small_sum(
        udp_sums[i] + (kSizes == Sizes::several ? shape_sums[i] : shape_sums[0]) + stamp_sum);
    udp_tails[i] = (kSizes == Sizes::several ? udp_lengths[i] : udp_lengths[0]) |
                   (inverse == 0 ? 0xffffU : inverse) << 16;  // zero means none
  }
  const FlowImage* images = traffic.images + at.flow;
  const MbufFields* fields = traffic.fields + at.shape;
  FieldLine of_shape;
  std::memcpy(&of_shape, fields, sizeof of_shape);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto* mbuf = reinterpret_cast<std::uint8_t*>(mbufs[i]);
    std::uint8_t* data = mbuf + kPostedDataOffset;
    FrameLine line;
    std::memcpy(&line, images + i, sizeof line);
    line |= common;
    std::memcpy(data, &line, sizeof line);
    if constexpr (kSizes == Sizes::several) {
      const auto ipv4_length = static_cast<std::uint16_t>(ipv4_lengths[i]);
      std::memcpy(data + kEthernetBytes + 2, &ipv4_length, 2);
      std::memcpy(data + kEthernetBytes + 10, &ipv4_checksums[i], 2);
      std::memcpy(&of_shape, fields + i, sizeof of_shape);
    }
    std::memcpy(data + kEthernetBytes + kIpv4Bytes + 4, &udp_tails[i], 4);
    std::memcpy(mbuf + kRearmOffset, &of_shape, sizeof of_shape);
    if constexpr (kPayload == PayloadFrom::frame)
      copy_in_lines(data + kStampedBytes, traffic.payload,
                    fields[kSizes == Sizes::several ? i : 0].data_len - kStampedBytes);
  }
}

// Writes the next `count` frames into raw mbufs of the pool and moves on behind them.
//   now  departure: one reading for the burst. Ahead of the true departure of its last frame by the
//        time that the burst takes to write.
template <PayloadFrom kPayload, Stamping kStamping>
[[gnu::always_inline]] inline void write_frames(GeneratorLcore& lcore, rte_mbuf** mbufs,
                                                std::uint32_t count, Ticks now) noexcept {
  GeneratorPosition at = lcore.at;
  for (std::uint32_t from = 0; from < count;) {
    const std::uint32_t left = lcore.traffic.flow_count - at.flow;
    const std::uint32_t run = count - from < left ? count - from : left;
    if (lcore.traffic.shape_count == 1)
      write_run<kPayload, kStamping, Sizes::one>(lcore.traffic, at, lcore.epoch, mbufs + from, run,
                                                 now);
    else
      write_run<kPayload, kStamping, Sizes::several>(lcore.traffic, at, lcore.epoch, mbufs + from,
                                                     run, now);
    from += run;
    at.flow += run;
    if (at.flow == lcore.traffic.flow_count) {
      at.flow = 0;
      ++at.round;
    }
    at.shape += run;
    if (at.shape >= lcore.traffic.shape_count) at.shape %= lcore.traffic.shape_count;
  }
  lcore.at = at;
}

// `by` frames on.
[[gnu::always_inline]] inline void move_on(GeneratorLcore& lcore, std::uint32_t by) noexcept {
  const std::uint64_t flow = std::uint64_t{lcore.at.flow} + by;
  lcore.at.round += static_cast<std::uint32_t>(flow / lcore.traffic.flow_count);
  lcore.at.flow = static_cast<std::uint32_t>(flow % lcore.traffic.flow_count);
  lcore.at.shape =
      static_cast<std::uint32_t>((std::uint64_t{lcore.at.shape} + by) % lcore.traffic.shape_count);
}

// Raw mbufs; false when the pool has fewer.
[[gnu::always_inline]] inline bool take_mbufs(const PoolAccess& access, rte_mbuf** mbufs,
                                              std::uint32_t count) noexcept {
  return rte_mempool_generic_get(access.pool, reinterpret_cast<void**>(mbufs), count,
                                 access.cache) == 0;
}

// What the port did not take goes back to the pool, untouched by anybody.
[[gnu::always_inline]] inline std::uint32_t send_mbufs(const PoolAccess& access, std::uint16_t port,
                                                       std::uint16_t queue, rte_mbuf** mbufs,
                                                       std::uint32_t count) noexcept {
  const std::uint32_t sent =
      rte_eth_tx_burst(port, queue, mbufs, static_cast<std::uint16_t>(count));
  if (sent < count) [[unlikely]]
    rte_mempool_generic_put(access.pool, reinterpret_cast<void**>(mbufs + sent), count - sent,
                            access.cache);
  return sent;
}

// Sends the next `count` frames (at most kMostSent); returns how many the port took. 0, too, when
// the pool is empty.
template <PayloadFrom kPayload, Stamping kStamping>
[[gnu::always_inline]] inline std::uint32_t send_burst(GeneratorLcore& lcore, std::uint32_t count,
                                                       Ticks now) noexcept {
  rte_mbuf* mbufs[kMostSent];
  if (!take_mbufs(lcore.access, mbufs, count)) [[unlikely]]
    return 0;
  const GeneratorPosition before = lcore.at;
  write_frames<kPayload, kStamping>(lcore, mbufs, count, now);
  const std::uint32_t sent = send_mbufs(lcore.access, lcore.port, lcore.queue, mbufs, count);
  if (sent < count) [[unlikely]] {
    lcore.at = before;
    move_on(lcore, sent);
  }
  return sent;
}

// Sends up to `count` frames of the capture as they are, in order; returns how many the port took.
// The end of the capture ends a burst.
[[gnu::always_inline]] inline std::uint32_t replay_burst(ReplayLcore& lcore,
                                                         std::uint32_t count) noexcept {
  const std::uint64_t back = lcore.count - (lcore.sent - *lcore.freed);
  const std::uint32_t left = lcore.count - lcore.position;
  if (left < count) count = left;
  if (back < count) count = static_cast<std::uint32_t>(back);
  const std::uint32_t sent = rte_eth_tx_burst(lcore.port, lcore.queue, lcore.mbufs + lcore.position,
                                              static_cast<std::uint16_t>(count));
  lcore.sent += sent;
  lcore.position += sent;
  if (lcore.position == lcore.count) lcore.position = 0;
  return sent;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
