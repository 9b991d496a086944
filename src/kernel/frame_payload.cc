#include "kernel/frame_payload.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>

namespace pollmark {
namespace {

constexpr std::size_t kTagBytes = 4;
constexpr std::size_t kIpv6HeaderBytes = 40;
constexpr std::size_t kUdpHeaderBytes = 8;
constexpr std::size_t kLeastTcpHeaderBytes = 20;

std::size_t network_16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::size_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::optional<std::span<const std::uint8_t>> behind_transport(
    std::uint8_t protocol, std::span<const std::uint8_t> segment) {
  if (protocol == IPPROTO_UDP) {
    if (segment.size() < kUdpHeaderBytes) return std::nullopt;
    return segment.subspan(kUdpHeaderBytes);
  }
  if (protocol != IPPROTO_TCP || segment.size() < kLeastTcpHeaderBytes) return std::nullopt;
  const std::size_t header_bytes = std::size_t{4} * (segment[12] >> 4);
  if (header_bytes < kLeastTcpHeaderBytes || header_bytes > segment.size()) return std::nullopt;
  return segment.subspan(header_bytes);
}

std::optional<std::span<const std::uint8_t>> behind_ipv4(std::span<const std::uint8_t> packet) {
  if (packet.size() < 20) return std::nullopt;
  const std::size_t header_bytes = std::size_t{4} * (packet[0] & 0x0FU);
  const std::size_t total_bytes = std::min(network_16(packet, 2), packet.size());
  const bool fragment = (network_16(packet, 6) & 0x3FFFU) != 0;  // more of it, or an offset
  if (fragment || header_bytes < 20 || header_bytes > total_bytes) return std::nullopt;
  return behind_transport(packet[9], packet.first(total_bytes).subspan(header_bytes));
}

std::optional<std::span<const std::uint8_t>> behind_ipv6(std::span<const std::uint8_t> packet) {
  if (packet.size() < kIpv6HeaderBytes) return std::nullopt;
  const auto payload = packet.subspan(kIpv6HeaderBytes);
  return behind_transport(packet[6],
                          payload.first(std::min(network_16(packet, 4), payload.size())));
}

}  // namespace

std::optional<std::span<const std::uint8_t>> frame_payload(
    std::span<const std::uint8_t> frame) noexcept {
  std::size_t at = 2 * ETH_ALEN;
  for (;;) {
    if (frame.size() < at + 2) return std::nullopt;
    const std::size_t type = network_16(frame, at);
    if (type != ETH_P_8021Q && type != ETH_P_8021AD) {
      const auto packet = frame.subspan(at + 2);
      if (type == ETH_P_IP) return behind_ipv4(packet);
      if (type == ETH_P_IPV6) return behind_ipv6(packet);
      return std::nullopt;
    }
    at += kTagBytes;
  }
}

}  // namespace pollmark
