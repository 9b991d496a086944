// Captures for tests: frames with right checksums, written as a classic pcap file that goes away
// with its owner.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace pollmark::support {

// RFC 1071 over bytes in network order.
inline std::uint16_t checksum_of(const std::uint8_t* data, std::size_t bytes,
                                 std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes; ++i)
    sum += i % 2 == 0 ? static_cast<std::uint32_t>(data[i]) << 8 : data[i];
  while (sum >> 16 != 0) sum = (sum & 0xffffU) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

// Ethernet, IPv4 and UDP (protocol 17) or TCP (6) with that many bytes of payload.
inline std::vector<std::uint8_t> ipv4_frame(std::uint8_t protocol, std::uint16_t source_port,
                                            std::size_t payload) {
  const std::size_t l4 = (protocol == 6 ? 20 : 8) + payload;
  std::vector<std::uint8_t> frame(34 + l4, 0x33);
  const auto put = [&](std::size_t at, std::size_t value) {
    frame[at] = static_cast<std::uint8_t>(value >> 8);
    frame[at + 1] = static_cast<std::uint8_t>(value);
  };
  put(12, 0x0800);
  frame[14] = 0x45;
  frame[15] = 0;
  put(16, 20 + l4);
  put(18, 0);
  put(20, 0);
  frame[22] = 64;
  frame[23] = protocol;
  put(24, 0);
  for (std::size_t i = 26; i < 34; ++i) frame[i] = static_cast<std::uint8_t>(i * 7);
  put(24, checksum_of(&frame[14], 20));
  put(34, source_port);
  put(36, 443);
  std::uint32_t pseudo = protocol + static_cast<std::uint32_t>(l4);
  for (std::size_t i = 26; i < 34; i += 2)
    pseudo += static_cast<std::uint32_t>(frame[i]) << 8 | frame[i + 1];
  const std::size_t sum_at = protocol == 6 ? 50 : 40;
  if (protocol == 6) {
    frame[46] = 0x50;
    frame[47] = 0x10;
  } else {
    put(38, l4);
  }
  put(sum_at, 0);
  put(sum_at, checksum_of(&frame[34], l4, pseudo));
  return frame;
}

// Alternating UDP and TCP of growing sizes, each with its own source port; every tenth is ARP-like
// (no IP) and shorter than the shortest frame.
inline std::vector<std::vector<std::uint8_t>> udp_and_tcp_frames(std::size_t count) {
  std::vector<std::vector<std::uint8_t>> frames;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 10 == 9) {
      frames.emplace_back(42, 0);
      frames.back()[12] = 8;
      frames.back()[13] = 6;
      continue;
    }
    frames.push_back(ipv4_frame(i % 2 == 0 ? 17 : 6, static_cast<std::uint16_t>(2000 + i % 17),
                                1 + 25 * i % 1400));
  }
  return frames;
}

class CaptureFile {
 public:
  // original_bytes: as the capture claims they were on the wire; 0: as long as they are.
  explicit CaptureFile(const std::vector<std::vector<std::uint8_t>>& frames,
                       std::uint32_t original_bytes = 0, std::uint32_t link_type = 1) {
    static std::atomic<int> made{0};
    path_ = std::filesystem::temp_directory_path() /
            ("pollmark-" + std::to_string(getpid()) + "-" + std::to_string(made++) + ".pcap");
    std::ofstream file(path_, std::ios::binary);
    const auto put = [&](std::uint32_t word) {
      file.write(reinterpret_cast<const char*>(&word), sizeof word);
    };
    put(0xa1b2c3d4U);
    put(4U << 16 | 2U);
    put(0);
    put(0);
    put(262144);
    put(link_type);
    std::uint32_t second = 1;
    for (const auto& frame : frames) {
      put(second++);
      put(0);
      put(static_cast<std::uint32_t>(frame.size()));
      put(original_bytes != 0 ? original_bytes : static_cast<std::uint32_t>(frame.size()));
      file.write(reinterpret_cast<const char*>(frame.data()),
                 static_cast<std::streamsize>(frame.size()));
    }
  }
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;
  ~CaptureFile() {
    std::error_code gone;
    std::filesystem::remove(path_, gone);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace pollmark::support
