// Two of the host's own network devices, joined by a cable, as the ends of a trial over the
// kernel's network path: each is lent to a namespace of its own for as long as the trial lasts
// (host/netdev_home.h), so that nothing else sends or receives there and every counter is the
// trial's. MAC addresses are the devices' own. The MTU stays what it is unless the knob asks for
// another or a frame needs more. Devices whose frames end in a packet ring take frames for every
// MAC (promiscuous): those are addressed to nobody.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/journal.h"
#include "host/netns.h"
#include "kernel/books.h"
#include "kernel/lab_places.h"
#include "record/trial_order.h"

namespace pollmark {

// Both ports of the order are network devices of the host ("netdev:eth2").
[[nodiscard]] bool is_on_netdevs(const TrialOrder& order);

// Where the sender of that way will stand; only looks at the devices, which stay where they are.
//   Errors: host_cannot where there is no such device.
[[nodiscard]] Result<NetdevPlace> netdev_sender_place(const TrialOrder& way);

// Movable; one thread. Outlives what runs in it. The devices are home when the last holder of the
// journal has gone, or, after any end of the process, when the journal's guardian has done so.
class NetdevLab {
 public:
  // Devices in use that the order does not allow are refused. Sends a few frames: are the devices
  // joined? Errors: host_cannot "needs CAP_NET_ADMIN" (CAP_NET_RAW, CAP_SYS_ADMIN); those of
  // need_idle_netdev, need_lendable_netdev and Journal::lend; "no carrier after ..."; "a frame sent
  // on eth2 did not arrive on eth3".
  [[nodiscard]] static Result<NetdevLab> create(const TrialOrder& order,
                                                std::shared_ptr<Journal> journal);

  [[nodiscard]] const LabPlaces& places() const { return places_; }
  // The two ends of one veth pair; else whatever a driver and a cable do.
  [[nodiscard]] LinkKind link() const { return link_; }

 private:
  explicit NetdevLab(std::shared_ptr<Journal> journal) : journal_(std::move(journal)) {}
  std::shared_ptr<Journal> journal_;
  Netns sender_;
  Netns receiver_;
  LabPlaces places_;
  LinkKind link_ = LinkKind::drivers;
};

}  // namespace pollmark
