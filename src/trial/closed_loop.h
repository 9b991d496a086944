// A closed loop's books and limit, in its own unit. Pure.
#pragma once

#include <string>
#include <vector>

#include "trial/endpoints.h"
#include "trial/limited_by.h"

namespace pollmark {

// What client and server know, put together. A server that answered fewer than the client got, or
// more than it asked, is a contradiction.
[[nodiscard]] ClosedLoopAccount close_loop(ClosedLoopAccount client, const ServingAccount& server,
                                           std::vector<std::string>& contradictions);

// kernel:receive_window, kernel:send_buffer   TCP waited for it more than half of the sending time
// kernel:listen_queue   connections failed, and the listen queue overflowed
// core                  an end's thread had its CPU for 97 % of the window
// round_trip            none of these: each message waits for the one before it
// unknown               none of these, of a stream: its writes wait for nothing else that is seen
[[nodiscard]] Limit closed_loop_limit(const ClosedLoopAccount& loop, double window_seconds,
                                      const std::map<std::string, CounterChange>& changes);

// Of both threads; the softirq work that the kernel does inside them is billed to them (unless it
// was built with CONFIG_IRQ_TIME_ACCOUNTING).
[[nodiscard]] std::optional<double> cores_used(const ClosedLoopAccount& loop,
                                               double window_seconds);

}  // namespace pollmark
