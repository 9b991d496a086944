#include "host/netlink_socket.h"

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <string>

#include "host/netns.h"

namespace pollmark {
namespace {

int pass_on(nl_msg* message, void* each) {
  (*static_cast<const NetlinkSocket::Each*>(each))(nlmsg_hdr(message));
  return NL_OK;
}

}  // namespace

tl::unexpected<Error> netlink_refusal(int error, std::string_view doing) {
  if (error == -NLE_PERM || error == -NLE_NOACCESS) {
    return fail(Errc::host_cannot, "needs CAP_NET_ADMIN", std::string(doing));
  }
  return fail(Errc::host_cannot, nl_geterror(error), std::string(doing));
}

void NetlinkSocket::Freed::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Result<NetlinkSocket> NetlinkSocket::open(int protocol, int netns_fd) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
  NetlinkSocket netlink;
  netlink.socket_.reset(nl_socket_alloc());
  PM_CHECK(netlink.socket_ != nullptr);
  if (const int error = nl_connect(netlink.get(), protocol); error < 0) {
    return netlink_refusal(error, "netlink");
  }
  return netlink;
}

Result<void> NetlinkSocket::ask(int type, int flags, const void* payload, std::size_t bytes,
                                const Each& each) {
  // libnl takes both as pointers to what it does not change.
  auto* request = const_cast<void*>(payload);
  if (const int error = nl_send_simple(get(), type, NLM_F_REQUEST | flags, request, bytes);
      error < 0) {
    return netlink_refusal(error, "netlink");
  }
  nl_socket_modify_cb(get(), NL_CB_VALID, NL_CB_CUSTOM, pass_on, const_cast<Each*>(&each));
  int error = nl_recvmsgs_default(get());
  // A dump has an end of its own; one object is followed by an acknowledgement.
  if (error >= 0 && (flags & NLM_F_DUMP) == 0) error = nl_wait_for_ack(get());
  nl_socket_modify_cb(get(), NL_CB_VALID, NL_CB_DEFAULT, nullptr, nullptr);
  if (error < 0) return netlink_refusal(error, "netlink");
  return {};
}

Result<void> NetlinkSocket::tell(int type, int flags, const void* payload, std::size_t bytes) {
  int error = nl_send_simple(get(), type, NLM_F_REQUEST | flags, const_cast<void*>(payload), bytes);
  if (error >= 0) error = nl_wait_for_ack(get());
  if (error < 0) return netlink_refusal(error, "netlink");
  return {};
}

}  // namespace pollmark
