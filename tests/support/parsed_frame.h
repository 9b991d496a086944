// A frame taken apart byte by byte, by none of the code that made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "support/capture_file.h"

namespace pollmark::support {

struct ParsedFrame {
  bool sound = false;  // every length fits, every checksum is right
  std::string dst_mac;
  std::string src_mac;
  std::vector<int> tag_types;
  std::vector<int> tags;
  int ip_version = 0;
  int ttl = 0;
  int dscp = 0;
  int protocol = 0;
  std::string src_ip;  // raw bytes
  std::string dst_ip;
  int src_port = 0;
  int dst_port = 0;
  int tcp_flags = 0;
  std::uint32_t tcp_sequence = 0;
  std::uint32_t tcp_ack = 0;
  std::size_t payload_at = 0;
  [[nodiscard]] std::string tuple() const {
    return src_ip + dst_ip + std::to_string(src_port) + ":" + std::to_string(dst_port);
  }
};

inline ParsedFrame parse_frame(const std::uint8_t* data, std::size_t bytes) {
  ParsedFrame parsed;
  const auto word = [&](std::size_t at) { return data[at] << 8 | data[at + 1]; };
  const auto long_word = [&](std::size_t at) {
    return static_cast<std::uint32_t>(word(at)) << 16 | static_cast<std::uint32_t>(word(at + 2));
  };
  const auto text = [&](std::size_t at, std::size_t count) {
    return std::string(data + at, data + at + count);
  };
  parsed.dst_mac = text(0, 6);
  parsed.src_mac = text(6, 6);
  std::size_t at = 12;
  while (word(at) == 0x8100 || word(at) == 0x88a8) {
    parsed.tag_types.push_back(word(at));
    parsed.tags.push_back(word(at + 2) & 0xfff);
    at += 4;
  }
  const int ether_type = word(at);
  at += 2;
  std::uint32_t pseudo = 0;
  std::size_t l4_bytes = 0;
  bool ip_good = false;
  if (ether_type == 0x0800) {
    parsed.ip_version = data[at] >> 4;
    parsed.dscp = data[at + 1] >> 2;
    parsed.ttl = data[at + 8];
    parsed.protocol = data[at + 9];
    parsed.src_ip = text(at + 12, 4);
    parsed.dst_ip = text(at + 16, 4);
    ip_good = data[at] == 0x45 && checksum_of(data + at, 20) == 0 &&
              static_cast<std::size_t>(word(at + 2)) == bytes - at;
    l4_bytes = static_cast<std::size_t>(word(at + 2)) - 20;
    for (std::size_t i = 12; i < 20; i += 2) pseudo += static_cast<std::uint32_t>(word(at + i));
    at += 20;
  } else if (ether_type == 0x86dd) {
    parsed.ip_version = data[at] >> 4;
    parsed.dscp = (word(at) >> 4 & 0xff) >> 2;
    parsed.protocol = data[at + 6];
    parsed.ttl = data[at + 7];
    parsed.src_ip = text(at + 8, 16);
    parsed.dst_ip = text(at + 24, 16);
    l4_bytes = static_cast<std::size_t>(word(at + 4));
    ip_good = l4_bytes == bytes - at - 40;
    for (std::size_t i = 8; i < 40; i += 2) pseudo += static_cast<std::uint32_t>(word(at + i));
    at += 40;
  } else {
    return parsed;
  }
  if (!ip_good) return parsed;
  pseudo += static_cast<std::uint32_t>(parsed.protocol) + static_cast<std::uint32_t>(l4_bytes);
  parsed.src_port = word(at);
  parsed.dst_port = word(at + 2);
  bool l4_good = checksum_of(data + at, l4_bytes, pseudo) == 0;
  if (parsed.protocol == 17) {
    l4_good = l4_good && static_cast<std::size_t>(word(at + 4)) == l4_bytes && word(at + 6) != 0;
    parsed.payload_at = at + 8;
  } else {
    l4_good = l4_good && parsed.protocol == 6 && data[at + 12] == 0x50;
    parsed.tcp_sequence = long_word(at + 4);
    parsed.tcp_ack = long_word(at + 8);
    parsed.tcp_flags = data[at + 13];
    parsed.payload_at = at + 20;
  }
  parsed.sound = l4_good;
  return parsed;
}

}  // namespace pollmark::support
