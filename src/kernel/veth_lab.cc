#include "kernel/veth_lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

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
constexpr int kUsualMtu = 1500;
constexpr int kReplayMtu = 9000;
constexpr std::chrono::seconds kPatience{2};

Result<int> mtu_for(const TrialOrder& order) {
  if (const auto knob = order.kernel_knobs.find("mtu"); knob != order.kernel_knobs.end()) {
    return std::stoi(knob->second);
  }
  if (order.traffic.kind == TrafficKind::replay && !is_closed_loop(order.path)) return kReplayMtu;
  PM_TRY(const int needed, mtu_needed(order));
  return std::max(kUsualMtu, needed);
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

// Of the way there; in no namespace yet.
Result<LabPlaces> places_of(const TrialOrder& order) {
  PM_TRY(const int mtu, mtu_for(order));
  return lab_places(order, {.netdev = kSenderNetdev, .mtu = mtu, .mac = kLabSenderMac},
                    {.netdev = kReceiverNetdev, .mtu = mtu, .mac = kLabReceiverMac});
}

}  // namespace

Result<NetdevPlace> lab_sender_place(const TrialOrder& way) {
  PM_TRY(const LabPlaces places, places_of(way));
  return places.sender_of(way);
}

Result<VethLab> VethLab::create(const TrialOrder& order) {
  PM_TRYV(need_network_lab());
  VethLab lab;
  PM_TRY(lab.places_, places_of(order));
  PM_TRY(lab.sender_, Netns::make_anonymous());
  PM_TRY(lab.receiver_, Netns::make_anonymous());
  NetdevPlace& sender = lab.places_.sender;
  sender.netns_fd = lab.sender_.fd();
  NetdevPlace& receiver = lab.places_.receiver;
  receiver.netns_fd = lab.receiver_.fd();

  std::optional<Netlink> of_wire;
  if (order.closed_loop.wire == WireKind::cut) {
    PM_TRY(lab.wire_, Netns::make_anonymous());
    PM_TRY(of_wire, Netlink::open(lab.wire_.fd()));
    PM_TRYV(join_by_bridge(*of_wire, lab.wire_.fd(), sender, receiver));
  } else {
    PM_TRY(Netlink of_sender, Netlink::open(sender.netns_fd));
    PM_TRYV(join_by_pair(of_sender, sender, receiver));
  }
  PM_TRYV(ready_places(order, lab.places_, kPatience));
  if (of_wire) {
    for (const char* port : {kSenderPort, kReceiverPort})
      PM_TRYV(wait_until_it_sends(*of_wire, port, kPatience));
  }
  return lab;
}

}  // namespace pollmark
