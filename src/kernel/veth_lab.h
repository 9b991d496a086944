// Two namespaces joined by a veth pair: the host's own kernel network path, without a NIC and
// without touching the host's network.
//
//   sender namespace: a0 198.18.0.1/15 ---- b0 198.18.0.2/15 :receiver namespace
//
// It takes the benchmarking network 198.18.0.0/15 (RFC 2544), permanent neighbours (no ARP), no
// IPv6. Whatever joins or cuts frames is off on both ends, so that link, IP and UDP counters count
// wire frames; of a closed loop it stays as the kernel has it. Sources anywhere in 198.18.0.0/15
// other than the two addresses pass the reverse path filter.
//
// With wire = cut a bridge is between them, in a third namespace. Its ports join nothing: what the
// sender's device lets pass as one segment leaves the bridge as frames of the MTU.
//
//   a0 ---- wa bridge wb ---- b0
#pragma once

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"

namespace pollmark {

inline constexpr std::uint32_t kLabSenderIpv4 = 0xC6120001;    // 198.18.0.1
inline constexpr std::uint32_t kLabReceiverIpv4 = 0xC6120002;  // 198.18.0.2
inline constexpr int kLabPrefixBits = 15;
inline constexpr std::uint16_t kLabUdpPort =
    9;  // discard; the socket of the receiver is bound to it
inline constexpr MacAddress kLabSenderMac{0x02, 0x50, 0x4d, 0x00, 0x00, 0x01};
inline constexpr MacAddress kLabReceiverMac{0x02, 0x50, 0x4d, 0x00, 0x00, 0x02};
// Nobody's. Frames of the dpdk path go to it: the AF_PACKET ring takes every frame, and the copy
// that goes up the stack ends at the first line of ip_rcv (counted rx_otherhost_dropped), so that
// it costs little and is never answered by ICMP.
inline constexpr MacAddress kLabNobodysMac{0x02, 0x50, 0x4d, 0x00, 0x00, 0x0f};

// Where the sender of that way (directions_of) will stand, with whom it talks; in no namespace yet.
//   Errors: bad_experiment for a frame beyond what veth carries.
[[nodiscard]] Result<NetdevPlace> lab_sender_place(const TrialOrder& way);

// Movable; one thread. Its namespaces and devices are gone after destruction, and after any end
// of the process, kill -9 included: nothing but this object holds them. Outlives what runs in it.
class VethLab {
 public:
  // The MTU is the order's knob, else fits its largest frame; a replay gets 9000.
  // Errors: host_cannot "needs CAP_NET_ADMIN" (CAP_NET_RAW, CAP_SYS_ADMIN), or the kernel's reason;
  // bad_experiment for a frame beyond what veth carries.
  [[nodiscard]] static Result<VethLab> create(const TrialOrder& order);

  // Of the way there.
  [[nodiscard]] const NetdevPlace& sender_place() const { return sender_place_; }
  [[nodiscard]] const NetdevPlace& receiver_place() const { return receiver_place_; }
  // Of that way (directions_of).
  [[nodiscard]] NetdevPlace sender_of(const TrialOrder& way) const;
  [[nodiscard]] NetdevPlace receiver_of(const TrialOrder& way) const;

 private:
  VethLab() = default;
  Netns sender_;
  Netns receiver_;
  Netns wire_;  // of WireKind::cut
  NetdevPlace sender_place_;
  NetdevPlace receiver_place_;
};

}  // namespace pollmark
