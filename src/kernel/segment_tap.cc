#include "kernel/segment_tap.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <array>

#include "host/packet_socket.h"

namespace pollmark {
namespace {

// Slots of a length alone.
constexpr BlockRingShape kShape{
    .blocks = 16, .block_bytes = 1U << 20, .slot_bytes = 128, .hand_over_ms = 10};
constexpr int kLastLooks = 4;  // for blocks that were not handed over at the end

constexpr std::uint32_t kEtherTypeAt = 12;
constexpr std::uint32_t kIpAt = 14;

// Takes one byte of each TCP segment over IPv4 that has payload, in the direction of that packet
// type.
std::array<sock_filter, 17> payload_filter(std::uint32_t packet_type) {
  const auto step = [](int code, std::uint32_t k) {
    return sock_filter{static_cast<std::uint16_t>(code), 0, 0, k};
  };
  const auto only = [](std::uint32_t k, std::uint8_t to_the_end) {
    return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, to_the_end, k};
  };
  return {step(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)),
          only(packet_type, 14),
          step(BPF_LD | BPF_H | BPF_ABS, kEtherTypeAt),
          only(ETH_P_IP, 12),
          step(BPF_LD | BPF_B | BPF_ABS, kIpAt + 9),
          only(IPPROTO_TCP, 10),
          step(BPF_LDX | BPF_B | BPF_MSH, kIpAt),      // X: length of the IP header
          step(BPF_LD | BPF_B | BPF_IND, kIpAt + 12),  // data offset, in its upper half
          step(BPF_ALU | BPF_AND | BPF_K, 0xf0),
          step(BPF_ALU | BPF_RSH | BPF_K, 2),
          step(BPF_ALU | BPF_ADD | BPF_X, 0),
          step(BPF_MISC | BPF_TAX, 0),                // X: of both headers
          step(BPF_LD | BPF_H | BPF_ABS, kIpAt + 2),  // total length
          step(BPF_ALU | BPF_SUB | BPF_X, 0),
          sock_filter{BPF_JMP | BPF_JGT | BPF_K, 0, 1, 0},
          step(BPF_RET | BPF_K, 1),
          step(BPF_RET | BPF_K, 0)};
}

}  // namespace

SegmentTap::SegmentTap() : ring_(kShape) {}
SegmentTap::~SegmentTap() { close(); }

Result<void> SegmentTap::open(const NetdevPlace& place, Direction direction, int cpu) {
  PM_TRYV(ring_.open());
  auto filter = payload_filter(direction == Direction::leaving ? PACKET_OUTGOING : PACKET_HOST);
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  PM_TRYV(ring_.socket().set(SOL_SOCKET, SO_ATTACH_FILTER, program, "tap filter"));
  PM_TRYV(ring_.bind(place.netdev));
  return thread_.start(
      cpu, [] { return Result<void>(); }, [this] { read(); });
}

void SegmentTap::close() {
  if (!thread_.is_started()) return;
  ending_.store(true, std::memory_order_release);
  thread_.join();
  if (const auto statistics = take_packet_statistics(ring_.socket().fd()))
    untapped_ = static_cast<std::int64_t>(statistics->drops);
}

void SegmentTap::read() {
  for (int looks_left = kLastLooks; looks_left > 0;) {
    if (!ring_.has_waiting()) {
      if (ending_.load(std::memory_order_acquire)) --looks_left;
      if (!ring_.wait(static_cast<int>(kShape.hand_over_ms))) return;  // its device is gone
      continue;
    }
    for (const tpacket3_hdr& segment : ring_.next()) segment_bytes_.record(segment.tp_len);
    ring_.give_back();
  }
}

}  // namespace pollmark
