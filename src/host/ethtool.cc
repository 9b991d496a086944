#include "host/ethtool.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace pollmark {
namespace {

constexpr std::array<std::string_view, 10> kFrameJoining{"tx-udp-segmentation",
                                                         "tx-tcp-segmentation",
                                                         "tx-tcp6-segmentation",
                                                         "tx-tcp-ecn-segmentation",
                                                         "tx-tcp-mangleid-segmentation",
                                                         "tx-generic-segmentation",
                                                         "rx-gro",
                                                         "rx-gro-list",
                                                         "rx-udp-gro-forwarding",
                                                         "rx-lro"};

// One ethtool conversation with one device of the calling thread's namespace.
class EthtoolSocket {
 public:
  explicit EthtoolSocket(std::string_view netdev)
      : netdev_(netdev), fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~EthtoolSocket() {
    if (fd_ >= 0) close(fd_);
  }
  EthtoolSocket(const EthtoolSocket&) = delete;
  EthtoolSocket& operator=(const EthtoolSocket&) = delete;

  // A positive answer is a remark (ETHTOOL_F_WISH), not an error: what became active is read back.
  Result<void> ask(void* command) {
    ifreq request{};
    netdev_.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = static_cast<char*>(command);
    if (fd_ >= 0 && ioctl(fd_, SIOCETHTOOL, &request) >= 0) return {};
    return fail(
        Errc::host_cannot,
        errno == EPERM ? "needs CAP_NET_ADMIN" : fmt::format("ethtool: {}", std::strerror(errno)),
        netdev_);
  }

 private:
  std::string netdev_;
  int fd_;
};

// A structure with a flexible array behind it, in memory aligned for it.
template <typename T>
class Trailed {
 public:
  explicit Trailed(std::size_t trailing_bytes)
      : memory_((sizeof(T) + trailing_bytes + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t)) {}
  T* operator->() { return static_cast<T*>(static_cast<void*>(memory_.data())); }
  void* data() { return memory_.data(); }

 private:
  std::vector<std::uint64_t> memory_;
};

Result<std::vector<std::string>> feature_names(EthtoolSocket& ethtool) {
  Trailed<ethtool_sset_info> info(sizeof(std::uint32_t));
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ULL << ETH_SS_FEATURES;
  PM_TRYV(ethtool.ask(info.data()));
  const std::uint32_t count = info->data[0];
  Trailed<ethtool_gstrings> strings(std::size_t{count} * ETH_GSTRING_LEN);
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_FEATURES;
  strings->len = count;
  PM_TRYV(ethtool.ask(strings.data()));
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto* name = static_cast<const char*>(
        static_cast<const void*>(strings->data + std::size_t{i} * ETH_GSTRING_LEN));
    names.emplace_back(name, strnlen(name, ETH_GSTRING_LEN));
  }
  return names;
}

Result<std::vector<bool>> active_features(EthtoolSocket& ethtool, std::size_t count) {
  const std::size_t blocks = (count + 31) / 32;
  Trailed<ethtool_gfeatures> features(blocks * sizeof(ethtool_get_features_block));
  features->cmd = ETHTOOL_GFEATURES;
  features->size = static_cast<std::uint32_t>(blocks);
  PM_TRYV(ethtool.ask(features.data()));
  std::vector<bool> active;
  for (std::size_t i = 0; i < count; ++i) {
    active.push_back(((features->features[i / 32].active >> (i % 32)) & 1U) != 0);
  }
  return active;
}

}  // namespace

Result<std::map<std::string, bool>> read_features(std::string_view netdev) {
  EthtoolSocket ethtool(netdev);
  PM_TRY(const auto names, feature_names(ethtool));
  PM_TRY(const auto active, active_features(ethtool, names.size()));
  std::map<std::string, bool> features;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!names[i].empty()) features[names[i]] = active[i];
  }
  return features;
}

Result<void> switch_features_off(std::string_view netdev, std::span<const std::string_view> names) {
  EthtoolSocket ethtool(netdev);
  PM_TRY(const auto known, feature_names(ethtool));
  const std::size_t blocks = (known.size() + 31) / 32;
  Trailed<ethtool_sfeatures> change(blocks * sizeof(ethtool_set_features_block));
  change->cmd = ETHTOOL_SFEATURES;
  change->size = static_cast<std::uint32_t>(blocks);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (std::ranges::find(names, known[i]) == names.end()) continue;
    change->features[i / 32].valid |= 1U << (i % 32);  // requested stays 0: off
  }
  PM_TRYV(ethtool.ask(change.data()));
  PM_TRY(const auto active, active_features(ethtool, known.size()));
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (active[i] && std::ranges::find(names, known[i]) != names.end()) {
      return fail(Errc::host_cannot, fmt::format("{} stays on", known[i]), std::string(netdev));
    }
  }
  return {};
}

std::span<const std::string_view> frame_joining_features() { return kFrameJoining; }

}  // namespace pollmark
