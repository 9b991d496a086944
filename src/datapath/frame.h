// The frames that pollmark sends: Ethernet, IPv4, UDP, and a 16-byte stamp at the start of the UDP
// payload. A 64-byte frame (60 without FCS) has exactly 18 bytes of payload.
#pragma once

#include <cstdint>
#include <cstring>

#include "datapath/clock.h"
#include "datapath/isa_level.h"

namespace pollmark {

inline constexpr std::uint32_t kEthernetBytes = 14;
inline constexpr std::uint32_t kIpv4Bytes = 20;
inline constexpr std::uint32_t kUdpBytes = 8;
inline constexpr std::uint32_t kHeaderBytes = kEthernetBytes + kIpv4Bytes + kUdpBytes;
inline constexpr std::uint32_t kTupleOffset = kEthernetBytes + 12;  // addresses, then ports
inline constexpr std::uint8_t kStampMagic = 0xB7;

// Little endian on the wire, as in memory.
struct Stamp {
  std::uint8_t magic;
  std::uint8_t epoch;
  std::uint16_t flow;
  std::uint32_t sequence;
  Ticks ticks;  // arrival of the last bit on the model, TSC at departure elsewhere
};
static_assert(sizeof(Stamp) == 16);

inline constexpr std::uint32_t kStampedBytes = kHeaderBytes + sizeof(Stamp);  // without FCS
static_assert(kStampedBytes <= 60);

// One 5-tuple, ready to send; made by the rig. Header fields that depend on the size are zero.
struct alignas(64) Flow {
  std::uint8_t header[kHeaderBytes];
  std::uint16_t queue;     // that RSS steers it to
  std::uint32_t rss_hash;  // 0 without RSS
  std::uint32_t ipv4_sum;  // of the IPv4 header's 16-bit words, in memory order
  std::uint32_t udp_sum;   // of pseudo header and ports
};
static_assert(sizeof(Flow) == 64);

// One size, ready to send; made by the rig.
struct FrameShape {
  std::uint32_t data_bytes = 0;   // without FCS
  std::uint32_t wire_bytes = 0;   // incl. FCS, without preamble and gap
  std::uint16_t ipv4_length = 0;  // network order
  std::uint16_t udp_length = 0;   // network order
  std::uint32_t payload_sum = 0;  // of the 16-bit words behind the stamp
};

inline namespace PM_ISA_LEVEL {

// RFC 1071, in memory order. `bytes` may be odd: the last byte is padded with zero.
[[gnu::always_inline]] inline std::uint64_t sum_words(const std::uint8_t* data,
                                                      std::uint32_t bytes) noexcept {
  std::uint64_t sum = 0;
  std::uint32_t at = 0;
  for (; at + 4 <= bytes; at += 4) {
    std::uint32_t word;
    std::memcpy(&word, data + at, 4);
    sum += word;
  }
  if (at < bytes) {
    std::uint32_t word = 0;
    std::memcpy(&word, data + at, bytes - at);
    sum += word;
  }
  return sum;
}

[[gnu::always_inline]] inline std::uint16_t folded(std::uint64_t sum) noexcept {
  sum = (sum & 0xffffffffU) + (sum >> 32);
  sum = (sum & 0xffffU) + (sum >> 16);
  sum = (sum & 0xffffU) + (sum >> 16);
  sum = (sum & 0xffffU) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

[[gnu::always_inline]] inline std::uint64_t sum_of(const Stamp& stamp) noexcept {
  std::uint64_t words[2];
  std::memcpy(words, &stamp, sizeof stamp);
  return (words[0] & 0xffffffffU) + (words[0] >> 32) + (words[1] & 0xffffffffU) + (words[1] >> 32);
}

// Writes the whole frame at `data` (which must hold data_bytes, and at least 64). `payload` is the
// pattern behind the stamp.
[[gnu::always_inline]] inline void build_frame(std::uint8_t* data, const Flow& flow,
                                               const FrameShape& shape, const Stamp& stamp,
                                               const std::uint8_t* payload) noexcept {
  std::memcpy(data, &flow, 64);
  std::memcpy(data + kHeaderBytes, &stamp, sizeof stamp);
  const std::uint32_t behind = shape.data_bytes - kStampedBytes;
  if (behind == 2)
    std::memcpy(data + kStampedBytes, payload, 2);
  else
    std::memcpy(data + kStampedBytes, payload, behind);
  const auto ipv4_checksum =
      static_cast<std::uint16_t>(~folded(std::uint64_t{flow.ipv4_sum} + shape.ipv4_length));
  auto udp_checksum = static_cast<std::uint16_t>(~folded(std::uint64_t{flow.udp_sum} +
                                                         std::uint64_t{2} * shape.udp_length +
                                                         shape.payload_sum + sum_of(stamp)));
  if (udp_checksum == 0) udp_checksum = 0xffff;  // zero means none
  std::memcpy(data + kEthernetBytes + 2, &shape.ipv4_length, 2);
  std::memcpy(data + kEthernetBytes + 10, &ipv4_checksum, 2);
  std::memcpy(data + kEthernetBytes + kIpv4Bytes + 4, &shape.udp_length, 2);
  std::memcpy(data + kEthernetBytes + kIpv4Bytes + 6, &udp_checksum, 2);
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
