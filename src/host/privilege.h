// What this process may do. Capabilities, not user ids: a root without CAP_NET_ADMIN cannot either.
#pragma once

#include <string_view>

#include "base/error.h"

namespace pollmark {

// Whether the calling thread has the capability in its effective set ("CAP_NET_ADMIN"). False for a
// name that is not a capability.
[[nodiscard]] bool has_capability(std::string_view name);
// Errors: host_cannot "needs CAP_NET_ADMIN" (that text, with the name of the first one missing).
[[nodiscard]] Result<void> need_capability(std::string_view name);
// All that a veth lab and raw sockets take: CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN (namespaces),
// asked in this order.
[[nodiscard]] Result<void> need_network_lab();

}  // namespace pollmark
