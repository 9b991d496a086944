// Receive-side scaling as a NIC does it: Toeplitz hash over chosen fields, low bits into a table of
// 128 queues.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "datapath/hot_level.h"

namespace pollmark {

inline constexpr std::size_t kRetaEntries = 128;
using Reta = std::array<std::uint8_t, kRetaEntries>;

// The 40-byte key of Microsoft's verification suite, the default of most drivers.
[[nodiscard]] const ToeplitzKey& microsoft_key();
// bytes: 40, as on the device.
[[nodiscard]] ToeplitzKey make_toeplitz_key(std::span<const std::uint8_t, 40> bytes);
// True when that compilation reproduces Microsoft's vectors (IPv4 and IPv6, with ports and
// without).
[[nodiscard]] bool hashes_as_verified(const HotLevel& level);

// Which packets are hashed over which fields.
struct RssFields {
  bool ipv4 = false;  // addresses only
  bool ipv4_tcp = false;
  bool ipv4_udp = false;
  bool ipv6 = false;
  bool ipv6_tcp = false;
  bool ipv6_udp = false;
};

// "ipv4", "ipv4-tcp", "ipv4-udp", "ipv6", "ipv6-tcp", "ipv6-udp"; an empty list hashes nothing.
//   Errors: bad_experiment naming what is allowed.
[[nodiscard]] Result<RssFields> parse_rss_fields(std::span<const std::string> names);

// The bytes to hash of one frame, in network order; length 0: not hashed, the first queue takes it.
struct RssTuple {
  std::array<std::uint8_t, 36> bytes{};
  std::uint32_t length = 0;
};
[[nodiscard]] RssTuple rss_tuple(std::span<const std::uint8_t> frame, const RssFields& fields);

// Hash of each tuple; 0 where length is 0.
[[nodiscard]] std::vector<std::uint32_t> rss_hashes(const HotLevel& level, const ToeplitzKey& key,
                                                    std::span<const RssTuple> tuples);

// 128 entries in proportion to the weights (largest remainders; every queue with a weight above
// zero gets one at least), spread as evenly as can be. Empty weights: all equal, entry i = i mod
// queues.
//   Errors: bad_experiment unless there is one weight per queue, none negative, one above zero.
[[nodiscard]] Result<Reta> make_reta(int queues, std::span<const int> weights);

}  // namespace pollmark
