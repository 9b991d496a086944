// The path dpdk on a kernel network device: rte_eth_rx_burst on net_af_packet, in real time.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "rig/dpdk_port.h"
#include "trial/endpoints.h"

namespace pollmark {

// One polling thread on the receiving CPU of trial_cpus(order), one queue; stages none, touch and
// checksum on the same thread. rx_ring is the number of slots of the AF_PACKET ring, read back from
// the kernel; what finds it full is counted by the kernel (tp_drops) as kernel_packet_ring.
//
// The ring gets a copy of each frame; the other goes up the kernel's stack. In the veth lab it dies
// at once, since the frames are addressed to nobody's MAC (kernel/veth_lab.h).
//
// planted_stop_ns: the thread sleeps once for that long in the middle of the window, as a host that
// takes its CPU away: the gap detector sees it, and the trial is receiver_stalled.
//
// Replayed frames carry no stamp: each is counted as received.
//
// start_eal must have been called.
//   Errors: bad_experiment for what this path has not (several queues, workers, receive offloads);
//   host_cannot as trial_cpus.
//   port     on the place; shared with the sender of the way back
[[nodiscard]] Result<std::unique_ptr<Receiver>> make_dpdk_receiver(
    const TrialOrder& order, const NetdevPlace& place,
    std::shared_ptr<SharedPort> port = std::make_shared<SharedPort>());

}  // namespace pollmark
