#include "rig/rss.h"

#include <fmt/format.h>
#include <rte_thash.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace pollmark {
namespace {

constexpr std::array<std::uint8_t, 40> kMicrosoftKeyBytes = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

// "Verifying the RSS Hash Calculation", Microsoft: source, destination, ports; hash over addresses,
// hash over addresses and ports.
struct VerifiedVector {
  std::array<std::uint8_t, 12> tuple;
  std::uint32_t addresses;
  std::uint32_t with_ports;
};
constexpr std::array<VerifiedVector, 5> kVerified = {{
    {{66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6}, 0x323e8fc2, 0x51ccc178},
    {{199, 92, 111, 2, 65, 69, 140, 83, 0x37, 0x96, 0x12, 0x83}, 0xd718262a, 0xc626b0ea},
    {{24, 19, 198, 95, 12, 22, 207, 184, 0x32, 0x62, 0x94, 0x88}, 0xd2d0a5de, 0x5c2b394a},
    {{38, 27, 205, 30, 209, 142, 163, 6, 0xbc, 0x64, 0x08, 0xa9}, 0x82989176, 0xafc7327f},
    {{153, 39, 163, 191, 202, 188, 127, 2, 0xac, 0xdb, 0x05, 0x17}, 0x5d1809c5, 0x10e828a2},
}};

constexpr std::uint32_t word_16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at]) << 8 | bytes[at + 1];
}

}  // namespace

ToeplitzKey make_toeplitz_key(std::span<const std::uint8_t, 40> bytes) {
  ToeplitzKey key;
  std::copy(bytes.begin(), bytes.end(), key.bytes);
  rte_thash_complete_matrix(key.matrices, bytes.data(), static_cast<int>(bytes.size()));
  // Bit n of a tuple contributes the 32 bits of the key from bit n on.
  const auto window = [&](std::size_t bit) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 5; ++i) word = word << 8 | bytes[bit / 8 + i];
    return static_cast<std::uint32_t>(word >> (8 - bit % 8));
  };
  for (std::size_t half = 0; half < std::size(key.halves); ++half)
    for (std::size_t value = 0; value < 16; ++value)
      for (std::size_t bit = 0; bit < 4; ++bit)
        if ((value & (8U >> bit)) != 0)
          key.halves[half][value] ^= window(std::size_t{4} * half + bit);
  return key;
}

const ToeplitzKey& microsoft_key() {
  static const ToeplitzKey key = make_toeplitz_key(kMicrosoftKeyBytes);
  return key;
}

bool hashes_as_verified(const HotLevel& level) {
  return std::all_of(kVerified.begin(), kVerified.end(), [&](const VerifiedVector& vector) {
    std::uint32_t addresses = 0;
    std::uint32_t with_ports = 0;
    level.hash_tuples(microsoft_key(), vector.tuple.data(), 12, 8, &addresses, 1);
    level.hash_tuples(microsoft_key(), vector.tuple.data(), 12, 12, &with_ports, 1);
    return addresses == vector.addresses && with_ports == vector.with_ports;
  });
}

Result<RssFields> parse_rss_fields(std::span<const std::string> names) {
  RssFields fields;
  for (const std::string& name : names) {
    if (name == "ipv4")
      fields.ipv4 = true;
    else if (name == "ipv4-tcp")
      fields.ipv4_tcp = true;
    else if (name == "ipv4-udp")
      fields.ipv4_udp = true;
    else if (name == "ipv6")
      fields.ipv6 = true;
    else if (name == "ipv6-tcp")
      fields.ipv6_tcp = true;
    else if (name == "ipv6-udp")
      fields.ipv6_udp = true;
    else
      return fail(
          Errc::bad_experiment,
          fmt::format("rss_fields: \"{}\" is none; allowed: ipv4, ipv4-tcp, ipv4-udp, ipv6, "
                      "ipv6-tcp, ipv6-udp",
                      name));
  }
  return fields;
}

