// Where stage forward sends to on the model: a transmit queue whose frames leave on a line of their
// own at the rate of the link. As on a NIC, descriptors hold the mbufs until the frame is out, and
// the lcore takes them back the next time it sends; without a free descriptor a frame is refused.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <cstdint>

#include "datapath/clock.h"
#include "datapath/isa_level.h"
#include "datapath/model_link.h"

namespace pollmark {

// One per lcore that runs the stage. Indices run freely.
struct TxSink {
  // set by control
  rte_mbuf** held = nullptr;   // [mask + 1]
  Ticks* leaves_at = nullptr;  // [mask + 1]
  std::uint32_t mask = 0;
  double ticks_per_byte = 0.0;  // of the line
  // lcore: rw; control: after join
  std::uint32_t sent_to = 0;
  std::uint32_t free_to = 0;
  Ticks line_free_at = 0;
  double line_rest = 0.0;  // part of a tick beyond it, 0..1
};

inline constexpr std::uint32_t kWireOverhead = 24;  // preamble, gap and FCS

inline namespace PM_ISA_LEVEL {

// Gives back what has left by `now`.
[[gnu::always_inline]] inline void reclaim(TxSink& sink, const PoolAccess& access,
                                           Ticks now) noexcept {
  while (sink.free_to != sink.sent_to) {
    const std::uint32_t slot = sink.free_to & sink.mask;
    std::uint32_t count = 0;
    while (sink.free_to + count != sink.sent_to && slot + count <= sink.mask && count < 64 &&
           sink.leaves_at[slot + count] <= now)
      ++count;
    if (count == 0) return;
    giving_to(access.pool);
    rte_mempool_generic_put(access.pool, reinterpret_cast<void**>(sink.held + slot), count,
                            access.cache);
    sink.free_to += count;
  }
}

// Takes frames from the first on; returns how many. The rest stays the caller's.
[[gnu::always_inline]] inline std::uint32_t send_to(TxSink& sink, const PoolAccess& access,
                                                    rte_mbuf** mbufs, std::uint32_t count,
                                                    Ticks now) noexcept {
  reclaim(sink, access, now);
  const std::uint32_t free = sink.mask + 1 - (sink.sent_to - sink.free_to);
  const std::uint32_t accepted = count < free ? count : free;
  if (sink.line_free_at < now) {
    sink.line_free_at = now;
    sink.line_rest = 0.0;
  }
  for (std::uint32_t i = 0; i < accepted; ++i) {
    const std::uint32_t slot = sink.sent_to++ & sink.mask;
    sink.line_rest += sink.ticks_per_byte * static_cast<double>(mbufs[i]->pkt_len + kWireOverhead);
    const auto whole = static_cast<Ticks>(sink.line_rest);
    sink.line_free_at += whole;
    sink.line_rest -= static_cast<double>(whole);
    sink.held[slot] = mbufs[i];
    sink.leaves_at[slot] = sink.line_free_at;
  }
  return accepted;
}

// The frame goes back where it came from.
[[gnu::always_inline]] inline void swap_macs(std::uint8_t* data) noexcept {
  std::uint64_t low;
  std::uint32_t high;
  std::memcpy(&low, data, 8);
  std::memcpy(&high, data + 8, 4);
  // Destination is bytes 0..5, source 6..11.
  const std::uint64_t source = low >> 48 | std::uint64_t{high} << 16;
  const std::uint64_t destination = low & 0xffffffffffffU;
  low = source | destination << 48;
  high = static_cast<std::uint32_t>(destination >> 16);
  std::memcpy(data, &low, 8);
  std::memcpy(data + 8, &high, 4);
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
