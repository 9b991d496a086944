// The path packet_mmap: AF_PACKET sockets, each with a TPACKET_V3 ring and a thread of its own.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// Takes every frame that arrives at place.netdev, whoever it is addressed to, on the receiving CPUs
// of trial_cpus(order), with receiving_sockets(order): several are a fanout group, which gives each
// frame to one of them (order.receiver.fanout). Where it parts the frames of a flow (lb; cpu, where
// a flow comes in on several) they are counted, not tracked. The kernel hands over whole blocks:
// those that are full, and after 1 ms those that hold a frame at all, so that latency at low rates
// is up to that. Frames that find no free block are counted by the kernel (tp_drops) as
// kernel_packet_ring.
//
// It blocks: it is judged by its run-queue delay, not by polling gaps. planted_stop_ns as for
// udp_socket.
//
//   Errors: bad_experiment for what this path has not (workers, a stage other than none and
//   touch, replay); host_cannot "needs 2 CPUs", or more; on open, host_cannot with the kernel's
//   reason.
[[nodiscard]] Result<std::unique_ptr<Receiver>> make_packet_mmap_receiver(const TrialOrder& order,
                                                                          const NetdevPlace& place);

}  // namespace pollmark
