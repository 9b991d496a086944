// Blocks of a pcapng file (draft-ietf-opsawg-pcapng), as bytes in this machine's order: a section
// header, one interface description, enhanced packets, one interface statistics block. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pollmark::pcapng {

// Texts are UTF-8; one beyond 65535 bytes is cut there. Empty: the option is left out.
[[nodiscard]] std::string section_header(std::string_view application, std::string_view comment);

struct Interface {
  std::string_view name;  // "a0"
  std::string_view description;
  std::string_view filter;          // pcap-filter(7) expression
  std::uint32_t snaplen_bytes = 0;  // 0: no limit
};
// An Ethernet interface whose times are in ns; the section's next, from 0.
[[nodiscard]] std::string interface_description(const Interface& interface);

enum class Passage : std::uint8_t { unknown = 0, arriving = 1, leaving = 2 };
enum class Reception : std::uint8_t {
  unknown = 0,
  unicast = 1,
  multicast = 2,
  broadcast = 3,
  promiscuous = 4
};

struct Packet {
  std::int64_t time_ns = 0;          // since the epoch
  std::uint32_t original_bytes = 0;  // on the wire, without FCS
  Passage passage = Passage::unknown;
  Reception reception = Reception::unknown;
  std::optional<std::uint64_t> lost_before;  // between the packet before and this one
};
// Of interface 0. Appended to out: 44 bytes, 12 more with lost_before, and what was captured, to a
// multiple of 4.
void append_packet(std::string& out, const Packet& packet, std::span<const std::uint8_t> captured);

struct Statistics {
  std::int64_t start_ns = 0;  // since the epoch, as the next
  std::int64_t end_ns = 0;
  std::uint64_t dropped_pkts = 0;    // isb_ifdrop: for want of room
  std::uint64_t accepted_pkts = 0;   // isb_filteraccept: passed the filter, dropped or not
  std::uint64_t delivered_pkts = 0;  // isb_usrdeliv: that are in the file
  std::string_view comment;
};
// Of interface 0.
[[nodiscard]] std::string interface_statistics(const Statistics& statistics);

}  // namespace pollmark::pcapng
