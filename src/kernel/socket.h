// A socket by its descriptor, and the calls that every path makes on one.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "record/trial_result.h"

namespace pollmark {

// Of a receiving socket (SO_MEMINFO).
struct SocketMemory {
  std::uint32_t queued_bytes = 0;  // with the kernel's overhead, as the others
  std::uint32_t buffer_bytes = 0;  // at most
  std::uint32_t drops = 0;
};

[[nodiscard]] std::optional<SocketMemory> socket_memory(int fd);

// Movable; closes on destruction.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int fd() const { return fd_; }  // -1: none

  // Errors of these: host_cannot with the kernel's reason.
  // type: SOCK_STREAM or SOCK_DGRAM, of IPv4; in the calling thread's namespace.
  [[nodiscard]] static Result<Socket> open(int type);
  template <typename Value>
  [[nodiscard]] Result<void> set(int level, int option, const Value& value,
                                 std::string_view name) const {
    if (setsockopt(fd_, level, option, &value, sizeof value) == 0) return {};
    return refused(name);
  }
  // A blocking receive gives up after so long, with EAGAIN.
  [[nodiscard]] Result<void> set_receive_timeout(std::int64_t ns) const;
  // bytes 0: the host's default stays. Not capped by rmem_max, which a namespace cannot change.
  [[nodiscard]] Result<void> set_receive_buffer(std::int64_t bytes) const;
  [[nodiscard]] Result<void> set_nonblocking() const;
  // What became of a connection (SO_ERROR): an errno, or 0. Reading resets it.
  [[nodiscard]] int pending_error() const;
  // ipv4, port: host byte order. A non-blocking one that is under way is no error.
  [[nodiscard]] Result<void> bind(std::uint32_t ipv4, std::uint16_t port) const;
  [[nodiscard]] Result<void> connect(std::uint32_t ipv4, std::uint16_t port) const;
  [[nodiscard]] Result<void> listen(int backlog) const;

 private:
  static tl::unexpected<Error> refused(std::string_view what) {
    return fail(Errc::host_cannot, std::strerror(errno), std::string(what));
  }
  int fd_ = -1;
};

// The factor socket_buffer as the kernel has it. asked_bytes 0: the host's default.
// most_queued_bytes: that somebody saw in the buffer; 0: nothing shows that it acted.
[[nodiscard]] Knob socket_buffer_knob(std::int64_t asked_bytes,
                                      const std::optional<SocketMemory>& memory,
                                      std::uint32_t most_queued_bytes);

[[nodiscard]] sockaddr_in socket_address(std::uint32_t ipv4, std::uint16_t port);

// All of the bytes, however many calls it takes; what was moved until an error or the stream's end
// otherwise (errno 0).
[[nodiscard]] std::size_t send_all(int fd, const std::uint8_t* bytes, std::size_t count);
[[nodiscard]] std::size_t receive_all(int fd, std::uint8_t* bytes, std::size_t count);

}  // namespace pollmark
