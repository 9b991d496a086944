#include "host/ethtool_socket.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pollmark {

EthtoolSocket::EthtoolSocket(std::string_view netdev)
    : netdev_(netdev), fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}

EthtoolSocket::~EthtoolSocket() {
  if (fd_ >= 0) close(fd_);
}

Result<void> EthtoolSocket::ask(void* command) {
  ifreq request{};
  netdev_.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = static_cast<char*>(command);
  if (fd_ >= 0 && ioctl(fd_, SIOCETHTOOL, &request) >= 0) return {};
  return fail(
      Errc::host_cannot,
      errno == EPERM ? "needs CAP_NET_ADMIN" : fmt::format("ethtool: {}", std::strerror(errno)),
      netdev_);
}

Result<std::vector<std::string>> ethtool_names(EthtoolSocket& ethtool, ethtool_stringset set) {
  Trailed<ethtool_sset_info> info(sizeof(std::uint32_t));
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ULL << set;
  PM_TRYV(ethtool.ask(info.data()));
  const std::uint32_t count = info->sset_mask == 0 ? 0 : info->data[0];
  std::vector<std::string> names;
  if (count == 0) return names;
  Trailed<ethtool_gstrings> strings(std::size_t{count} * ETH_GSTRING_LEN);
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = static_cast<std::uint32_t>(set);
  strings->len = count;
  PM_TRYV(ethtool.ask(strings.data()));
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto* name = static_cast<const char*>(
        static_cast<const void*>(strings->data + std::size_t{i} * ETH_GSTRING_LEN));
    names.emplace_back(name, strnlen(name, ETH_GSTRING_LEN));
  }
  return names;
}

}  // namespace pollmark
