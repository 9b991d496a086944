#include "host/privilege.h"

#include <linux/capability.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

namespace pollmark {
namespace {

struct CapabilityBit {
  std::string_view name;
  unsigned bit;
};

// Those that pollmark ever asks for.
constexpr std::array kCapabilities{
    CapabilityBit{"CAP_BPF", 39},
    CapabilityBit{"CAP_IPC_LOCK", CAP_IPC_LOCK},
    CapabilityBit{"CAP_NET_ADMIN", CAP_NET_ADMIN},
    CapabilityBit{"CAP_NET_RAW", CAP_NET_RAW},
    CapabilityBit{"CAP_SYS_ADMIN", CAP_SYS_ADMIN},
    CapabilityBit{"CAP_SYS_NICE", CAP_SYS_NICE},
};

std::uint64_t effective_set() {
  std::ifstream status("/proc/thread-self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("CapEff:")) return std::strtoull(line.c_str() + 7, nullptr, 16);
  }
  return 0;
}

}  // namespace

bool has_capability(std::string_view name) {
  for (const auto& capability : kCapabilities) {
    if (capability.name == name) return ((effective_set() >> capability.bit) & 1U) != 0;
  }
  return false;
}

Result<void> need_capability(std::string_view name) {
  if (has_capability(name)) return {};
  return fail(Errc::host_cannot, "needs " + std::string(name));
}

Result<void> need_network_lab() {
  PM_TRYV(need_capability("CAP_NET_ADMIN"));
  PM_TRYV(need_capability("CAP_NET_RAW"));
  return need_capability("CAP_SYS_ADMIN");
}

}  // namespace pollmark
