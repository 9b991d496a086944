// One SIOCETHTOOL conversation, and the memory that its structures need. For the files of this room
// that talk to a driver.
#pragma once

#include <linux/ethtool.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pollmark {

// With one device of the calling thread's namespace at the time of construction.
class EthtoolSocket {
 public:
  explicit EthtoolSocket(std::string_view netdev);
  ~EthtoolSocket();
  EthtoolSocket(const EthtoolSocket&) = delete;
  EthtoolSocket& operator=(const EthtoolSocket&) = delete;

  // A positive answer is a remark (ETHTOOL_F_WISH), not an error: what became active is read back.
  // Errors: host_cannot "needs CAP_NET_ADMIN" or with the kernel's reason.
  [[nodiscard]] Result<void> ask(void* command);

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

// The names of a string set (ETH_SS_FEATURES, ETH_SS_STATS) in the kernel's order. A driver without
// such a set: host_cannot with the kernel's reason, or no names.
[[nodiscard]] Result<std::vector<std::string>> ethtool_names(EthtoolSocket& ethtool,
                                                             ethtool_stringset set);

}  // namespace pollmark
