// The path udp_socket: one UDP socket, recvmmsg in batches of 64, one thread.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// Receives what is addressed to place.frames_to_ipv4 and frames_to_port, on the receiving CPU of
// trial_cpus(order). It blocks: it is judged by its run-queue delay, not by polling gaps.
//
// Latency `rx` is one TSC reading after each recvmmsg less the frame's stamp: it includes the
// copying of the frames behind it in its batch (at most 63), so it errs to the high side, never to
// the low.
//
// planted_stop_ns: the thread sleeps once for that long in the middle of the window. It sleeps of
// its own will, so nothing calls it starved: what is lost meanwhile is kernel_socket_buffer.
//
//   Errors: bad_experiment for what this path has not (queues, workers, a stage other than none and
//   touch, replay); host_cannot "needs 2 CPUs".
[[nodiscard]] Result<std::unique_ptr<Receiver>> make_udp_socket_receiver(const TrialOrder& order,
                                                                         const NetdevPlace& place);

}  // namespace pollmark
