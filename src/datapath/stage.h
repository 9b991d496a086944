// What a worker does with a frame once it has it.
#pragma once

#include <hs.h>

#include <cstdint>
#include <cstring>

#include "datapath/frame.h"
#include "datapath/isa_level.h"
#include "datapath/model_link.h"

namespace pollmark {

// What stage hyperscan needs; one per lcore, set by control.
struct PatternScan {
  const hs_database_t* database = nullptr;
  hs_scratch_t* scratch = nullptr;
};

// Part of a frame.
struct FrameBytes {
  const std::uint8_t* data = nullptr;
  std::uint32_t bytes = 0;
};

inline namespace PM_ISA_LEVEL {

// What lies behind TCP or UDP; behind IP for other protocols and fragments, behind Ethernet and up
// to two VLAN tags for other frames. Ethernet's padding is no part of an IP packet.
[[gnu::always_inline]] inline FrameBytes payload_of(const std::uint8_t* data,
                                                    std::uint32_t bytes) noexcept {
  std::uint32_t at = kEthernetBytes;
  if (bytes < at) return {data, 0};
  std::uint32_t ether_type = static_cast<std::uint32_t>(data[12]) << 8 | data[13];
  for (int tags = 0; tags < 2 && (ether_type == 0x8100 || ether_type == 0x88a8); ++tags) {
    if (bytes < at + 4) return {data, 0};
    at += 4;
    ether_type = static_cast<std::uint32_t>(data[at - 2]) << 8 | data[at - 1];
  }
  std::uint32_t protocol = 0;
  std::uint32_t end = bytes;
  if (ether_type == 0x0800 && bytes >= at + kIpv4Bytes) {
    const std::uint32_t total = static_cast<std::uint32_t>(data[at + 2]) << 8 | data[at + 3];
    if (at + total < end) end = at + total;
    const bool fragment = ((data[at + 6] & 0x3fU) | data[at + 7]) != 0;
    protocol = fragment ? 0 : data[at + 9];
    at += 4U * (data[at] & 15U);
  } else if (ether_type == 0x86dd && bytes >= at + 40) {
    const std::uint32_t length = static_cast<std::uint32_t>(data[at + 4]) << 8 | data[at + 5];
    protocol = data[at + 6];
    at += 40;
    if (at + length < end) end = at + length;
  }
  if (protocol == 17)
    at += kUdpBytes;
  else if (protocol == 6 && at + 13 <= end)
    at += 4U * (data[at + 12] >> 4);
  return {data + at, at < end ? end - at : 0};
}

inline int count_match(unsigned /*id*/, unsigned long long /*from*/, unsigned long long /*to*/,
                       unsigned /*flags*/, void* matches) noexcept {
  ++*static_cast<std::uint64_t*>(matches);
  return 0;
}

// Adds the matches of every expression. False: Hyperscan could not scan.
[[gnu::always_inline]] inline bool scanned(const PatternScan& scan, FrameBytes payload,
                                           std::uint64_t& matches) noexcept {
  return hs_scan(scan.database, reinterpret_cast<const char*>(payload.data), payload.bytes, 0,
                 scan.scratch, count_match, &matches) == HS_SUCCESS;
}

// Reads headers and payload, every byte; returns something that depends on all of them.
[[gnu::always_inline]] inline std::uint64_t touched(const std::uint8_t* data,
                                                    std::uint32_t bytes) noexcept {
  std::uint64_t sum = 0;
  if (bytes < 8) [[unlikely]] {
    std::memcpy(&sum, data, bytes);
    return sum;
  }
  const auto word_at = [data](std::uint32_t at) {
    std::uint64_t word;
    std::memcpy(&word, data + at, 8);
    return word;
  };
  for (std::uint32_t at = 0; at + 8 < bytes; at += 8) sum ^= word_at(at);
  return sum + word_at(bytes - 8);  // the last word overlaps the one before
}

inline std::uint32_t big_endian_16(const std::uint8_t* data) noexcept {
  return static_cast<std::uint32_t>(data[0]) << 8 | data[1];
}

// Verifies the IPv4 header checksum and the UDP or TCP checksum over the payload, behind up to two
// VLAN tags. Bits as in model_link.h; 0 for what has none (other protocols, fragments, UDP
// checksum 0 counts as good).
[[gnu::always_inline]] inline std::uint8_t verify_checksums(const std::uint8_t* data,
                                                            std::uint32_t bytes) noexcept {
  std::uint32_t at = kEthernetBytes;
  if (bytes < at) return 0;
  std::uint32_t ether_type = big_endian_16(data + 12);
  for (int tags = 0; tags < 2 && (ether_type == 0x8100 || ether_type == 0x88a8); ++tags) {
    at += 4;
    if (bytes < at) return 0;
    ether_type = big_endian_16(data + at - 2);
  }
  std::uint64_t pseudo = 0;
  std::uint32_t protocol;
  std::uint32_t l4_bytes;
  std::uint8_t verdict = 0;
  if (ether_type == 0x0800) {
    if (bytes < at + kIpv4Bytes) return 0;
    const std::uint32_t header = 4U * (data[at] & 15U);
    const std::uint32_t total = big_endian_16(data + at + 2);
    if (data[at] >> 4 != 4 || header < kIpv4Bytes || total < header || bytes < at + total)
      return kIpv4Bad;
    if (folded(sum_words(data + at, header)) != 0xffff) return kIpv4Bad;
    verdict = kIpv4Good;
    if ((big_endian_16(data + at + 6) & 0x3fffU) != 0) return verdict;  // a fragment
    protocol = data[at + 9];
    l4_bytes = total - header;
    pseudo = sum_words(data + at + 12, 8);
    at += header;
  } else if (ether_type == 0x86dd) {
    if (bytes < at + 40) return 0;
    protocol = data[at + 6];
    l4_bytes = big_endian_16(data + at + 4);
    pseudo = sum_words(data + at + 8, 32);
    at += 40;
    if (bytes < at + l4_bytes) return 0;
  } else {
    return 0;
  }
  if (protocol == 17) {
    if (l4_bytes < kUdpBytes) return verdict | kL4Bad;
    if (data[at + 6] == 0 && data[at + 7] == 0) return verdict | kL4Good;
  } else if (protocol == 6) {
    if (l4_bytes < 20) return verdict | kL4Bad;
  } else {
    return verdict;
  }
  // The pseudo header's protocol and length, in memory order.
  pseudo += protocol << 8;
  pseudo += (l4_bytes >> 8 & 0xffU) | (l4_bytes & 0xffU) << 8;
  const bool good = folded(pseudo + sum_words(data + at, l4_bytes)) == 0xffff;
  return static_cast<std::uint8_t>(verdict | (good ? kL4Good : kL4Bad));
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
