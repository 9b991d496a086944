// A network device that is lent to another namespace, and comes home as it was.
//
// A device that moves loses its addresses, routes, permanent neighbours, root queueing discipline,
// sysctls (net.ipv4.conf.DEV and its like) and its administrative state; what is set on it
// meanwhile (offloads, rings, MTU, masks of its queues) stays on it. Its home is all of that as
// text, a line each: kept in a journal before the device leaves, replayed when it is back, and
// compared.
//
// Left out, since the kernel or its neighbours make them again: IPv6 link-local and router-made
// addresses, routes that come with an address or a router. Lost for good: memberships and
// bindings of sockets of other programs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pollmark {

// Errors: host_cannot "eth2: ..." for what does not exist in the namespace, is no Ethernet device
// (loopback, tunnels), is wireless, a bridge or bond or a member of one, carries other devices
// (VLANs) or an XDP program, or has a queueing discipline, filters or routes that could not be put
// back. netns_fd -1: the namespace of the process.
[[nodiscard]] Result<void> need_lendable_netdev(const std::string& netdev, int netns_fd);

// All of it, as lines. Errors: host_cannot with the kernel's reason.
[[nodiscard]] Result<std::string> read_netdev_home(const std::string& netdev, int netns_fd);

// Into the namespace of that file; down there. Errors: host_cannot with the kernel's reason.
[[nodiscard]] Result<void> send_netdev_away(const std::string& netdev, int netns_fd,
                                            const std::string& away);
// From there, where it still is there, and sets all that is not as the text has it. Errors:
// host_cannot with the first reason; all that can be put back is.
[[nodiscard]] Result<void> bring_netdev_home(const std::string& netdev, int netns_fd,
                                             const std::string& away, const std::string& home);
// Neither here nor there.
[[nodiscard]] bool netdev_is_gone(const std::string& netdev, int netns_fd, const std::string& away);

// "mtu: was 1500, is 9000", "address 192.0.2.7/24: is gone". How long an address is still valid is
// not compared.
[[nodiscard]] std::vector<std::string> home_differences(std::string_view before,
                                                        std::string_view now);

}  // namespace pollmark
