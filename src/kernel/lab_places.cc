#include "kernel/lab_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/line_rate.h"
#include "host/ethtool.h"

namespace pollmark {
namespace {

constexpr int kEthernetHeaderBytes = 14;
constexpr int kMaxMtu = 65535;

// The place, with frames that go to the first sender's.
NetdevPlace answering(NetdevPlace place, const NetdevPlace& first_sender, const MacAddress& own) {
  if (first_sender.frames_to_mac == own) place.frames_to_mac = first_sender.mac;
  place.frames_to_ipv4 = first_sender.ipv4;
  return place;
}

}  // namespace

bool goes_up_the_stack(Path path) { return path == Path::udp_socket || is_closed_loop(path); }

Result<int> mtu_needed(const TrialOrder& order) {
  const TrafficOrder& traffic = order.traffic;
  if (is_closed_loop(order.path) || traffic.kind == TrafficKind::replay) return 0;
  if (traffic.frame_bytes.empty()) return fail(Errc::bad_experiment, "no frame size");
  const int largest = *std::ranges::max_element(traffic.frame_bytes);
  const int needed = largest - kFcsBytes - kEthernetHeaderBytes;
  if (needed > kMaxMtu) {
    return fail(Errc::bad_experiment,
                fmt::format("frame {} bytes: a device carries at most {}", largest,
                            kMaxMtu + kFcsBytes + kEthernetHeaderBytes));
  }
  return needed;
}

NetdevPlace LabPlaces::sender_of(const TrialOrder& way) const {
  return way.traffic.answers ? answering(receiver, sender, receiver.mac) : sender;
}
NetdevPlace LabPlaces::receiver_of(const TrialOrder& way) const {
  return way.traffic.answers ? answering(sender, sender, receiver.mac) : receiver;
}

LabPlaces lab_places(const TrialOrder& order, const LabEnd& sender, const LabEnd& receiver) {
  const auto place = [&](const LabEnd& end, std::uint32_t ipv4) {
    NetdevPlace made;
    made.netdev = end.netdev;
    made.netns_fd = end.netns_fd;
    made.mtu = end.mtu;
    made.mac = end.mac;
    made.ipv4 = ipv4;
    // The tap takes every frame; the socket wants its own address.
    made.frames_to_mac = goes_up_the_stack(order.path) ? receiver.mac : kLabNobodysMac;
    made.frames_to_ipv4 = kLabReceiverIpv4;
    made.frames_to_port = kLabUdpPort;
    return made;
  };
  return {place(sender, kLabSenderIpv4), place(receiver, kLabReceiverIpv4)};
}

void quieten(Netlink& netlink, int netns_fd, const std::string& netdev) {
  if (!set_net_sysctl(netns_fd, "ipv6/conf/" + netdev + "/disable_ipv6", "1")) {
    // /proc/sys may be read-only in a container, or IPv6 not built in.
    (void)netlink.set_no_ipv6_address(netdev);
  }
}

Result<void> join_nothing(int netns_fd, const std::string& netdev) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
  return switch_features_off(netdev, frame_joining_features());
}

// The second of a veth pair to come up is activated on the spot (and its operational state noted up
// to 1 s later), so that only the first needs waiting for.
Result<void> wait_until_it_sends(Netlink& netlink, const std::string& netdev,
                                 std::chrono::seconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  bool carrier = false;
  do {
    PM_TRY(const LinkState state, netlink.link(netdev));
    carrier = state.carrier;
    if (state.up && state.carrier && state.operational && state.qdisc != "noop") {
      // The worker holds the kernel's configuration lock until all is in place; so does this.
      return netlink.set_up(netdev);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  } while (std::chrono::steady_clock::now() < end);
  return fail(
      Errc::host_cannot,
      fmt::format("{} after {} s", carrier ? "not operational" : "no carrier", patience.count()),
      netdev);
}

Result<void> ready_places(const TrialOrder& order, const LabPlaces& places,
                          std::chrono::seconds patience) {
  const NetdevPlace& sender = places.sender;
  const NetdevPlace& receiver = places.receiver;
  PM_TRY(Netlink of_sender, Netlink::open(sender.netns_fd));
  PM_TRY(Netlink of_receiver, Netlink::open(receiver.netns_fd));
  quieten(of_sender, sender.netns_fd, sender.netdev);
  quieten(of_receiver, receiver.netns_fd, receiver.netdev);
  // Where the books are not in frames, a device keeps what joins and cuts them.
  if (!is_closed_loop(order.path)) {
    PM_TRYV(join_nothing(sender.netns_fd, sender.netdev));
    PM_TRYV(join_nothing(receiver.netns_fd, receiver.netdev));
  }
  PM_TRYV(of_sender.add_ipv4(sender.netdev, sender.ipv4, kLabPrefixBits));
  if (goes_up_the_stack(order.path)) {
    PM_TRYV(of_receiver.add_ipv4(receiver.netdev, receiver.ipv4, kLabPrefixBits));
  }
  PM_TRYV(of_sender.set_up(sender.netdev));
  PM_TRYV(of_receiver.set_up(receiver.netdev));
  PM_TRYV(of_sender.add_neighbour(sender.netdev, receiver.ipv4, sender.frames_to_mac));
  PM_TRYV(of_receiver.add_neighbour(receiver.netdev, sender.ipv4, sender.mac));
  PM_TRYV(wait_until_it_sends(of_sender, sender.netdev, patience));
  return wait_until_it_sends(of_receiver, receiver.netdev, patience);
}

}  // namespace pollmark
