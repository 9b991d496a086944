// Frames with other headers than Ethernet, IPv4 and UDP: tags, IPv6, TCP, and the short stamp of
// frames too small for the long one. Where the parts lie is decided once for a trial.
#pragma once

#include <cstdint>
#include <cstring>

#include "datapath/frame.h"
#include "datapath/isa_level.h"

namespace pollmark {

inline constexpr std::uint32_t kTagBytes = 4;
inline constexpr std::uint32_t kIpv6Bytes = 40;
inline constexpr std::uint32_t kTcpBytes = 20;
inline constexpr std::uint32_t kShortStampBytes = 12;
inline constexpr std::uint32_t kShortStampShift = 3;  // ticks are kept in units of 8

enum class IpKind : std::uint8_t { ipv4, ipv6 };
enum class L4Kind : std::uint8_t { udp, tcp };
// full: as Stamp. brief: its first 8 bytes, then 32 bits of ticks >> 3 (they wrap every 13 s at
// 2.6 GHz).
enum class StampKind : std::uint8_t { full, brief };

// Offsets of one trial's frames, from the destination address on.
struct FrameStack {
  IpKind ip = IpKind::ipv4;
  L4Kind l4 = L4Kind::udp;
  StampKind stamp = StampKind::full;
  std::uint32_t ip_at = kEthernetBytes;
  std::uint32_t l4_at = kEthernetBytes + kIpv4Bytes;
  std::uint32_t stamp_at = kHeaderBytes;
  [[nodiscard]] constexpr std::uint32_t stamp_bytes() const {
    return stamp == StampKind::full ? std::uint32_t{sizeof(Stamp)} : kShortStampBytes;
  }
  // Headers and stamp: no frame is shorter, FCS apart.
  [[nodiscard]] constexpr std::uint32_t least_bytes() const { return stamp_at + stamp_bytes(); }
  // Where the IP header says how long it is, and what that leaves out of the frame.
  [[nodiscard]] constexpr std::uint32_t length_at() const {
    return ip_at + (ip == IpKind::ipv4 ? 2U : 4U);
  }
  [[nodiscard]] constexpr std::uint32_t length_omits() const {
    return ip == IpKind::ipv4 ? ip_at : ip_at + kIpv6Bytes;
  }
  [[nodiscard]] constexpr std::uint32_t addresses_at() const {
    return ip_at + (ip == IpKind::ipv4 ? 12U : 8U);
  }
  // Ethernet, IPv4, UDP and the full stamp: what build_frame builds.
  [[nodiscard]] constexpr bool is_plain() const {
    return ip == IpKind::ipv4 && l4 == L4Kind::udp && stamp == StampKind::full &&
           ip_at == kEthernetBytes;
  }
};

// tags: 0 to 2.
[[nodiscard]] constexpr FrameStack make_stack(std::uint32_t tags, IpKind ip, L4Kind l4,
                                              StampKind stamp) {
  FrameStack stack;
  stack.ip = ip;
  stack.l4 = l4;
  stack.stamp = stamp;
  stack.ip_at = kEthernetBytes + tags * kTagBytes;
  stack.l4_at = stack.ip_at + (ip == IpKind::ipv4 ? kIpv4Bytes : kIpv6Bytes);
  stack.stamp_at = stack.l4_at + (l4 == L4Kind::udp ? kUdpBytes : kTcpBytes);
  return stack;
}

inline constexpr std::uint32_t kTallHeaderBytes =
    kEthernetBytes + 2 * kTagBytes + kIpv6Bytes + kTcpBytes;
inline constexpr std::uint32_t kTallCopyBytes = 96;
static_assert(kTallHeaderBytes <= kTallCopyBytes);

// Headers of one flow, ready to send; made by the rig. Fields that depend on the frame are zero.
struct alignas(64) TallHeader {
  std::uint8_t bytes[kTallCopyBytes];
  std::uint32_t ip_sum;          // of the IPv4 header's 16-bit words, in memory order; 0 for IPv6
  std::uint32_t l4_sum;          // of pseudo header and L4 header
  std::uint32_t first_sequence;  // TCP
};
static_assert(sizeof(TallHeader) == 128);

inline namespace PM_ISA_LEVEL {

// The words of a stamp as it stands in the frame, for the checksum.
template <StampKind kStamp>
[[gnu::always_inline]] inline std::uint64_t put_stamp(std::uint8_t* data,
                                                      const Stamp& stamp) noexcept {
  if constexpr (kStamp == StampKind::full) {
    std::memcpy(data, &stamp, sizeof stamp);
    return sum_of(stamp);
  } else {
    std::uint64_t first;
    std::memcpy(&first, &stamp, 8);
    const auto ticks = static_cast<std::uint32_t>(stamp.ticks >> kShortStampShift);
    std::memcpy(data, &first, 8);
    std::memcpy(data + 8, &ticks, 4);
    return (first & 0xffffffffU) + (first >> 32) + ticks;
  }
}

// Writes shape.data_bytes, and at most kTallCopyBytes in all where the frame is shorter.
// shape.ipv4_length: what the IP header's length field holds; shape.udp_length: bytes from the L4
// header on. tcp_sequence: payload bytes of its flow before this frame.
template <IpKind kIp, L4Kind kL4, StampKind kStamp>
[[gnu::always_inline]] inline void build_tall_frame(std::uint8_t* data, const FrameStack& stack,
                                                    const TallHeader& header,
                                                    const FrameShape& shape, const Stamp& stamp,
                                                    std::uint32_t tcp_sequence,
                                                    const std::uint8_t* payload) noexcept {
  std::memcpy(data, header.bytes, kTallCopyBytes);
  std::uint64_t sum = std::uint64_t{header.l4_sum} + shape.payload_sum +
                      put_stamp<kStamp>(data + stack.stamp_at, stamp);
  constexpr std::uint32_t kStampBytes =
      kStamp == StampKind::full ? std::uint32_t{sizeof(Stamp)} : kShortStampBytes;
  std::memcpy(data + stack.stamp_at + kStampBytes, payload,
              shape.data_bytes - stack.stamp_at - kStampBytes);
  std::memcpy(data + stack.length_at(), &shape.ipv4_length, 2);
  if constexpr (kIp == IpKind::ipv4) {
    const auto checksum =
        static_cast<std::uint16_t>(~folded(std::uint64_t{header.ip_sum} + shape.ipv4_length));
    std::memcpy(data + stack.ip_at + 10, &checksum, 2);
  }
  std::uint32_t checksum_at = stack.l4_at + 6;
  if constexpr (kL4 == L4Kind::udp) {
    sum += std::uint64_t{2} * shape.udp_length;
    std::memcpy(data + stack.l4_at + 4, &shape.udp_length, 2);
  } else {
    const std::uint32_t sequence = __builtin_bswap32(header.first_sequence + tcp_sequence);
    std::memcpy(data + stack.l4_at + 4, &sequence, 4);
    sum += std::uint64_t{shape.udp_length} + sequence;
    checksum_at = stack.l4_at + 16;
  }
  auto checksum = static_cast<std::uint16_t>(~folded(sum));
  if (kL4 == L4Kind::udp && checksum == 0) checksum = 0xffff;  // zero means none
  std::memcpy(data + checksum_at, &checksum, 2);
}

// Any of them; the branches are the same for every frame of a trial.
inline void build_any_frame(std::uint8_t* data, const FrameStack& stack, const TallHeader& header,
                            const FrameShape& shape, const Stamp& stamp, std::uint32_t tcp_sequence,
                            const std::uint8_t* payload) noexcept {
  const auto with = [&]<IpKind kIp, L4Kind kL4>() {
    if (stack.stamp == StampKind::full)
      build_tall_frame<kIp, kL4, StampKind::full>(data, stack, header, shape, stamp, tcp_sequence,
                                                  payload);
    else
      build_tall_frame<kIp, kL4, StampKind::brief>(data, stack, header, shape, stamp, tcp_sequence,
                                                   payload);
  };
  if (stack.ip == IpKind::ipv4)
    stack.l4 == L4Kind::udp ? with.template operator()<IpKind::ipv4, L4Kind::udp>()
                            : with.template operator()<IpKind::ipv4, L4Kind::tcp>();
  else
    stack.l4 == L4Kind::udp ? with.template operator()<IpKind::ipv6, L4Kind::udp>()
                            : with.template operator()<IpKind::ipv6, L4Kind::tcp>();
}

// The stamp in a frame that came at `now`: the brief one's ticks are the last that fit before it.
template <StampKind kStamp>
[[gnu::always_inline]] inline Stamp read_stamp(const std::uint8_t* data, Ticks now) noexcept {
  Stamp stamp;
  if constexpr (kStamp == StampKind::full) {
    std::memcpy(&stamp, data, sizeof stamp);
  } else {
    std::uint32_t ticks;
    std::memcpy(&stamp, data, 8);
    std::memcpy(&ticks, data + 8, 4);
    const auto age = static_cast<std::uint32_t>(now >> kShortStampShift) - ticks;
    stamp.ticks = ((now >> kShortStampShift) - age) << kShortStampShift;
  }
  return stamp;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
