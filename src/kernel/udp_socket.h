// The path udp_socket: UDP sockets that share a port (SO_REUSEPORT), each read by a thread of its
// own with recvmmsg in batches of 64.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// Receives what is addressed to place.frames_to_ipv4 and frames_to_port, on the receiving CPUs of
// trial_cpus(order), with receiving_sockets(order): the kernel gives a flow to one of them by its
// hash. A thread blocks: it is judged by its run-queue delay, not by polling gaps.
//
// With udp_gro a receive may give several datagrams of a flow that GRO joined; each of them is a
// frame. What a full buffer drops is counted joined then, and told in frames by the kernel's drop
// reasons (BPF), where they can be had.
//
// Latency `rx` is one TSC reading after each recvmmsg less the frame's stamp: it includes the
// copying of the frames behind it in its batch (at most 63), so it errs to the high side, never to
// the low.
//
// planted_stop_ns: the thread sleeps once for that long in the middle of the window. It sleeps of
// its own will, so nothing calls it starved: what is lost meanwhile is kernel_socket_buffer.
//
//   Errors: bad_experiment for what this path has not (workers, a stage other than none and
//   touch, replay); host_cannot "needs 2 CPUs", or more.
[[nodiscard]] Result<std::unique_ptr<Receiver>> make_udp_socket_receiver(const TrialOrder& order,
                                                                         const NetdevPlace& place);

}  // namespace pollmark
