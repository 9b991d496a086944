// Generates or replays frames on a kernel network device, in real time, through DPDK's
// net_af_packet.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "rig/dpdk_port.h"
#include "trial/endpoints.h"

namespace pollmark {

// One thread on each sending CPU of trial_cpus(order), at most 32 frames per burst. The schedule is
// absolute (dpdk_pacer.h): a late generator catches up, but gives slots up that are older than
// 1 ms (kCatchUpNs) and than 32 slots, which are tx_unsent. `load = "max"` has no schedule:
// intended = offered.
//
// Several lcores share the schedule flow by flow (lcore_share.h), each with a transmit queue of its
// own: the same frames at the same instants as from one. Under `load = "max"` each sends its own
// flows as fast as it can. A capture in which an lcore has no flow leaves it idle.
//
// What is offered: frames that the transmit ring took, less those that the kernel still had not
// taken from it at the end (looked up in the ring itself; net_af_packet counts them as sent). A
// frame that the kernel refuses (no room at the peer) stays in the ring and goes out again later.
//
// On veth the kernel's receive work runs inside the sender's system call: gaps between two looks at
// the clock include it.
//
// Replay: the frames of the capture as they are, again and again, at the intended rate; counted,
// not tracked, and without a warm-up, since they carry no epoch.
//
// start_eal must have been called. Errors: host_cannot, bad_experiment.
//   port     on the place; shared with the receiver of the way back, where that is a port too
[[nodiscard]] Result<std::unique_ptr<Sender>> make_dpdk_sender(
    const TrialOrder& order, const NetdevPlace& place,
    std::shared_ptr<SharedPort> port = std::make_shared<SharedPort>());

}  // namespace pollmark
