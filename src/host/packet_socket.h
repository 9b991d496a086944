// AF_PACKET sockets of this process that somebody else opened (DPDK's net_af_packet): found, read,
// and looked into, without their owner's help.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace pollmark {

// The ring as the kernel keeps it.
struct PacketRing {
  std::uint32_t block_bytes = 0;
  std::uint32_t blocks = 0;
  std::uint32_t frame_bytes = 0;  // slot, headers included
  std::uint32_t frames = 0;       // slots
};

struct PacketStatistics {
  std::uint64_t packets = 0;  // tp_packets: includes the drops
  std::uint64_t drops = 0;    // tp_drops: no free slot in the ring
};

// The descriptors of this process' AF_PACKET sockets with TPACKET_V2, as net_af_packet has them
// (the rings of our own are V3), that are bound to the device in that namespace, in ascending
// order: as they were opened, where nobody opened or closed others meanwhile. Not owned. Errors:
// host_cannot when there is none.
[[nodiscard]] Result<std::vector<int>> find_packet_sockets(int netns_fd, std::string_view netdev);

// PACKET_STATISTICS since the last reading: reading resets them.
[[nodiscard]] Result<PacketStatistics> take_packet_statistics(int fd);

// The receive ring of such a socket bound to the device, by sock_diag; the transmit ring is like
// it.
[[nodiscard]] Result<PacketRing> read_packet_ring(int netns_fd, std::string_view netdev);

// From now on the socket takes no frame at all. Errors: host_cannot with the kernel's reason.
[[nodiscard]] Result<void> take_no_frames(int fd);

// A second, read-only mapping of a TPACKET_V2 socket's rings.
class PacketRingView {
 public:
  // The socket must have a receive and a transmit ring of that shape, as net_af_packet makes them.
  [[nodiscard]] static Result<PacketRingView> map(int fd, const PacketRing& ring);
  PacketRingView(PacketRingView&& other) noexcept;
  PacketRingView& operator=(PacketRingView&& other) noexcept;
  ~PacketRingView();

  // Frames handed to the transmit ring that the kernel has not taken yet. O(frames).
  [[nodiscard]] std::int64_t unsent() const;
  // Frames in the receive ring that nobody has taken yet. O(frames).
  [[nodiscard]] std::int64_t unread() const;

 private:
  PacketRingView(void* memory, PacketRing ring) : memory_(memory), ring_(ring) {}
  [[nodiscard]] std::size_t ring_bytes() const;
  [[nodiscard]] std::int64_t frames_with(std::size_t ring_offset, std::uint32_t status_bits) const;

  void* memory_ = nullptr;
  PacketRing ring_;
};

// Asks the kernel to go on with what is in the transmit ring; does not wait.
void kick_transmit_ring(int fd);

}  // namespace pollmark