RssTuple rss_tuple(std::span<const std::uint8_t> frame, const RssFields& fields) {
  RssTuple tuple;
  std::size_t at = 14;
  if (frame.size() < at) return tuple;
  std::uint32_t ether_type = word_16(frame, 12);
  for (int tags = 0; tags < 2 && (ether_type == 0x8100 || ether_type == 0x88a8); ++tags) {
    at += 4;
    if (frame.size() < at) return tuple;
    ether_type = word_16(frame, at - 2);
  }
  std::size_t addresses_at;
  std::uint32_t addresses;
  std::size_t l4_at;
  std::uint8_t protocol;
  bool by_addresses;
  bool by_tcp;
  bool by_udp;
  if (ether_type == 0x0800) {
    if (frame.size() < at + 20 || frame[at] >> 4 != 4) return tuple;
    addresses_at = at + 12;
    addresses = 8;
    l4_at = at + std::size_t{4} * (frame[at] & 15U);
    // A fragment's ports are not known.
    protocol = (word_16(frame, at + 6) & 0x3fffU) == 0 ? frame[at + 9] : 0;
    by_addresses = fields.ipv4;
    by_tcp = fields.ipv4_tcp;
    by_udp = fields.ipv4_udp;
  } else if (ether_type == 0x86dd) {
    if (frame.size() < at + 40) return tuple;
    addresses_at = at + 8;
    addresses = 32;
    l4_at = at + 40;
    protocol = frame[at + 6];
    by_addresses = fields.ipv6;
    by_tcp = fields.ipv6_tcp;
    by_udp = fields.ipv6_udp;
  } else {
    return tuple;
  }
  const bool with_ports =
      ((protocol == 17 && by_udp) || (protocol == 6 && by_tcp)) && frame.size() >= l4_at + 4;
  if (!with_ports && !by_addresses) return tuple;
  std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(addresses_at), addresses,
              tuple.bytes.begin());
  tuple.length = addresses;
  if (with_ports) {
    std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(l4_at), 4,
                tuple.bytes.begin() + addresses);
    tuple.length += 4;
  }
  return tuple;
}

std::vector<std::uint32_t> rss_hashes(const HotLevel& level, const ToeplitzKey& key,
                                      std::span<const RssTuple> tuples) {
  std::vector<std::uint32_t> hashes(tuples.size(), 0);
  for (std::size_t from = 0; from < tuples.size();) {
    // Runs of one length go in one call.
    std::size_t to = from + 1;
    while (to < tuples.size() && tuples[to].length == tuples[from].length) ++to;
    if (tuples[from].length > 0)
      level.hash_tuples(key, tuples[from].bytes.data(), sizeof(RssTuple), tuples[from].length,
                        &hashes[from], static_cast<std::uint32_t>(to - from));
    from = to;
  }
  return hashes;
}

Result<Reta> make_reta(int queues, std::span<const int> weights) {
  Reta reta{};
  if (queues < 1 || static_cast<std::size_t>(queues) > kRetaEntries)
    return fail(Errc::bad_experiment, fmt::format("reta: {} queues; allowed: 1 to 128", queues));
  if (weights.empty()) {
    for (std::size_t i = 0; i < kRetaEntries; ++i)
      reta[i] = static_cast<std::uint8_t>(i % static_cast<std::size_t>(queues));
    return reta;
  }
  const std::int64_t sum = std::accumulate(weights.begin(), weights.end(), std::int64_t{0});
  if (weights.size() != static_cast<std::size_t>(queues) || sum <= 0 ||
      std::any_of(weights.begin(), weights.end(), [](int weight) { return weight < 0; }))
    return fail(
        Errc::bad_experiment,
        fmt::format("reta: {} weights for {} queues; one for each, none negative, one above "
                    "zero at least",
                    weights.size(), queues));
  // Entry i goes to the queue that lags most behind its due share of the first i + 1 entries, so
  // that each queue ends within one entry of its share.
  std::vector<std::int64_t> given(weights.size(), 0);
  for (std::size_t i = 0; i < kRetaEntries; ++i) {
    std::size_t most = 0;
    std::int64_t most_lag = 0;
    bool found = false;
    for (std::size_t queue = 0; queue < weights.size(); ++queue) {
      if (weights[queue] == 0) continue;
      const std::int64_t lag =
          weights[queue] * static_cast<std::int64_t>(i + 1) - given[queue] * sum;
      if (!found || lag > most_lag) {
        most = queue;
        most_lag = lag;
        found = true;
      }
    }
    ++given[most];
    reta[i] = static_cast<std::uint8_t>(most);
  }
  // A weight too small for one entry still is above zero.
  for (std::size_t queue = 0; queue < weights.size(); ++queue) {
    if (weights[queue] == 0 || given[queue] > 0) continue;
    const auto richest =
        static_cast<std::size_t>(std::max_element(given.begin(), given.end()) - given.begin());
    const auto entry = std::find(reta.rbegin(), reta.rend(), static_cast<std::uint8_t>(richest));
    *entry = static_cast<std::uint8_t>(queue);
    --given[richest];
    ++given[queue];
  }
  return reta;
}

}  // namespace pollmark
