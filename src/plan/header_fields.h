// Header fields of generated frames: how a field's values are written, and which value each flow
// gets.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "record/trial_order.h"

namespace pollmark {

// Named as the keys of [traffic].
enum class HeaderField : std::uint8_t {
  src_mac,
  dst_mac,
  qinq,
  vlan,
  src_ip,
  dst_ip,
  src_port,
  dst_port,
  ttl,
  dscp,
};
inline constexpr std::array kHeaderFields = {
    HeaderField::src_mac, HeaderField::dst_mac, HeaderField::qinq,     HeaderField::vlan,
    HeaderField::src_ip,  HeaderField::dst_ip,  HeaderField::src_port, HeaderField::dst_port,
    HeaderField::ttl,     HeaderField::dscp};
[[nodiscard]] std::string_view name_of(HeaderField field);
// The text of that field in the order.
[[nodiscard]] const std::string& text_of(HeaderField field, const TrafficOrder& traffic);
[[nodiscard]] std::string& text_of(HeaderField field, TrafficOrder& traffic);
// What may be written, for "allowed: ...".
[[nodiscard]] std::string allowed_values(HeaderField field, int ip_version);

// A MAC or IP address or a number, as a number.
__extension__ typedef unsigned __int128 FieldValue;

struct FieldValues {
  enum class Kind : std::uint8_t { range, list, random };
  Kind kind = Kind::range;
  FieldValue first = 0;  // of range and random, ...
  FieldValue last = 0;   // ... inclusive
  std::vector<FieldValue> list;
  [[nodiscard]] FieldValue count() const {
    return kind == Kind::list ? list.size() : last - first + 1;
  }
  // place: below count().
  [[nodiscard]] FieldValue at(FieldValue place) const {
    return kind == Kind::list ? list[static_cast<std::size_t>(place)] : first + place;
  }
};

// One value ("198.18.0.1"), a range ("1024 to 2047"), a prefix ("198.18.0.0/16"), a list
// ("1, 2, 3"), or "random" before a range, a prefix or nothing (everything that the field can
// hold; addresses: all that need no permission).
//   Errors: bad_experiment, "what; allowed: ..."
[[nodiscard]] Result<FieldValues> parse_field_values(HeaderField field, std::string_view text,
                                                     int ip_version);

// What the field holds where nothing is said. Empty: the port itself decides (veth: addresses of
// the other end), or the field is absent (tags).
[[nodiscard]] std::string_view default_values(HeaderField field, int ip_version, Path path);

// Addresses for benchmarks: 198.18.0.0/15 (RFC 2544) and 2001:2::/48 (RFC 5180). Every address of
// the values lies in there or in a permitted prefix.
//   permitted  "10.0.0.0/8", of either version
[[nodiscard]] Result<void> check_addresses(const FieldValues& values, int ip_version,
                                           const std::vector<std::string>& permitted);
// Errors: bad_experiment for what is no prefix.
[[nodiscard]] Result<void> check_prefix(std::string_view text);

// Distinct 5-tuples that the order's fields can form; at most 2^64 - 1.
//   Errors: those of parse_field_values.
[[nodiscard]] Result<std::uint64_t> most_flows(const TrafficOrder& traffic, Path path);

// Bytes of the headers, from the destination address to the end of UDP or TCP.
[[nodiscard]] int header_bytes(const TrafficOrder& traffic);
// 16, or 12 where the smallest frame has no room for it (methods: the short stamp).
//   Errors: bad_experiment when the smallest frame has no room for that either.
[[nodiscard]] Result<int> stamp_bytes(const TrafficOrder& traffic);

// Bits of the TCP header's flags: "syn", "ack+psh". Errors: bad_experiment.
[[nodiscard]] Result<std::uint8_t> parse_tcp_flags(std::string_view text);

}  // namespace pollmark
