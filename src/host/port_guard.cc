#include "host/port_guard.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "base/text.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/setting.h"
#include "record/trial_order.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kSshPort = 22;
constexpr std::string_view kEstablished = "01";

struct Endpoint {
  std::string address;
  std::uint32_t port = 0;
};

// "0100007F:0016" of /proc/net/tcp: words of 32 bits in the order of this CPU, then the port.
Endpoint endpoint_of(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon != 8 && colon != 32) return {};
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i * 8 < colon; ++i) {
    std::from_chars(text.data() + i * 8, text.data() + i * 8 + 8, words[i], 16);
  }
  Endpoint endpoint;
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), endpoint.port, 16);
  std::array<char, INET6_ADDRSTRLEN> name{};
  inet_ntop(colon == 8 ? AF_INET : AF_INET6, words.data(), name.data(), name.size());
  endpoint.address = name.data();
  // An IPv4 connection of a socket that takes both.
  constexpr std::string_view kMapped = "::ffff:";
  if (endpoint.address.starts_with(kMapped)) endpoint.address.erase(0, kMapped.size());
  return endpoint;
}

struct Connection {
  Endpoint local;
  Endpoint remote;
};

// Of the calling thread's namespace.
std::vector<Connection> ssh_connections() {
  std::vector<Connection> connections;
  for (const char* file : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"}) {
    const auto text = read_text_at(AT_FDCWD, file);
    if (!text) continue;
    for (const std::string& line : split(*text, '\n')) {
      std::vector<std::string> fields;
      for (std::string& field : split(trimmed(line), ' ')) {
        if (!field.empty()) fields.push_back(std::move(field));
      }
      if (fields.size() < 4 || fields[3] != kEstablished) continue;
      Connection connection{endpoint_of(fields[1]), endpoint_of(fields[2])};
      if (connection.local.port == kSshPort || connection.remote.port == kSshPort) {
        connections.push_back(std::move(connection));
      }
    }
  }
  return connections;
}

}  // namespace

Result<std::vector<std::string>> uses_of_netdev(const std::string& netdev, int netns_fd) {
  PM_TRY(Netlink netlink, Netlink::open(netns_fd));
  PM_TRY(const bool default_route, netlink.has_default_route(netdev));
  PM_TRY(const std::vector<std::string> addresses, netlink.addresses(netdev));
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
  std::vector<std::string> uses;
  if (default_route) uses.emplace_back("carries the default route");
  for (const std::string& address : addresses) uses.push_back("has the address " + address);
  for (const Connection& connection : ssh_connections()) {
    const bool here = std::ranges::any_of(addresses, [&](const std::string& address) {
      return address.substr(0, address.find('/')) == connection.local.address;
    });
    if (!here) continue;
    const bool server = connection.local.port == kSshPort;
    uses.push_back(fmt::format("carries the ssh connection {} {}", server ? "from" : "to",
                               connection.remote.address));
  }
  return uses;
}

Result<void> need_idle_netdev(const std::string& netdev, std::span<const std::string> allowed,
                              int netns_fd) {
  PM_TRY(const std::vector<std::string> uses, uses_of_netdev(netdev, netns_fd));
  const std::string name = "netdev:" + netdev;
  if (uses.empty() || std::ranges::find(allowed, name) != allowed.end()) return {};
  return fail(
      Errc::host_cannot,
      fmt::format("is in use: {}; allowed with [host] allow = [\"{}\"]", join(uses, ", "), name),
      netdev);
}

std::optional<double> line_bps_of(const std::string& port) {
  const auto netdev = netdev_of_port(port);
  if (!netdev) return std::nullopt;
  // In Mbit/s; -1 where the driver does not know.
  const auto speed = read_setting({SettingKind::netdev, "speed", *netdev}, {-1, ""});
  std::int64_t mbps = 0;
  if (!speed) return std::nullopt;
  std::from_chars(speed->effective.data(), speed->effective.data() + speed->effective.size(), mbps);
  if (mbps <= 0) return std::nullopt;
  return static_cast<double>(mbps) * 1e6;
}

Result<PortLock> PortLock::take(const std::string& port, const std::string& command,
                                const std::filesystem::path& folder) {
  std::string name = port;
  std::ranges::replace(name, '/', '_');
  const std::filesystem::path file = folder / "ports" / (name + ".lock");
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  FileHandle handle(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (handle.fd() < 0) return fail(Errc::host_cannot, std::strerror(errno), file.string());
  if (flock(handle.fd(), LOCK_EX | LOCK_NB) != 0) {
    const auto text = read_journal(file);
    return fail(Errc::host_cannot,
                "held by " + (text ? text->owner.text() : std::string("another run")), port);
  }
  const std::string line = journal_line(this_process(command));
  if (ftruncate(handle.fd(), 0) != 0 ||
      pwrite(handle.fd(), line.data(), line.size(), 0) != static_cast<ssize_t>(line.size())) {
    return fail(Errc::host_cannot, std::strerror(errno), file.string());
  }
  return PortLock(std::move(handle));
}

PortLock::~PortLock() {
  // The file stays: removing it would let two others lock two files of its name.
  if (handle_.fd() >= 0) (void)!ftruncate(handle_.fd(), 0);
}

}  // namespace pollmark
