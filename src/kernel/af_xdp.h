// The path af_xdp: one AF_XDP socket on queue 0 of the device, one thread.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// Takes every frame that arrives at place.netdev, whoever it is addressed to, on the receiving CPU
// of trial_cpus(order). The kernel puts frames where the fill ring says, and tells of them on the
// RX ring: a frame that finds no entry in the fill ring (rx_dropped) or no room on the RX ring
// (rx_ring_full) is kernel_xdp_ring. The socket owns as many chunks as the fill ring has entries.
//
// It blocks in poll(); with socket_busy_poll it polls the device itself first. planted_stop_ns as
// for udp_socket.
//
//   Errors: bad_experiment for what this path has not (queues, workers, a stage other than none and
//   touch, replay); host_cannot "needs 2 CPUs"; on open, host_cannot with the kernel's reason: no
//   native XDP, no zero-copy.
[[nodiscard]] Result<std::unique_ptr<Receiver>> make_af_xdp_receiver(const TrialOrder& order,
                                                                     const NetdevPlace& place);

}  // namespace pollmark
