// Two namespaces joined by a veth pair: the host's own kernel network path, without a NIC and
// without touching the host's network.
//
//   sender namespace: a0 198.18.0.1/15 ---- b0 198.18.0.2/15 :receiver namespace
//
// With wire = cut a bridge is between them, in a third namespace. Its ports join nothing: what the
// sender's device lets pass as one segment leaves the bridge as frames of the MTU.
//
//   a0 ---- wa bridge wb ---- b0
#pragma once

#include "base/error.h"
#include "host/netns.h"
#include "kernel/lab_places.h"
#include "record/trial_order.h"

namespace pollmark {

inline constexpr MacAddress kLabSenderMac{0x02, 0x50, 0x4d, 0x00, 0x00, 0x01};
inline constexpr MacAddress kLabReceiverMac{0x02, 0x50, 0x4d, 0x00, 0x00, 0x02};

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

  [[nodiscard]] const LabPlaces& places() const { return places_; }
  // Of the way there.
  [[nodiscard]] const NetdevPlace& sender_place() const { return places_.sender; }
  [[nodiscard]] const NetdevPlace& receiver_place() const { return places_.receiver; }
  // Of that way (directions_of).
  [[nodiscard]] NetdevPlace sender_of(const TrialOrder& way) const {
    return places_.sender_of(way);
  }
  [[nodiscard]] NetdevPlace receiver_of(const TrialOrder& way) const {
    return places_.receiver_of(way);
  }

 private:
  VethLab() = default;
  Netns sender_;
  Netns receiver_;
  Netns wire_;  // of WireKind::cut
  LabPlaces places_;
};

}  // namespace pollmark
