#include "kernel/netdev_lab.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "base/tsc.h"
#include "host/netdev_home.h"
#include "host/netlink.h"
#include "host/port_guard.h"
#include "host/privilege.h"
#include "kernel/socket.h"

namespace pollmark {
namespace {

// A link that negotiates its speed takes seconds after its device has come up.
constexpr std::chrono::seconds kPatience{20};

// IEEE 802: local experimental EtherType 1.
constexpr std::uint16_t kCheckEtherType = 0x88b5;
constexpr int kCheckTries = 10;
constexpr std::int64_t kCheckWaitNs = 200'000'000;

using CheckFrame = std::array<std::uint8_t, ETH_ZLEN>;

CheckFrame check_frame(const LabPlaces& places) {
  CheckFrame frame{};
  std::ranges::copy(places.receiver.mac, frame.begin());
  std::ranges::copy(places.sender.mac, frame.begin() + ETH_ALEN);
  frame[12] = kCheckEtherType >> 8;
  frame[13] = kCheckEtherType & 0xff;
  const std::uint64_t nonce = tsc_now() ^ (static_cast<std::uint64_t>(getpid()) << 48);
  std::memcpy(frame.data() + ETH_HLEN, "pollmark", 8);
  std::memcpy(frame.data() + ETH_HLEN + 8, &nonce, sizeof nonce);
  return frame;
}

// Bound to the device, for frames of the check alone.
Result<Socket> check_socket(const NetdevPlace& place) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place.netns_fd));
  Socket made(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(kCheckEtherType)));
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(kCheckEtherType);
  at.sll_ifindex = static_cast<int>(if_nametoindex(place.netdev.c_str()));
  const auto* address = static_cast<const sockaddr*>(static_cast<const void*>(&at));
  if (made.fd() < 0 || bind(made.fd(), address, sizeof at) != 0)
    return fail(Errc::host_cannot, std::strerror(errno), place.netdev);
  PM_TRYV(made.set_receive_timeout(kCheckWaitNs));
  return made;
}

// The same frame arrives; others of the kind are another check's.
bool arrives(const Socket& socket, const CheckFrame& sent) {
  CheckFrame got{};
  while (recv(socket.fd(), got.data(), got.size(), MSG_TRUNC) >= 0) {
    if (got == sent) return true;
  }
  return false;
}

Result<void> check_cable(const LabPlaces& places) {
  PM_TRY(const Socket from, check_socket(places.sender));
  PM_TRY(const Socket to, check_socket(places.receiver));
  int error = 0;
  for (int i = 0; i < kCheckTries; ++i) {
    const CheckFrame frame = check_frame(places);
    error = send(from.fd(), frame.data(), frame.size(), 0) < 0 ? errno : 0;
    if (error == 0 && arrives(to, frame)) return {};
  }
  return fail(Errc::host_cannot,
              error != 0 ? std::strerror(error)
                         : fmt::format("a frame sent on {} did not arrive on {}; allowed: two "
                                       "devices that a cable joins",
                                       places.sender.netdev, places.receiver.netdev),
              places.sender.netdev);
}

// The device's own MTU where nobody asks for another and no frame needs more.
Result<int> mtu_of(const TrialOrder& order, int own) {
  if (const auto knob = order.kernel_knobs.find("mtu"); knob != order.kernel_knobs.end())
    return std::stoi(knob->second);
  PM_TRY(const int needed, mtu_needed(order));
  return std::max(own, needed);
}

// Down, in its namespace.
Result<LabEnd> ready_device(const TrialOrder& order, const LinkState& own, int netns_fd) {
  PM_TRY(const int mtu, mtu_of(order, own.mtu));
  PM_TRY(Netlink netlink, Netlink::open(netns_fd));
  if (mtu != own.mtu) PM_TRYV(netlink.set_mtu(own.netdev, mtu));
  if (!goes_up_the_stack(order.path))
    PM_TRYV(netlink.set_frame_filter(own.netdev, FrameFilter::every_mac));
  return LabEnd{own.netdev, netns_fd, mtu, own.mac};
}

}  // namespace

bool is_on_netdevs(const TrialOrder& order) {
  return netdev_of_port(order.generator_port) && netdev_of_port(order.receiver_port);
}

Result<NetdevPlace> netdev_sender_place(const TrialOrder& way) {
  PM_TRY(Netlink netlink, Netlink::open(-1));
  std::array<LabEnd, 2> ends;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const std::string& port = i == 0 ? way.generator_port : way.receiver_port;
    PM_TRY(const LinkState link, netlink.link(netdev_of_port(port).value_or("")));
    PM_TRY(const int mtu, mtu_of(way, link.mtu));
    ends[i] = {.netdev = link.netdev, .mtu = mtu, .mac = link.mac};
  }
  // The ports of the way back are exchanged already.
  if (way.traffic.answers) std::swap(ends[0], ends[1]);
  return lab_places(way, ends[0], ends[1]).sender_of(way);
}

Result<NetdevLab> NetdevLab::create(const TrialOrder& order, std::shared_ptr<Journal> journal) {
  PM_TRYV(need_network_lab());
  PM_CHECK(journal != nullptr && is_on_netdevs(order));
  const std::string from = *netdev_of_port(order.generator_port);
  const std::string to = *netdev_of_port(order.receiver_port);
  for (const std::string& netdev : {from, to}) {
    PM_TRYV(journal->need_netdev_free(netdev));
    PM_TRYV(need_lendable_netdev(netdev, -1));
    PM_TRYV(need_idle_netdev(netdev, order.host_allow));
  }
  PM_TRY(Netlink netlink, Netlink::open(-1));
  PM_TRY(const LinkState own_from, netlink.link(from));
  PM_TRY(const LinkState own_to, netlink.link(to));

  NetdevLab lab(journal);
  if (own_from.kind == "veth" && own_to.kind == "veth" && !own_from.elsewhere &&
      own_from.lower_index == own_to.ifindex)
    lab.link_ = LinkKind::veth_pair;
  PM_TRY(const NetnsHolder home, journal->keep_own_netns("home"));
  PM_TRY(const NetnsHolder sender, journal->make_netns("sender"));
  PM_TRY(const NetnsHolder receiver, journal->make_netns("receiver"));
  PM_TRY(lab.sender_, Netns::open(sender.path));
  PM_TRY(lab.receiver_, Netns::open(receiver.path));
  PM_TRYV(journal->lend(from, home, sender));
  PM_TRYV(journal->lend(to, home, receiver));
  PM_TRY(const LabEnd sender_end, ready_device(order, own_from, lab.sender_.fd()));
  PM_TRY(const LabEnd receiver_end, ready_device(order, own_to, lab.receiver_.fd()));
  lab.places_ = lab_places(order, sender_end, receiver_end);
  PM_TRYV(ready_places(order, lab.places_, kPatience));
  PM_TRYV(check_cable(lab.places_));
  return lab;
}

}  // namespace pollmark
