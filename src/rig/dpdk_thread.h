// Threads that DPDK knows as lcores.
#pragma once

#include <functional>
#include <string_view>

#include "base/error.h"
#include "host/pinned_thread.h"

namespace pollmark {

// Starts the thread on that CPU, registered with EAL while it runs the loop. role: "receiver", the
// place of an error.
//   Errors: host_cannot when the CPU is not allowed, or EAL has no lcore number left.
[[nodiscard]] Result<void> start_lcore(PinnedThread& thread, int cpu, std::string_view role,
                                       std::function<void()> loop);

}  // namespace pollmark
