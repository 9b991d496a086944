// The generator udp_gso: UDP sockets that hand the kernel many datagrams of one flow at once
// (UDP_SEGMENT), which it cuts into frames as late as it can. The fastest that a socket sends.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// Datagrams of one call: the burst of the order's arrivals; under `load = "max"`, unless that is to
// calibrate, as many as go (most_gso_segments).
[[nodiscard]] int gso_segments(const TrialOrder& order);

// One thread on the sending CPU of trial_cpus(order). Call n is due at n * segments / pps, and all
// its frames with it; the flows take turns, call by call. A late generator catches up, but gives
// calls up that are older than 1 ms, which are tx_unsent. Each frame carries the stamp, its time
// of departure that of the call.
//
// The kernel's receive work on veth runs inside the call. On a device without a queueing discipline
// a call returns when its frames have arrived or were dropped.
//
//   Errors: bad_experiment for what this generator has not (plan/feasibility.h says it before);
//   host_cannot "needs 2 CPUs"; on open and join, host_cannot with the kernel's reason.
[[nodiscard]] Result<std::unique_ptr<Sender>> make_udp_gso_sender(const TrialOrder& order,
                                                                  const NetdevPlace& place);

}  // namespace pollmark
