// What one receive of a socket with UDP_GRO gives: datagrams of one flow that came one behind the
// other, joined by GRO.
#pragma once

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pollmark {

// Bytes of each of the joined datagrams but the last, as the kernel tells beside them; 0: it did
// not join any. After a receive, while the header's control bytes are there.
[[nodiscard]] inline std::size_t joined_datagram_bytes(msghdr& header) noexcept {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != IPPROTO_UDP || part->cmsg_type != UDP_GRO) continue;
    int bytes = 0;
    std::memcpy(&bytes, CMSG_DATA(part), sizeof bytes);
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
  }
  return 0;
}

// Calls take(first byte, bytes) for each of them; the last may be shorter. each_bytes 0: for the
// one that there is. Returns how many they are.
template <typename Take>
std::int64_t cut_datagrams(const std::uint8_t* payload, std::size_t bytes, std::size_t each_bytes,
                           Take take) {
  if (each_bytes == 0 || bytes <= each_bytes) {
    take(payload, bytes);
    return 1;
  }
  std::int64_t count = 0;
  for (std::size_t at = 0; at < bytes; at += each_bytes, ++count) {
    take(payload + at, std::min(each_bytes, bytes - at));
  }
  return count;
}

}  // namespace pollmark
