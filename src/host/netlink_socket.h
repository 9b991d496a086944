// A libnl-3 socket of any netlink protocol, bound for life to the namespace that it was opened in.
// For the files of this room that speak netlink.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/error.h"

struct nl_sock;

namespace pollmark {

// The error of a negative libnl code: "needs CAP_NET_ADMIN" where that is it, else its reason.
[[nodiscard]] tl::unexpected<Error> netlink_refusal(int error, std::string_view doing);

// One thread at a time.
class NetlinkSocket {
 public:
  // protocol: NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_GENERIC. netns_fd -1: the caller's
  // namespace.
  [[nodiscard]] static Result<NetlinkSocket> open(int protocol, int netns_fd);

  // Sends one request of that type and calls `each` with every message of the answer.
  //   flags    beside NLM_F_REQUEST: NLM_F_DUMP, or 0 for one object
  //   payload  what follows the netlink header, attributes included
  using Each = std::function<void(nlmsghdr*)>;
  [[nodiscard]] Result<void> ask(int type, int flags, const void* payload, std::size_t bytes,
                                 const Each& each);

  // Sends one request that changes something, and waits for its acknowledgement.
  [[nodiscard]] Result<void> tell(int type, int flags, const void* payload, std::size_t bytes);

  [[nodiscard]] nl_sock* get() const { return socket_.get(); }

 private:
  struct Freed {
    void operator()(nl_sock* socket) const;
  };
  std::unique_ptr<nl_sock, Freed> socket_;
};

}  // namespace pollmark
