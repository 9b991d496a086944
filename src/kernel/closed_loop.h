// The closed-loop paths: a client and a server on kernel sockets, each on a thread of its own.
#pragma once

#include "base/error.h"
#include "host/netns.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// client: whose place names the server's address and port; server: bound to them. The client runs
// on the first sending CPU of trial_cpus(order), the server on its receiving one. Both block: they
// are judged by their run-queue delay.
//
// Their books are in bytes, transactions or connections (ClosedLoopAccount), never in packets.
//
//   Errors: bad_experiment for a path that is not a closed loop; host_cannot "needs 2 CPUs".
[[nodiscard]] Result<Ends> make_closed_loop_ends(const TrialOrder& order, const NetdevPlace& client,
                                                 const NetdevPlace& server);

}  // namespace pollmark
