#include "kernel/socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sock_diag.h>

#include <algorithm>
#include <array>

namespace pollmark {
namespace {

const sockaddr* generic(const sockaddr_in& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

}  // namespace

sockaddr_in socket_address(std::uint32_t ipv4, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(ipv4);
  return address;
}

Result<Socket> Socket::open(int type) {
  Socket made(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (made.fd() < 0) return refused("socket");
  return made;
}

Result<void> Socket::set_receive_timeout(std::int64_t ns) const {
  timeval timeout{};
  timeout.tv_sec = ns / 1'000'000'000;
  timeout.tv_usec = ns % 1'000'000'000 / 1000;
  return set(SOL_SOCKET, SO_RCVTIMEO, timeout, "SO_RCVTIMEO");
}

Result<void> Socket::set_receive_buffer(std::int64_t bytes) const {
  if (bytes <= 0) return {};
  const auto most = static_cast<int>(std::min<std::int64_t>(bytes, 1 << 30));
  return set(SOL_SOCKET, SO_RCVBUFFORCE, most, "SO_RCVBUFFORCE");
}

Result<void> Socket::set_nonblocking() const {
  if (fcntl(fd_, F_SETFL, O_NONBLOCK) == 0) return {};
  return refused("O_NONBLOCK");
}

int Socket::pending_error() const {
  int error = 0;
  socklen_t bytes = sizeof error;
  return getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : errno;
}

std::optional<SocketMemory> socket_memory(int fd) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t size = sizeof values;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values.data(), &size) != 0 ||
      size < (SK_MEMINFO_DROPS + 1) * sizeof values[0]) {
    return std::nullopt;
  }
  return SocketMemory{.queued_bytes = values[SK_MEMINFO_RMEM_ALLOC],
                      .buffer_bytes = values[SK_MEMINFO_RCVBUF],
                      .drops = values[SK_MEMINFO_DROPS]};
}

Result<void> Socket::bind(std::uint32_t ipv4, std::uint16_t port) const {
  const sockaddr_in address = socket_address(ipv4, port);
  if (::bind(fd_, generic(address), sizeof address) == 0) return {};
  return refused("bind");
}

Result<void> Socket::connect(std::uint32_t ipv4, std::uint16_t port) const {
  const sockaddr_in address = socket_address(ipv4, port);
  if (::connect(fd_, generic(address), sizeof address) == 0 || errno == EINPROGRESS) return {};
  return refused("connect");
}

Result<void> Socket::listen(int backlog) const {
  if (::listen(fd_, backlog) == 0) return {};
  return refused("listen");
}

Knob socket_buffer_knob(std::int64_t asked_bytes, const std::optional<SocketMemory>& memory,
                        std::uint32_t most_queued_bytes) {
  Knob knob;
  knob.requested = asked_bytes > 0 ? fmt::format("{}", asked_bytes) : "default";
  if (!memory) return knob;
  // The kernel keeps twice what was asked for: its own book-keeping counts too (socket(7)).
  const std::int64_t effective = memory->buffer_bytes / 2;
  knob.effective = fmt::format("{}", effective);
  knob.state =
      asked_bytes <= 0 || asked_bytes == effective ? KnobState::confirmed : KnobState::differs;
  knob.exercised = most_queued_bytes > 0;
  if (knob.exercised) {
    knob.evidence = fmt::format("held up to {} of {} bytes incl. overhead", most_queued_bytes,
                                memory->buffer_bytes);
  }
  return knob;
}

std::size_t send_all(int fd, const std::uint8_t* bytes, std::size_t count) {
  std::size_t moved = 0;
  while (moved < count) {
    const ssize_t sent = ::send(fd, bytes + moved, count - moved, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) break;
    moved += static_cast<std::size_t>(sent);
  }
  return moved;
}

std::size_t receive_all(int fd, std::uint8_t* bytes, std::size_t count) {
  std::size_t moved = 0;
  while (moved < count) {
    errno = 0;
    const ssize_t got = ::recv(fd, bytes + moved, count - moved, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    moved += static_cast<std::size_t>(got);
  }
  return moved;
}

}  // namespace pollmark
