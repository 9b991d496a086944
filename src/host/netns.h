// Anonymous network namespaces: held by a file descriptor alone, so that they vanish with the
// process, however it ends. Nothing is written under /run/netns.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

using MacAddress = std::array<std::uint8_t, 6>;
[[nodiscard]] std::string mac_text(const MacAddress& mac);  // "02:50:4d:00:00:01"
[[nodiscard]] std::string ipv4_text(std::uint32_t ipv4);    // host byte order -> "198.18.0.1"

// A namespace by its file descriptor. Movable, closes on destruction; the kernel deletes the
// namespace and every veth in it when no descriptor, socket or thread holds it any more.
class Netns {
 public:
  // A new, empty namespace, made by a thread of its own: the caller stays where it is.
  // Errors: host_cannot "needs CAP_SYS_ADMIN", or the kernel's reason.
  [[nodiscard]] static Result<Netns> make_anonymous();
  // Of a running process by its number ("4711"), or by a file ("/run/netns/lab").
  // Errors: host_cannot where there is none, or it is no network namespace.
  [[nodiscard]] static Result<Netns> open(std::string_view pid_or_file);
  // The namespace that the calling thread is in.
  [[nodiscard]] static Result<Netns> current();
  // It can be opened by that file, which must not be there yet, and lives until it is let go of,
  // whatever becomes of this process. Errors: host_cannot "needs CAP_SYS_ADMIN", or the kernel's
  // reason.
  [[nodiscard]] Result<void> keep_at(const std::string& file) const;
  // Nothing where there is no such file.
  static void let_go_of(const std::string& file);

  Netns() = default;
  Netns(Netns&& other) noexcept;
  Netns& operator=(Netns&& other) noexcept;
  Netns(const Netns&) = delete;
  Netns& operator=(const Netns&) = delete;
  ~Netns();

  [[nodiscard]] int fd() const { return fd_; }  // -1: none
  // The namespace's number on this host (inode of the descriptor).
  [[nodiscard]] std::uint64_t inode() const;

 private:
  explicit Netns(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// The calling thread is inside the namespace while this lives. Other threads are not moved; threads
// started meanwhile are born inside.
class ScopedNetns {
 public:
  // netns_fd -1: stays where it is.
  [[nodiscard]] static Result<ScopedNetns> enter(int netns_fd);
  ScopedNetns(ScopedNetns&&) noexcept = default;
  ScopedNetns& operator=(ScopedNetns&&) = delete;
  ~ScopedNetns();

 private:
  explicit ScopedNetns(Netns home) : home_(std::move(home)) {}
  Netns home_;
};

// Writes /proc/sys/net/<path> of that namespace ("ipv6/conf/a0/disable_ipv6"). Errors: host_cannot
// with the file and the kernel's reason.
[[nodiscard]] Result<void> set_net_sysctl(int netns_fd, const std::string& path,
                                          std::string_view value);

// A kernel network device where one end of a trial lives, and where its frames go.
struct NetdevPlace {
  std::string netdev;
  int netns_fd = -1;  // not owned; -1: the namespace of the process
  int mtu = 1500;     // IP MTU; a frame incl. FCS is at most mtu + 18
  MacAddress mac{};
  std::uint32_t ipv4 = 0;  // host byte order, as all addresses here
  // Destination of what this place sends; for a receiver's place, what is addressed to it.
  MacAddress frames_to_mac{};
  std::uint32_t frames_to_ipv4 = 0;
  std::uint16_t frames_to_port = 0;
};

}  // namespace pollmark
