// What sockets dropped, by sock_diag: of every UDP socket, TCP listener and AF_PACKET socket of a
// namespace, whoever owns it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace pollmark {

enum class SocketKind { udp, tcp_listener, packet };

struct SocketDrops {
  std::string address;  // "198.18.0.1:9000", "[::]:53"; of a packet socket its device, "any" or one
  std::uint32_t inode = 0;  // tells sockets on one address apart; /proc/PID/fd names it
  std::uint32_t drops = 0;  // SK_MEMINFO_DROPS; gone when the socket is closed
};

// Connected TCP sockets are left out: a busy host has very many, and what they drop the TCP
// counters of the namespace tell. A TPACKET ring's own drops are not in it: only its owner can read
// those. Errors: host_cannot with the kernel's reason.
[[nodiscard]] Result<std::vector<SocketDrops>> read_socket_drops(int netns_fd, SocketKind kind);

}  // namespace pollmark
