// The two ends of a trial over the kernel's own network path, each in a namespace by itself.
//
//   sender namespace: 198.18.0.1/15 ---- 198.18.0.2/15 :receiver namespace
//
// They take the benchmarking network 198.18.0.0/15 (RFC 2544), permanent neighbours (no ARP), no
// IPv6. Whatever joins or cuts frames is off on both ends, so that link, IP and UDP counters count
// wire frames; of a closed loop it stays as the kernel has it. Sources anywhere in 198.18.0.0/15
// other than the two addresses pass the reverse path filter.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "record/trial_order.h"

namespace pollmark {

inline constexpr std::uint32_t kLabSenderIpv4 = 0xC6120001;    // 198.18.0.1
inline constexpr std::uint32_t kLabReceiverIpv4 = 0xC6120002;  // 198.18.0.2
inline constexpr int kLabPrefixBits = 15;
inline constexpr std::uint16_t kLabUdpPort =
    9;  // discard; the socket of the receiver is bound to it
// Nobody's. Frames that end in a packet ring go to it: the ring takes every frame, and the copy
// that goes up the stack ends at the first line of ip_rcv (counted rx_otherhost_dropped), so that
// it costs little and is never answered by ICMP.
inline constexpr MacAddress kLabNobodysMac{0x02, 0x50, 0x4d, 0x00, 0x00, 0x0f};

// Frames end in sockets, not in a packet ring.
[[nodiscard]] bool goes_up_the_stack(Path path);
// What the order's largest frame needs, of IP bytes. A replay tells no sizes: 0.
//   Errors: bad_experiment for a frame beyond what a device carries.
[[nodiscard]] Result<int> mtu_needed(const TrialOrder& order);

// Of the way there.
struct LabPlaces {
  NetdevPlace sender;
  NetdevPlace receiver;
  // Of that way (directions_of).
  [[nodiscard]] NetdevPlace sender_of(const TrialOrder& way) const;
  [[nodiscard]] NetdevPlace receiver_of(const TrialOrder& way) const;
};

// An end of the way there: its device, MTU and MAC are the caller's to say.
struct LabEnd {
  std::string netdev;
  int netns_fd = -1;
  int mtu = 1500;
  MacAddress mac{};
};
[[nodiscard]] LabPlaces lab_places(const TrialOrder& order, const LabEnd& sender,
                                   const LabEnd& receiver);

// Quietens the devices, gives them their addresses and neighbours, and waits until both send.
//   Errors: host_cannot with the kernel's reason, or "no carrier after ...".
[[nodiscard]] Result<void> ready_places(const TrialOrder& order, const LabPlaces& places,
                                        std::chrono::seconds patience);

// No frame may come up that the sender did not send: no IPv6 reports, no answers.
void quieten(Netlink& netlink, int netns_fd, const std::string& netdev);
[[nodiscard]] Result<void> join_nothing(int netns_fd, const std::string& netdev);
// A device has its carrier before it sends: until a kernel worker has noticed, its queueing
// discipline is noop, which drops every frame.
[[nodiscard]] Result<void> wait_until_it_sends(Netlink& netlink, const std::string& netdev,
                                               std::chrono::seconds patience);

}  // namespace pollmark
