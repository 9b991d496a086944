#include "host/netns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "host/file_text.h"
#include "host/privilege.h"

namespace pollmark {
namespace {

constexpr const char* kOwnNetns = "/proc/thread-self/ns/net";

}  // namespace

std::string mac_text(const MacAddress& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3],
                     mac[4], mac[5]);
}

std::string ipv4_text(std::uint32_t ipv4) {
  return fmt::format("{}.{}.{}.{}", ipv4 >> 24, (ipv4 >> 16) & 255U, (ipv4 >> 8) & 255U,
                     ipv4 & 255U);
}

Result<Netns> Netns::make_anonymous() {
  PM_TRYV(need_capability("CAP_SYS_ADMIN"));
  int fd = -1;
  int reason = 0;
  std::thread([&fd, &reason] {
    if (unshare(CLONE_NEWNET) != 0) {
      reason = errno;
      return;
    }
    fd = ::open(kOwnNetns, O_RDONLY | O_CLOEXEC);
    if (fd < 0) reason = errno;
  }).join();
  if (fd < 0) {
    return fail(Errc::host_cannot,
                fmt::format("cannot make a network namespace: {}", std::strerror(reason)));
  }
  return Netns(fd);
}

Result<Netns> Netns::current() {
  const int fd = ::open(kOwnNetns, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return fail(Errc::host_cannot,
                fmt::format("cannot open {}: {}", kOwnNetns, std::strerror(errno)));
  }
  return Netns(fd);
}

Result<Netns> Netns::open(std::string_view pid_or_file) {
  const bool is_pid =
      !pid_or_file.empty() && pid_or_file.find_first_not_of("0123456789") == std::string_view::npos;
  const std::string file =
      is_pid ? fmt::format("/proc/{}/ns/net", pid_or_file) : std::string(pid_or_file);
  Netns netns(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (netns.fd() < 0) return fail(Errc::host_cannot, std::strerror(errno), file);
  if (ioctl(netns.fd(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return fail(Errc::host_cannot, "is no network namespace", file);
  }
  return netns;
}

Result<void> Netns::keep_at(const std::string& file) const {
  PM_TRYV(need_capability("CAP_SYS_ADMIN"));
  const int made = ::open(file.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) return fail(Errc::host_cannot, std::strerror(errno), file);
  close(made);
  const std::string source = fmt::format("/proc/thread-self/fd/{}", fd_);
  if (mount(source.c_str(), file.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  const int reason = errno;
  unlink(file.c_str());
  return fail(Errc::host_cannot,
              fmt::format("cannot keep a network namespace: {}", std::strerror(reason)), file);
}

void Netns::let_go_of(const std::string& file) {
  (void)umount2(file.c_str(), MNT_DETACH);
  (void)unlink(file.c_str());
}

Netns::Netns(Netns&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Netns& Netns::operator=(Netns&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Netns::~Netns() {
  if (fd_ >= 0) close(fd_);
}

std::uint64_t Netns::inode() const {
  struct stat facts {};
  return fd_ >= 0 && fstat(fd_, &facts) == 0 ? facts.st_ino : 0;
}

Result<ScopedNetns> ScopedNetns::enter(int netns_fd) {
  if (netns_fd < 0) return ScopedNetns(Netns());
  PM_TRY(Netns home, Netns::current());
  if (setns(netns_fd, CLONE_NEWNET) != 0) {
    if (errno == EPERM) PM_TRYV(need_capability("CAP_SYS_ADMIN"));
    return fail(Errc::host_cannot,
                fmt::format("cannot enter a network namespace: {}", std::strerror(errno)));
  }
  return ScopedNetns(std::move(home));
}

ScopedNetns::~ScopedNetns() {
  // A thread that cannot come back would go on in the wrong network: that is no error to return.
  if (home_.fd() >= 0) PM_CHECK(setns(home_.fd(), CLONE_NEWNET) == 0);
}

Result<void> set_net_sysctl(int netns_fd, const std::string& path, std::string_view value) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
  return write_text_at(AT_FDCWD, "/proc/sys/net/" + path, value);
}

}  // namespace pollmark
