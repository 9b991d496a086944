// The path xdp_drop: a program at the device's XDP hook counts every frame and drops it, in the
// softirq that received it. No thread, no socket: the least that the kernel can do with a frame.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// Frames are counted, not tracked: a frame that came twice counts twice, there is no latency, and
// losses are told by how many frames are missing.
//
//   Errors: bad_experiment for what a program has not (a stage, replay, workers, several queues, a
//   planted stop); host_cannot "needs 2 CPUs"; on open, host_cannot with the kernel's reason.
[[nodiscard]] Result<std::unique_ptr<Receiver>> make_xdp_drop_receiver(const TrialOrder& order,
                                                                       const NetdevPlace& place);

}  // namespace pollmark
