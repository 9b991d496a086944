#include "kernel/veth_lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "base/line_rate.h"
#include "host/ethtool.h"
#include "host/netlink.h"
#include "host/privilege.h"

namespace pollmark {
namespace {

constexpr const char* kSenderNetdev = "a0";
constexpr const char* kReceiverNetdev = "b0";
constexpr const char* kBridge = "w0";
constexpr const char* kSenderPort = "wa";
constexpr const char* kReceiverPort = "wb";
constexpr MacAddress kSenderPortMac{0x02, 0x50, 0x4d, 0x00, 0x00, 0x0a};
constexpr MacAddress kReceiverPortMac{0x02, 0x50, 0x4d, 0x00, 0x00, 0x0b};
constexpr int kEthernetHeaderBytes = 14;
constexpr int kUsualMtu = 1500;
constexpr int kReplayMtu = 9000;
constexpr int kMaxMtu = 65535;

// Frames end in sockets, not in a packet ring.
bool goes_up_the_stack(Path path) { return path == Path::udp_socket || is_closed_loop(path); }

Result<int> mtu_for(const TrialOrder& order) {
  if (const auto knob = order.kernel_knobs.find("mtu"); knob != order.kernel_knobs.end()) {
    return std::stoi(knob->second);
  }
  if (is_closed_loop(order.path)) return kUsualMtu;
  const TrafficOrder& traffic = order.traffic;
  if (traffic.kind == TrafficKind::replay) return kReplayMtu;
  if (traffic.frame_bytes.empty()) return fail(Errc::bad_experiment, "no frame size");
  const int largest = *std::ranges::max_element(traffic.frame_bytes);
  const int needed = largest - kFcsBytes - kEthernetHeaderBytes;
  if (needed > kMaxMtu) {
    return fail(Errc::bad_experiment,
                fmt::format("frame {} bytes: veth carries at most {}", largest,
                            kMaxMtu + kFcsBytes + kEthernetHeaderBytes));
  }
  return std::max(kUsualMtu, needed);
}

// No frame may come up that the sender did not send: no IPv6 reports, no answers.
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

// A device has its carrier before it sends: until a kernel worker has noticed, its queueing
// discipline is noop, which drops every frame. The second to come up is activated on the spot (and
// its operational state noted up to 1 s later), so that only the first needs waiting for.
Result<void> wait_until_it_sends(Netlink& netlink, const std::string& netdev) {
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    PM_TRY(const LinkState state, netlink.link(netdev));
    if (state.up && state.carrier && state.operational && state.qdisc != "noop") {
      // The worker holds the kernel's configuration lock until all is in place; so does this.
      return netlink.set_up(netdev);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return fail(Errc::host_cannot, "not operational after 2 s", netdev);
}

Result<void> join_by_pair(Netlink& of_sender, const NetdevPlace& sender,
                          const NetdevPlace& receiver) {
  return of_sender.add_veth({.netdev = sender.netdev,
                             .peer = receiver.netdev,
                             .mac = sender.mac,
                             .peer_mac = receiver.mac,
                             .mtu = sender.mtu,
                             .peer_netns_fd = receiver.netns_fd});
}

Result<void> join_by_bridge(Netlink& of_wire, int wire_fd, const NetdevPlace& sender,
                            const NetdevPlace& receiver) {
  PM_TRYV(of_wire.add_bridge(kBridge));
  quieten(of_wire, wire_fd, kBridge);
  struct Port {
    const char* netdev;
    MacAddress mac;
    const NetdevPlace& peer;
  };
  for (const Port& port : {Port{kSenderPort, kSenderPortMac, sender},
                           Port{kReceiverPort, kReceiverPortMac, receiver}}) {
    PM_TRYV(of_wire.add_veth({.netdev = port.netdev,
                              .peer = port.peer.netdev,
                              .mac = port.mac,
                              .peer_mac = port.peer.mac,
                              .mtu = port.peer.mtu,
                              .peer_netns_fd = port.peer.netns_fd}));
    quieten(of_wire, wire_fd, port.netdev);
    PM_TRYV(join_nothing(wire_fd, port.netdev));
    PM_TRYV(of_wire.add_port(kBridge, port.netdev));
    PM_TRYV(of_wire.set_up(port.netdev));
  }
  return of_wire.set_up(kBridge);
}

// The place, with frames that go to the first sender's.
NetdevPlace answering(NetdevPlace place, const NetdevPlace& first_sender) {
  if (first_sender.frames_to_mac == kLabReceiverMac) place.frames_to_mac = first_sender.mac;
  place.frames_to_ipv4 = first_sender.ipv4;
  return place;
}

// Of the way there; in no namespace yet.
struct Places {
  NetdevPlace sender;
  NetdevPlace receiver;
};
Result<Places> places_of(const TrialOrder& order) {
  // The tap takes every frame; the socket wants its own address.
  const bool up_the_stack = goes_up_the_stack(order.path);
  Places places;
  NetdevPlace& sender = places.sender;
  sender.netdev = kSenderNetdev;
  PM_TRY(sender.mtu, mtu_for(order));
  sender.mac = kLabSenderMac;
  sender.ipv4 = kLabSenderIpv4;
  sender.frames_to_mac = up_the_stack ? kLabReceiverMac : kLabNobodysMac;
  sender.frames_to_ipv4 = kLabReceiverIpv4;
  sender.frames_to_port = kLabUdpPort;
  places.receiver = sender;
  places.receiver.netdev = kReceiverNetdev;
  places.receiver.mac = kLabReceiverMac;
  places.receiver.ipv4 = kLabReceiverIpv4;
  return places;
}

}  // namespace

Result<NetdevPlace> lab_sender_place(const TrialOrder& way) {
  PM_TRY(const Places places, places_of(way));
  return way.traffic.answers ? answering(places.receiver, places.sender) : places.sender;
}

Result<VethLab> VethLab::create(const TrialOrder& order) {
  PM_TRYV(need_network_lab());
  VethLab lab;
  PM_TRY(const Places places, places_of(order));
  lab.sender_place_ = places.sender;
  lab.receiver_place_ = places.receiver;
  PM_TRY(lab.sender_, Netns::make_anonymous());
  PM_TRY(lab.receiver_, Netns::make_anonymous());

  const bool up_the_stack = goes_up_the_stack(order.path);
  NetdevPlace& sender = lab.sender_place_;
  sender.netns_fd = lab.sender_.fd();
  NetdevPlace& receiver = lab.receiver_place_;
  receiver.netns_fd = lab.receiver_.fd();

  PM_TRY(Netlink of_sender, Netlink::open(sender.netns_fd));
  PM_TRY(Netlink of_receiver, Netlink::open(receiver.netns_fd));
  std::optional<Netlink> of_wire;
  if (order.closed_loop.wire == WireKind::cut) {
    PM_TRY(lab.wire_, Netns::make_anonymous());
    PM_TRY(of_wire, Netlink::open(lab.wire_.fd()));
    PM_TRYV(join_by_bridge(*of_wire, lab.wire_.fd(), sender, receiver));
  } else {
    PM_TRYV(join_by_pair(of_sender, sender, receiver));
  }
  quieten(of_sender, sender.netns_fd, sender.netdev);
  quieten(of_receiver, receiver.netns_fd, receiver.netdev);
  // Where the books are not in frames, a device keeps what joins and cuts them.
  if (!is_closed_loop(order.path)) {
    PM_TRYV(join_nothing(sender.netns_fd, sender.netdev));
    PM_TRYV(join_nothing(receiver.netns_fd, receiver.netdev));
  }
  PM_TRYV(of_sender.add_ipv4(sender.netdev, sender.ipv4, kLabPrefixBits));
  if (up_the_stack) {
    PM_TRYV(of_receiver.add_ipv4(receiver.netdev, receiver.ipv4, kLabPrefixBits));
  }
  PM_TRYV(of_sender.set_up(sender.netdev));
  PM_TRYV(of_receiver.set_up(receiver.netdev));
  PM_TRYV(of_sender.add_neighbour(sender.netdev, receiver.ipv4, sender.frames_to_mac));
  PM_TRYV(of_receiver.add_neighbour(receiver.netdev, sender.ipv4, sender.mac));
  PM_TRYV(wait_until_it_sends(of_sender, sender.netdev));
  PM_TRYV(wait_until_it_sends(of_receiver, receiver.netdev));
  if (of_wire) {
    for (const char* port : {kSenderPort, kReceiverPort})
      PM_TRYV(wait_until_it_sends(*of_wire, port));
  }
  return lab;
}

NetdevPlace VethLab::sender_of(const TrialOrder& way) const {
  return way.traffic.answers ? answering(receiver_place_, sender_place_) : sender_place_;
}
NetdevPlace VethLab::receiver_of(const TrialOrder& way) const {
  return way.traffic.answers ? answering(sender_place_, sender_place_) : receiver_place_;
}

}  // namespace pollmark
